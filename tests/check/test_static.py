"""Checking a file by itself: what it expects, params, imports, limits, warnings; and the language's own examples."""

import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import asrppl
from asrppl.check import check_file
from asrppl.check.context import MAX_STEPS
from asrppl.check.standard import standard_definitions
from asrppl.core.rules import Schedule
from asrppl.source import Source
from asrppl.syntax import parse_file
from tests.check.programs import checked, codes

EXAMPLES = {
    "number": """
        param L = {1, 3}

        rule admissible weight 10:  exists k in L: kl(delta(k) || q(n)) <= 0
        rule balanced   weight 100: kl(uniform(L) || aggregate(q(n))) <= 0
    """,
    "overlap": """
        param S     = 50          # side of the canvas, pixels
        param c_min = 11
        param c_max = 15
        param eps   = 3

        rule apart     weight 1:  forall i != j: nonoverlap(box[i], box[j])
        rule framed    weight 1:  forall i: inside(box[i], frame(0, 0, S, S))
        rule sized     weight 20: forall i: c_min <= box[i].size <= c_max
        rule same_size weight 10: forall i != j: abs(box[i].size - box[j].size) <= eps
    """,
    "mapped": """
        param S = 50
        site z_where[i]: (scale, x, y)
        let box[i] = square(x: S * (z_where[i].x + 1) / 2, y: S * (z_where[i].y + 1) / 2, size: S * z_where[i].scale)
        forall i!=j: nonoverlap(box[i], box[j])
    """,
    "one line": "forall i!=j: nonoverlap(box[i], box[j])",
    "numbered": """
        site w[i] = "z_where_{i}": (scale, x, y)
        forall i: w[i].scale <= 1
    """,
    "mixture": "rule used weight 10: forall k in 0..4: aggregate(P[assignment == k]) >= 0.05",
    "hmm": "rule sticky: (count t: state[t] != state[t + 1]) <= 3",
    "regression": "rule rising hard: forall g: f(grid[g]) <= f(grid[g + 1])",
    "parity": "rule parity weight 50: abs(aggregate(E[score] where group == 0) "
    "- aggregate(E[score] where group == 1)) <= 0.05",
    "topics": "rule distinct: forall k, l where k < l: tv(categorical(phi[k]), categorical(phi[l])) >= 0.3",
    "physics": "rule ode: forall t: abs((h[t + 1] - h[t]) / dt + k * h[t]) <= eps",
    "survival": "rule falls: forall t: surv[t + 1] <= surv[t]",
    "hierarchical": "rule shrink: forall s: abs(theta[s] - mu) <= 3 * tau",
    "air": "rule reading: forall i where i + 1 < n: box[i].x <= box[i + 1].x",
    "vae": "rule decorrelated: forall d != e: abs(aggregate(E[z[d] * z[e]]) "
    "- aggregate(E[z[d]]) * aggregate(E[z[e]])) <= 0.05",
    "series": "rule alarm: forall t where hot[t]: exists u in t..t + 5: fan[u]",
    "causal": "rule harmless: P[y1 >= y0] >= 0.95",
    "sum": "sum i: w[i] == 1",
}


def text_of(name: str) -> str:
    return "\n".join(line.removeprefix("        ") for line in EXAMPLES[name].splitlines())


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_the_design_check_without_a_word(name: str) -> None:
    found = checked(text_of(name))
    assert codes(found) == []
    assert found.rules


EXPECTED = {
    "number": {"n": (0, "distribution", None, False)},
    "overlap": {"box": (1, "box", ("x", "y", "w", "h"), True)},
    "mapped": {"z_where": (1, "record", ("scale", "x", "y"), True)},
    "topics": {"phi": (1, "probabilities", None, False)},
    "hmm": {"state": (1, "int", None, True)},
    "regression": {"f": (1, "function", None, True), "grid": (1, "scalar", None, True)},
    "series": {"hot": (1, "bool", None, True), "fan": (1, "bool", None, True)},
    "air": {"n": (0, "scalar", None, True), "box": (1, "box", ("x", "y", "w", "h"), True)},
    "hierarchical": {
        "theta": (1, "scalar", None, True),
        "mu": (0, "scalar", None, True),
        "tau": (0, "scalar", None, True),
    },
}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_a_file_expects_is_read_off_its_uses(name: str) -> None:
    free = checked(text_of(name)).free
    assert {n: (f.rank, f.shape, f.fields, f.draw) for n, f in free.items()} == EXPECTED[name]


def test_a_name_read_as_a_draw_and_as_a_distribution_is_both() -> None:
    free = checked("n <= 2 or entropy(q(n)) <= 1").free
    assert (free["n"].shape, free["n"].draw) == ("distribution", True)


def test_other_fields_than_a_boxs_make_a_record_and_a_pattern_is_kept() -> None:
    free = checked('site w[i] = "z_{i}": (a, b)\nforall i: w[i].a <= loc[i].lat + loc[i].lon').free
    assert (free["loc"].shape, free["loc"].fields) == ("record", ("lat", "lon"))
    assert (free["w"].pattern, free["w"].fields) == ("z_{i}", ("a", "b"))


def test_what_differs_or_ends_a_range_is_whole() -> None:
    free = checked("forall i in 0..n: x[i] != m or y in 0..k").free
    assert {name: found.shape for name, found in free.items()} == dict.fromkeys("nxmyk", "int")


def test_an_array_that_only_len_reads_has_no_known_rank() -> None:
    assert checked("len(a) <= n").free["a"].rank is None


def test_what_unused_definitions_read_is_not_expected() -> None:
    assert list(checked("let a = b\nlet c[i] = d[i]\nrule r: x <= 1").free) == ["x"]


def test_site_names_that_are_words_of_the_language_stay_usable() -> None:
    assert list(checked("weight + scale + mean + rule + box <= 1").free) == ["weight", "scale", "mean", "rule", "box"]


def test_names_may_be_those_of_the_standard_librarys_functions() -> None:
    found = checked("param area = 3\nlet distance = area + 1\nforall above: x[above] <= distance + frame")
    assert codes(found) == []


# ---- rules


def test_rules_carry_their_options() -> None:
    text = "param lam = 3\nrule a weight 2 * lam smooth 4 margin 0.5: x <= 1\nrule b hard: x <= 1\n"
    text += "rule c hard within 0.1: x <= 1\nrule d weight 0 -> lam over 10 steps: x <= 1\nx <= 2"
    a, b, c, d, e = checked(text).rules
    assert (a.weight, a.smooth, a.margin, a.hard) == (Schedule(6, 6, 0), 4.0, 0.5, None)
    assert (b.hard, c.hard) == (0.0, 0.1)
    assert d.weight == Schedule(0, 3, 10)
    assert (e.name, e.weight, e.text) == ("line 6", Schedule(1, 1, 0), "x <= 2")


def test_levels_before_binding_are_upper_bounds() -> None:
    text = "rule a: x <= 1\nrule b: E[x] <= 1\nrule c: aggregate(E[x]) <= 1\nrule d: entropy(q(n)) <= 1"
    assert ["".join(sorted(level.value for level in rule.levels)) for rule in checked(text).rules] == [
        "xz",
        "x",
        "",
        "xz",
    ]


# ---- params


def test_params_are_overridden_by_numbers_and_sets_of_any_kind() -> None:
    text = "param S = 50\nparam T = S / 2\nparam L = {1, 3}\nrule r weight T: x in L"
    assert checked(text).params == {"S": 50, "T": 25, "L": (1, 3)}
    found = checked(text, S=np.float32(10), L=np.array([2, 4]))
    assert found.params == {"S": 10, "T": 5, "L": (2, 4)}
    assert found.rules[0].weight == Schedule(5, 5, 0)
    assert checked(text, L=(k for k in (0, 0, 1))).params["L"] == (0, 1)
    assert checked(text, S=Fraction(1, 2)).params["S"] == 0.5


def test_whole_params_stay_whole() -> None:
    assert isinstance(checked("param S = 50\nx <= S", S=64).params["S"], int)
    found = checked("param N = 3\nforall k in 0..N: x[k] <= 1", N=4.0)
    assert codes(found) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "3", None, True, [1], {}])
def test_what_is_no_finite_number_is_refused_as_a_param(value: object) -> None:
    parsed = parse_file(Source("f", "param S = 50\nx <= S"))
    found = check_file(parsed.file, {"S": value}, library=None)  # pyright: ignore[reportArgumentType]
    assert codes(found) == ["ASR032"]


# ---- imports


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.asr"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_an_import_brings_lets_defs_and_params_with_their_own_scope(tmp_path: Path) -> None:
    write(tmp_path, shared="param S = 3\nlet side = S * hidden\nlet hidden = 2\ndef small(a) = a <= side\n")
    found = checked('import "shared.asr"\nrule r: small(x) and S <= x', folder=tmp_path, S=4)
    assert codes(found) == []
    assert list(found.free) == ["x"]
    assert found.params == {"S": 4}


def test_imports_reach_down_but_bring_nothing_on(tmp_path: Path) -> None:
    write(tmp_path, sub__one='import "two.asr"\nlet one = two + 1', sub__two="let two = 2")
    found = checked('import "sub/one.asr"\nrule r: x <= one', folder=tmp_path)
    assert codes(found) == []
    assert list(checked('import "sub/one.asr"\nrule r: x <= one + two', folder=tmp_path).free) == ["x", "two"]


def test_a_name_that_two_imports_bring_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, one="let a = 1", two="let a = 2")
    assert codes(checked('import "one.asr"\nimport "two.asr"\nx <= a', folder=tmp_path)) == ["ASR026"]
    assert codes(checked('import "one.asr"\nimport "one.asr"\nx <= a', folder=tmp_path)) == []


def test_the_sites_of_an_imported_file_are_known(tmp_path: Path) -> None:
    write(tmp_path, names="site w[i]: (scale, x)\nlet size[i] = w[i].scale\n")
    found = checked('import "names.asr"\nforall i: size[i] <= w[i].x', folder=tmp_path)
    assert found.free["w"].fields == ("scale", "x")


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path, outside="let a = 1")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "link.asr").symlink_to(tmp_path / "outside.asr")
    assert codes(checked('import "link.asr"\nx <= 1', folder=tmp_path / "inner")) == ["ASR022"]


def test_errors_of_an_imported_file_point_into_it(tmp_path: Path) -> None:
    write(tmp_path, shared="let a = 1 +\nlet b = 1 / 0\n")
    found = checked('import "shared.asr"\nx <= b', folder=tmp_path)
    assert [d.span.source.name for d in found.diagnostics if d.span is not None] == ["shared.asr", "shared.asr"]


@pytest.mark.parametrize("text", ['import "a.asr"\nx <= 1', "import a\nx <= 1"])
def test_a_text_without_a_folder_imports_nothing(text: str) -> None:
    assert codes(checked(text)) == ["ASR020"]


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "binary.asr").write_bytes(b"\xff\xfe")
    (tmp_path / "large.asr").write_text("#" * 1_000_001)
    (tmp_path / "folder.asr").mkdir()
    for name in ("binary", "large", "folder"):
        assert codes(checked(f'import "{name}.asr"\nx <= 1', folder=tmp_path)) == ["ASR021"]


def test_a_file_may_not_import_itself_by_a_detour(tmp_path: Path) -> None:
    write(tmp_path, a='import "b.asr"\nlet x = 1\nx <= y', b='import "a.asr"\nlet y = 1')
    found = checked((tmp_path / "a.asr").read_text(), folder=tmp_path)
    assert "ASR023" in codes(found)


def test_long_rows_of_imports_are_refused(tmp_path: Path) -> None:
    write(tmp_path, **{f"f{i}": f'import "f{i + 1}.asr"' for i in range(200)})
    assert "ASR021" in codes(checked('import "f0.asr"\nx <= 1', folder=tmp_path))


# ---- limits


@pytest.mark.parametrize(
    "text",
    [
        "def d(a) = a + a\nrule r: " + "d(" * 30 + "x" + ")" * 30 + " <= 1",
        "\n".join(["let a0 = x", *(f"let a{i + 1} = a{i} * a{i}" for i in range(60)), "a60 <= 1"]),
        "\n".join(["let a0 = x <= 1", *(f"let a{i + 1} = a{i} iff not a{i}" for i in range(60)), "a60"]),
        "def w(f) = f(f)\nw(w)",
        "def w(f, g) = f(g, f)\nw(w, w)",
        "def s(a: box) = box(x: a.x + a.y, y: a.y + a.x, w: a.w, h: a.h)\n" + "s(" * 30 + "b" + ")" * 30 + ".x <= 1",
        "\n".join([f"let a{i} = a{i + 1} + 1" for i in range(400)] + ["a0 <= 1"]),
        "\n".join([f"let a{i} = not a{i + 1}" for i in range(400)] + ["a0"]),
        "def s(a: box) = square(a.x, a.y, 1)\n"
        + "\n".join(f"let b{i} = s(b{i + 1})" for i in range(400))
        + "\nb0.x <= 1",
        "def s(a: formula) = not a\n" + "\n".join(f"let b{i} = s(b{i + 1})" for i in range(400)) + "\nb0",
        "def s(a: number) = abs(a)\n" + "\n".join(f"let b{i} = s(b{i + 1})" for i in range(400)) + "\nb0 <= 1",
        "\n".join(f"let b{i} = b{i + 1}" for i in range(10_000)) + "\nb0 <= 1",
    ],
    ids=["calls", "lets", "iff", "itself", "two", "boxes", "sums", "nots", "box", "formula", "number", "names"],
)
def test_definitions_cannot_take_more_than_bounded_time(text: str) -> None:
    start = time.process_time()
    found = checked(text)
    assert "ASR060" in codes(found)
    assert time.process_time() - start < 5


def test_the_limit_holds_for_all_rules_of_a_file_together() -> None:
    half = "d(" * 11 + "x" + ")" * 11
    text = "def d(a) = a + a\n" + "\n".join(f"rule r{i}: {half} <= 1" for i in range(500))
    start = time.process_time()
    assert codes(checked(text)).count("ASR060") == 1
    assert time.process_time() - start < 15
    assert codes(checked("def d(a) = a + a\nrule r: " + half + " <= 1")) == []


def test_many_names_and_rules_are_checked_in_linear_time() -> None:
    text = "\n".join(f"param p{i} = {i}\nrule r{i}: x{i} <= p{i}" for i in range(1_500))
    start = time.process_time()
    assert codes(checked(text)) == []
    assert time.process_time() - start < 10


def test_the_limit_is_far_from_what_people_write() -> None:
    wide = " and ".join(f"nonoverlap(box[{i}], box[{i + 1}])" for i in range(30))
    assert codes(checked(wide)) == []
    assert MAX_STEPS > 10_000


# ---- warnings


def test_a_library_file_may_define_what_it_does_not_use() -> None:
    assert codes(checked("let a = 1\ndef f(x) = x <= a")) == []


@pytest.mark.parametrize("text", ["true", "1 <= 2", "x <= x", "P[x <= 1] <= 1", "x * x >= 0"])
def test_what_nothing_can_violate_is_warned_of(text: str) -> None:
    assert codes(checked(text)) == ["ASR057"]


@pytest.mark.parametrize("text", ["x <= 1 or x >= 2", "abs(x) <= 0", "(count i: x[i] <= 0) >= 1", "x < 1 or x > 1"])
def test_what_something_can_violate_is_not(text: str) -> None:
    assert codes(checked(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "forall i where hot[i]: x <= 1",  # the guard says when
        "forall i in 0..n where i < 3: x[i] <= 1",
        "forall i: x[i] <= 1 or y <= 1",  # one branch may well be the same for all
        "(mean i: x[i] + y) <= 1",
        "exists i: x[i] <= 1 and y <= 1",
    ],
)
def test_parts_that_rightly_ignore_the_index_are_not_warned_of(text: str) -> None:
    assert codes(checked(text)) == []


# ---- the standard library


def test_the_standard_library_checks_without_a_word() -> None:
    for path in (Path(asrppl.__file__).parent / "stdlib").glob("*.asr"):
        parsed = parse_file(Source(path.name, path.read_text(encoding="utf-8")))
        assert parsed.diagnostics == ()
        # Its names are taken by itself: under others, each is checked as a user's file would be.
        renamed = path.read_text(encoding="utf-8")
        for name in standard_definitions():
            renamed = renamed.replace(f"def {name}(", f"def my_{name}(")
        assert codes(checked(renamed)) == []


def test_every_function_of_the_standard_library_can_be_called() -> None:
    for name, definition in standard_definitions().items():
        arguments = [f"{'a' if p.type is not None else 'n'}{i}" for i, p in enumerate(definition.node.parameters)]
        call = f"{name}({', '.join(arguments)})"
        suffix = {"square": ".x <= 1", "frame": ".x <= 1", "area": " <= 1", "distance": " <= 1", "iou": " <= 0.5"}.get(
            name
        )
        if suffix is None:
            suffix = " <= 1" if name.startswith("overlap") else ""
        assert codes(checked(call + suffix)) == []


@pytest.mark.parametrize(
    "text", ["false", "2 <= 1", "x + 1 <= x", "x >= 3 and x <= 2", "x == 1 and x == 2", "exists i: x[i] >= x[i] + 1"]
)
def test_what_nothing_can_keep_is_warned_of(text: str) -> None:
    assert codes(checked(text)) == ["ASR048"]


@pytest.mark.parametrize("text", ["x < x", "x >= 2 and x <= 2", "x == 1 and x == 1", "false or x <= 1"])
def test_what_something_can_keep_is_not(text: str) -> None:
    assert codes(checked(text)) == []


def test_errors_are_shown_up_to_a_hundred() -> None:
    parsed = parse_file(Source("f", "param p = 1\n" * 500))
    found = [finding.code for finding in check_file(parsed.file, {}, library=None).diagnostics]
    assert found == ["ASR026"] * 100 + ["ASR017"]
