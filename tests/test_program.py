"""Programs: read, checked, evaluated."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.distributions import Categorical

import asrppl
from asrppl.diagnostics import AsrError
from asrppl.program import Program

RULES = """
param eps = 0.5
rule close weight 2: forall i: abs(x[i]) <= eps
rule ramp weight 0 -> 4 over 10 steps: forall i: x[i] <= 0
rule off weight 0: forall i: x[i] >= 9
"""


@pytest.mark.parametrize(
    ("operator", "tail", "violation"), [("and", "", 1_000), ("or", "", 1), ("+", " <= 500", 500), ("*", " <= 0", 1)]
)
def test_a_chain_may_be_as_long_as_a_statement(operator: str, tail: str, violation: float) -> None:
    # 1,000 equal conjuncts are one value in the graph, and count 1,000 times.
    program = asrppl.parse(f"rule long: {f' {operator} '.join(['b'] * 1_000)}{tail}")
    value = torch.tensor(False) if operator in ("and", "or") else torch.tensor(1.0)
    assert float(program.violations({"b": value})["long"]) == violation


def test_violations_are_by_rule_and_batch() -> None:
    found = asrppl.parse(RULES).violations({"x": [[0.5, -1.0], [2.0, 1.0]]})
    assert {name: value.tolist() for name, value in found.items()} == {
        "close": [0.5, 2.0],
        "ramp": [0.5, 3.0],
        "off": [18.5, 15.0],
    }


@pytest.mark.parametrize(("step", "ramp"), [(0, 0.0), (5, 2.0), (10, 4.0), (99, 4.0)])
def test_the_penalty_is_the_weighted_sum_of_means(step: int, ramp: float) -> None:
    penalty = asrppl.parse(RULES).penalty({"x": [[0.5, -1.0], [2.0, 1.0]]}, step)
    assert float(penalty) == pytest.approx(2 * 1.25 + ramp * 1.75)


@pytest.mark.parametrize(("step", "weight"), [(0, 1.0), (6, 1.0), (8, 2.0), (10, 3.0), (99, 3.0)])
def test_a_ramp_may_begin_later(step: int, weight: float) -> None:
    program = asrppl.parse("rule late weight 1 -> 3 over 6..10 steps: x <= 0")
    assert float(program.penalty({"x": 2.0}, step)) == 2 * weight


def test_the_penalty_is_differentiable_and_ignores_how_often_data_is_repeated() -> None:
    x = torch.tensor([[0.5, -1.0], [2.0, 1.0]], requires_grad=True)
    program = asrppl.parse(RULES)
    (once,) = torch.autograd.grad(program.penalty({"x": x}, 10), x)
    (twice,) = torch.autograd.grad(program.penalty({"x": torch.cat((x, x))}, 10), x)
    torch.testing.assert_close(once, twice)
    assert once.abs().sum() > 0


def test_a_penalty_of_nothing_is_zero() -> None:
    penalty = asrppl.parse("rule off weight 0: x <= 1").penalty({"x": torch.tensor(3.0, dtype=torch.float64)})
    assert penalty.dtype == torch.float64
    assert float(penalty) == 0


def test_params_replace_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rules.asr"
    path.write_text(RULES)
    assert float(asrppl.load(path, eps=2).violations({"x": [1.0]})["close"]) == 0
    assert float(asrppl.parse(RULES, eps=0.25).violations({"x": [1.0]})["close"]) == 0.75
    assert asrppl.load(str(path), eps=2).params["eps"] == 2


def test_imports_are_found_beside_a_file(tmp_path: Path) -> None:
    (tmp_path / "more.asr").write_text("param high = 3\ndef small(a) = a <= high\n")
    (tmp_path / "rules.asr").write_text('import "more.asr"\nrule r: forall i: small(x[i])\n')
    program = asrppl.load(tmp_path / "rules.asr")
    assert float(program.violations({"x": [5.0, 1.0]})["r"]) == 2
    assert float(pickle.loads(pickle.dumps(program)).violations({"x": [5.0, 1.0]})["r"]) == 2


def test_a_pickled_program_keeps_its_params() -> None:
    program = pickle.loads(pickle.dumps(asrppl.parse(RULES, eps=2)))
    assert float(program.violations({"x": [1.0]})["close"]) == 0
    assert [rule.name for rule in program.rules] == ["close", "ramp", "off"]


def test_all_errors_of_a_file_are_raised_at_once() -> None:
    with pytest.raises(AsrError) as caught:
        asrppl.parse("rule a: n == 1 or 3\nrule b: forall i: y[i] <=\nrule c: unknown(3) <= kl(3)\n")
    lines = {d.span.source.position(d.span.start)[0] for d in caught.value.diagnostics if d.span is not None}
    assert lines == {1, 2, 3}


def test_warnings_are_kept() -> None:
    with pytest.warns(asrppl.AsrWarning, match="`unused` is never used"):
        program = asrppl.parse("param unused = 3\nrule r: x <= 1")
    assert [diagnostic.severity.value for diagnostic in program.diagnostics] == ["warning"]


def test_a_file_that_is_not_text_is_an_error_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "rules.asr"
    path.write_bytes(b"x <= \xff\xfe")
    with pytest.raises(AsrError, match="not UTF-8"):
        asrppl.load(path)
    with pytest.raises(FileNotFoundError):
        asrppl.load(tmp_path / "none.asr")


def test_a_hard_rule_has_a_violation_and_no_penalty() -> None:
    with pytest.raises(AsrError) as caught:
        asrppl.parse("rule r hard: x <= 1").penalty({"x": 1.0})
    assert caught.value.diagnostics[0].code == "ASR079"
    assert float(asrppl.parse("rule r hard: x <= 1").violations({"x": 3.0})["r"]) == 2


def test_lengths_that_differ_are_an_error_in_the_rules() -> None:
    with pytest.raises(AsrError) as caught:
        asrppl.parse("rule r: forall i: x[i] <= y[i]").violations({"x": [1.0, 2.0], "y": [1.0, 2.0, 3.0]})
    assert caught.value.diagnostics[0].span is not None


def test_a_plan_is_made_once_a_signature_and_the_oldest_is_dropped() -> None:
    program = asrppl.parse("rule r: forall i: x[i] <= 1")
    signatures = []
    for length in range(1, 12):
        bound = asrppl.bind.values.bind_values(program.free, {"x": torch.zeros(length)})
        signatures.append(bound.signature)
        assert program.plan(bound.signature) is program.plan(bound.signature, elements=60)
    assert len(program._plans) == 8
    assert (signatures[0], 64, False, None, False) not in program._plans
    assert (signatures[-1], 64, False, None, False) in program._plans


def test_any_device_of_the_values_will_do() -> None:
    values = {"box": torch.zeros((4, 5, 3), device="meta")}
    found = asrppl.parse("rule r: forall i != j: nonoverlap(box[i], box[j])").violations(values)
    assert (found["r"].device.type, found["r"].shape) == ("meta", (4,))


def test_the_representation_names_the_rules() -> None:
    assert repr(asrppl.parse(RULES)) == "Program('<rules>', rules: close, ramp, off)"


def test_an_aggregate_is_the_mean_over_the_batch() -> None:
    program = asrppl.parse("rule r: kl(uniform({0, 1}) || aggregate(q(n))) <= 0")
    found = program.violations({"n": Categorical(torch.tensor([[0.9, 0.1], [0.1, 0.9]]))})["r"]
    assert found.shape == ()
    assert float(found) == pytest.approx(0, abs=1e-6)


def test_importing_the_package_and_checking_import_no_torch() -> None:
    code = "import sys, asrppl; import asrppl.check, asrppl.syntax; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_rules_about_laws_are_checked_without_torch() -> None:
    rules = (
        "forall d: kl(q(z[d]) || normal(0, s)) >= 0.5 and cdf(q(z[d]), 1) + sd(q(y)) <= quantile(q(x), 0.9) + q(n)[2]"
    )
    code = f"import sys, asrppl; print(sorted(asrppl.parse({rules!r}).free)); sys.exit('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "['n', 's', 'x', 'y', 'z']\n")


def test_the_package_offers_what_it_says() -> None:
    assert set(asrppl.__all__) == {
        "AsrError",
        "AsrWarning",
        "Bindings",
        "Diagnostic",
        "Program",
        "RegularizedELBO",
        "Report",
        "__version__",
        "boxes",
        "evaluate",
        "expose",
        "load",
        "parse",
        "regularize",
    }
    assert set(asrppl.__all__) <= set(dir(asrppl))
    assert asrppl.Program is Program
    with pytest.raises(AttributeError, match="nothing_of_the_sort"):
        asrppl.nothing_of_the_sort  # noqa: B018 (the access is the test)


@pytest.mark.filterwarnings("ignore::asrppl.AsrWarning")
@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("let step[i] = a[i + 1] - a[i]\nforall i: step[i] >= 0", {"a": [3.0, 2.0, 1.0]}, 2.0),
        ("let step[i] = a[i + 1] - a[i]\nforall i: step[i + 1] >= step[i]", {"a": [1.0, 4.0, 5.0, 5.5]}, 2.5),
        ("def after(b, k) = b[k + 1] <= 0\nafter(a, 1)", {"a": [1.0, 2.0, 3.0]}, 3.0),
        ("def none(S) = forall k in S: a[k] <= 0\nnone({0, 2})", {"a": [1.0, 2.0, 3.0]}, 4.0),
        ("len(a[0]) == 2", {"a": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]}, 0.0),
    ],
)
def test_definitions_are_checked_without_what_only_their_uses_know(
    text: str, values: dict[str, object], expected: float
) -> None:
    (violation,) = asrppl.parse(text).violations(values).values()
    assert violation.item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("member", "chain"),
    [
        ("C in [0, 1]", "0 <= C <= 1"),
        ("C in 0..1", "0 <= C <= 1"),
        ("C not in [0, 2]", "C < 0 or C > 2"),
        ("C in {0, 1}", "C == 0 or C == 1"),
        ("C not in {1, 2}", "C != 1 and C != 2"),
    ],
)
def test_a_count_in_a_container_costs_and_teaches_what_its_comparisons_do(member: str, chain: str) -> None:
    found: list[tuple[float, list[float]]] = []
    for text in (member, chain):
        a = torch.tensor([0.25, 3.0, 5.0], requires_grad=True)
        (violation,) = asrppl.parse(text.replace("C", "(count i: a[i] >= 1)")).violations({"a": a}).values()
        violation.backward()
        assert a.grad is not None
        found.append((violation.item(), a.grad.tolist()))
    assert found[0] == found[1]
    assert any(found[0][1])


def test_a_bound_function_may_be_a_predicate() -> None:
    program = asrppl.parse("forall i: big(a[i]) implies a[i] <= 5")
    values = {"a": [1.0, 4.0, 7.0], "big": lambda a: a > 3}
    assert program.violations(values) == {"line 1": torch.tensor(2.0)}  # big(7) is discrete: no bargain
    assert program.violations({**values, "a": [1.0, 4.0, 5.0]}) == {"line 1": torch.tensor(0.0)}
    with pytest.raises(asrppl.AsrError, match="where a formula is needed"):
        program.violations({**values, "big": lambda a: a})


@pytest.mark.parametrize(
    "name", ["overlap.asr", "my rules/overlap.asr", "rules/overlap.as", "..\\\\my.txt", "/srv/x.asr"]
)
def test_the_name_of_a_file_is_no_text_of_rules(name: str) -> None:
    with pytest.raises(asrppl.AsrError, match="is the name of a file, and no text of rules") as error:
        asrppl.parse(name)
    assert [found.code for found in error.value.diagnostics] == ["ASR098"]


@pytest.mark.parametrize(
    "rule", ["sqrt(x) <= 1", "x ^ 0.5 <= 1", "x ^ 2 <= 1", "abs(x) <= 1", "x / 2 <= 1", "log(x) <= 1"]
)
def test_what_is_no_number_never_holds(rule: str) -> None:
    with pytest.warns(asrppl.AsrWarning, match=r"the violation of rule `line 1` is nan: `x\[0\]` is nan"):
        violation = asrppl.parse(rule).violations({"x": torch.tensor([float("nan"), 0.5])})["line 1"]
    assert violation.isnan().tolist() == [True, False]
    assert float(violation[1]) == 0


def test_probabilities_that_are_no_numbers_have_no_divergence() -> None:
    program = asrppl.parse("kl(categorical(p) || uniform({0, 1})) <= 0")
    with pytest.warns(asrppl.AsrWarning, match=r"`p\[0\]` is nan"):
        assert program.violations({"p": torch.tensor([float("nan"), 0.5])})["line 1"].isnan()
