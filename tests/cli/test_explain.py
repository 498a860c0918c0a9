"""`asrppl explain FILE`: rules as mathematics, what they cost, read and take, their grids and code."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from asrppl import parse
from asrppl.bind.values import bind_values
from asrppl.cli.main import main
from asrppl.cli.wrap import WIDTH, wrapped
from tests.programs import Writer

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path for folder in ("air/asrppl_air/rule_files", "gallery") for path in (ROOT / "examples" / folder).rglob("*.asr")
)
Explain = Callable[..., str]


@pytest.fixture
def explain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Explain:
    def run(text: str, *arguments: str, status: int = 0) -> str:
        file = tmp_path / "rules.asr"
        file.write_text(text)
        assert main(["explain", str(file), *arguments]) == status
        captured = capsys.readouterr()
        return captured.err if status else captured.out

    return run


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
@pytest.mark.parametrize("ways", [(), ("--expand",)])
def test_the_examples_are_explained_in_short_lines(
    file: Path, ways: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(file), *ways]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert not any(line.endswith(" ") for line in lines)
    assert main(["explain", str(file), *ways, "--latex"]) == 0
    assert re.search(r"\\[a-z]+", capsys.readouterr().out)


def test_explaining_imports_no_torch() -> None:
    code = (
        f"import sys; from asrppl.cli.main import main; main(['explain', {str(FILES[0])!r}, '--expand', '--lengths',"
        "'box=4,ink=4,n=4']); sys.exit(bool({'torch', 'numpy', 'pyro'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


def test_definitions_are_written_out_on_request(explain: Explain) -> None:
    text = "def near(a, b) = abs(a - b) <= 1\nforall i: near(x[i], y)\n"
    plain = explain(text)
    assert "    ∀ i: near(x_i, y)\n    costs    Σ_i cost(near(x_i, y))\n" in plain
    assert "cost(..)     of what the rules define; --expand writes it out\n" in plain
    expanded = explain(text, "--expand")
    assert "    ∀ i: |x_i − y| ≤ 1\n    costs    Σ_i max(|x_i − y| − 1, 0)\n" in expanded
    assert "cost(..)" not in expanded


def test_what_is_read_and_that_it_is_data(explain: Explain) -> None:
    out = explain("given g: bool\nrule r where g: forall i: box[i].x <= 1 and on\n")
    assert "    where    g: of other data it asks nothing\n" in out
    assert "    reads    g: given Boolean; box[i]: box; on: Boolean\n" in out


@pytest.mark.parametrize(
    ("rule", "means", "trains"),
    [
        (
            "forall i: E[x[i]] <= 1",
            "E_q[x_i]  of draws, for each i and each datum",
            "a multiplier for each comparison and each datum, up to the weight",
        ),
        (
            "rule r hard: aggregate(E[x]) <= 1",
            "𝔼_data[E_q[x]]  of draws and data",
            "a multiplier for each comparison, without bound",
        ),
        (
            "aggregate(mean(q(x))) <= 1",
            "𝔼_data[mean(q(x))]  of data",
            "a multiplier for each comparison, up to the weight",
        ),
        ("x <= E[x] + 1", "E_q[x]  of draws, for each datum", "draw by draw, beside tracked means, in channel P or S"),
        ("rule r hard: x <= 1", None, "a multiplier: the mean violation is to be 0, without bound"),
        (
            "rule r power 2: aggregate(E[x]) <= 1",
            "𝔼_data[E_q[x]]  of draws and data",
            "at the means as they are tracked: with `power` there are no multipliers",
        ),
        ("mean(q(x)) <= 1", None, "through the law of x"),
        ("x <= 1", None, "draw by draw, in channel P or S"),
        ("given x\nx <= 1", None, "nothing: it reads data only"),
    ],
)
def test_means_and_what_regularize_makes_of_a_rule(explain: Explain, rule: str, means: str | None, trains: str) -> None:
    out = explain(rule)
    assert f"    trains   {trains}\n" in out
    assert ("    means " in out) == (means is not None)
    assert means is None or f"    means    {means}\n" in out


def test_a_condition_on_draws_is_named(explain: Explain) -> None:
    out = explain("forall i where s[i] > 0.5: x[i] <= 1")
    assert "    chooses  by s: if that is a reparameterised draw, detach(s) (ASR064)\n" in out


def test_latex(explain: Explain) -> None:
    out = explain("forall i: abs(x[i]) / 2 <= 1", "--latex")
    assert "    " + r"\forall i:\ \frac{\left| x_{i} \right|}{2} \leq 1" + "\n" in out
    assert r"    costs    \sum_{i} \max\left( \frac{\left| x_{i} \right|}{2} - 1, 0 \right)" in out


def test_grids(explain: Explain) -> None:
    rule = "forall i != j: x[i] <= x[j] + 1\ny <= 1"
    out = explain(rule, "--lengths", "x=50")
    assert "    grid     i × j: 50 × 50 = 2,500 instances, 640 kB an array (batch of 64, float32)\n" in out
    assert "    grid     1 instance\n" in out
    assert "warning" not in out
    assert "    warning  huge: " in explain(rule, "--lengths", "i=4000,j=4000")


def test_which_pairs_are_looked_at(explain: Explain) -> None:
    rules = """forall i != j: nonoverlap(box[i], box[j])
forall i != j: abs(box[i].size - box[j].size) <= 3
forall i != j: abs(box[i].x - box[j].x) >= 3 and box[i].x * box[j].x <= 1
forall i: box[i].x <= 1
"""
    out = explain(rules, "--lengths", "box=10000")
    assert [line.split(maxsplit=1)[1] for line in out.splitlines() if line.startswith("    pairs ")] == [
        "i, j that meet along 2 axes (a grid)",
        "i, j that are far apart, as sorted sums",
        "i, j that meet (a sweep); all of them",
    ]
    assert out.count("    warning  huge: ") == 1


def test_code_is_that_of_the_rule(explain: Explain) -> None:
    rule = "forall i != j: x[i] <= x[j] + 1"
    out = explain(rule, "--lengths", "x=3", "--code")
    code = out[out.index("# reads x\n") : out.index("\nchannel P")]
    program = parse(rule)
    x = torch.tensor([0.0, 1.5, 4.0])
    plan = program.plan(bind_values(program.free, {"x": x}).signature)
    assert "def forward(self, x):" in code
    assert plan.code.strip() in code
    assert float(program.violations({"x": x})["line 1"]) == 0.5 + 3.0 + 1.5


def test_code_of_rules_on_means_reads_the_means(explain: Explain) -> None:
    out = explain(
        "given g: int\nrule even hard: abs(aggregate(E[x] where g == 0) - aggregate(E[x] where g == 1)) <= 0.1",
        "--code",
    )
    assert "# even, moment 1: aggregate(E[x] where g == 0)\n" in out
    assert "# even, moment 3: the share of those meant by aggregate(E[x] where g == 0)\n" in out
    assert "# constant_0: 0.1\n" in out
    assert "# r, moment 1: what this costs: x <= 1\n" in explain("rule r hard: x <= 1", "--code")


@pytest.mark.parametrize(
    ("rule", "arguments", "message"),
    [
        ("forall i: x[i] <= 1", ("--code",), "how long is `x[i]`? --lengths x=50, or i=50"),
        ("x[n] <= 1", ("--code",), "how long is `x[i]`? --lengths x=50\n"),
        ("forall i: x[i] <= 1", ("--lengths", "z=3"), "the rules have no `z`; they have x, i"),
        (
            "kl(delta(1) || q(n)) <= 1",
            ("--code",),
            "a law of finitely many values has their number last: --lengths n=5",
        ),
    ],
)
def test_what_is_missing_is_asked_for(explain: Explain, rule: str, arguments: tuple[str, ...], message: str) -> None:
    assert message in explain(rule, *arguments, status=2)


@pytest.mark.parametrize("seed", range(12))
def test_every_rule_of_generated_files_is_explained(explain: Explain, seed: int) -> None:
    text = Writer(seed).file()
    for ways in ((), ("--expand",), ("--latex",)):
        assert explain(text, *ways).count(" level\n") >= 1


@pytest.mark.parametrize("lengths", ["x", "x=", "x=0", "x=a", "x=3x", "=3"])
def test_lengths_that_are_none(lengths: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["explain", str(tmp_path / "rules.asr"), "--lengths", lengths])
    assert stopped.value.code == 2
    assert "expected NAME=LENGTH" in capsys.readouterr().err


def test_lines_break_where_the_fewest_brackets_are_open() -> None:
    text = "∀ i: f(a + b, c) ≤ d ∧ g(x + y) ≤ z"
    assert wrapped(text, 40) == [text]
    assert wrapped(text, 30) == ["∀ i: f(a + b, c) ≤ d", "∧ g(x + y) ≤ z"]
    long = " + ".join(["xyz"] * 500)
    lines = wrapped(long, WIDTH)
    assert " ".join(lines) == long
    assert max(map(len, lines)) <= WIDTH
    assert wrapped("x" * 200, 50) == ["x" * 200]
    assert all(re.match(r"[+∧≤]", line) for line in wrapped(long, 40)[1:])
