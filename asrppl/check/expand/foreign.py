"""Names and calls as other languages have them, which would pass for names that the guide gives."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from asrppl.check.context import Context, Scope
from asrppl.check.expand.names import look_up
from asrppl.check.expand.values import Env, IndexVariable
from asrppl.diagnostics import Edit, replacing
from asrppl.source import Span
from asrppl.syntax import ast
from asrppl.words import BINDING, BUILTINS

Entry = TypeVar("Entry")


def _spread(table: Mapping[str, Entry]) -> dict[str, Entry]:
    """Return a table by single names, from one whose keys hold several."""
    return {name: entry for names, entry in table.items() for name in names.split()}


@dataclass(frozen=True, slots=True)
class Mend:
    """How something is written here: exactly so, or (``exact`` False) in this form."""

    text: str
    exact: bool = True

    @property
    def help(self) -> str:
        """The mend in words."""
        return f"write `{self.text}`" if self.exact else f"as in `{self.text}`"

    def edits(self, span: Span) -> tuple[Edit, ...]:
        """Return the mend of what stands at ``span`` for a program: in parentheses where operators may be around."""
        if not self.exact:
            return ()
        closed = self.text.startswith("(") or re.fullmatch(r"\w+\(.*\)", self.text) is not None
        return replacing(span, self.text if closed else f"({self.text})")


# What people write, what it is here (None: nothing), and what more there is to say.
_NAMES: Mapping[str, tuple[str | None, str]] = _spread(
    {
        "True TRUE": ("true", ", or leave the comparison out"),
        "False FALSE": ("false", "; `not b` says that `b` is"),
        "None null nil NULL undefined NA": (
            None,
            "leave it out: quantifiers and reductions skip absent entries by themselves",
        ),
        "Inf infinity Infinity INF": ("inf", ""),
    }
)


def foreign_name(ctx: Context, node: ast.Name, env: Env) -> bool:
    """Report `True`, `None` and the like where nothing of that name is declared; whether it was one."""
    if node.text not in _NAMES or node.text in ctx.sites or node.text in ctx.given:
        return False
    ours, more = _NAMES[node.text]
    help = more if ours is None else f"write `{ours}`{more}"
    edits = () if ours is None else replacing(node.span, ours)
    ctx.add("ASR035", node.span, f"`{node.text}` is not a word of the language", env, help=help, edits=edits)
    return True


def foreign_call(ctx: Context, node: ast.Call, env: Env) -> bool:
    """Report `maximum(a, b)`, `all(x >= 0)`, `count(i: hot[i])` and the like; whether it was one."""
    mend = mend_of_call(node, env)
    if mend is None:
        return False
    message = f"`{node.function.text}(…)` is not how this is written"
    ctx.add("ASR035", node.function.span, message, env, help=mend.help, edits=mend.edits(node.span))
    return True


def mend_of_call(node: ast.Call, env: Env) -> Mend | None:
    """Return what a call stands for, None where it is not known from other languages."""
    name = node.function.text
    texts = [_mended(argument.value, env) for argument in node.arguments]
    if name in BINDING | _KINDS.keys() and len(node.arguments) == 1 and node.arguments[0].name is not None:
        index = node.arguments[0].name
        return Mend(_reduced(_KINDS.get(name, name), index.text, texts[0]))
    if any(argument.name is not None for argument in node.arguments):
        return None
    if name in _KINDS and len(texts) == 2 and isinstance(node.arguments[0].value, ast.Name):
        return Mend(_reduced(_KINDS[name], texts[0], texts[1]))
    if name in _KINDS and len(texts) == 1:
        return over_index(_KINDS[name], node.arguments[0].value, env)
    if name in _RENAMED:
        return Mend(f"{_RENAMED[name]}({', '.join(texts)})")
    if name not in _WRITTEN and name.lower() in BUILTINS and name != name.lower() and len(name) > 1:
        return Mend(f"{name.lower()}({', '.join(texts)})")
    count, make = _WRITTEN.get(name, (0, None))
    if make is None or not texts or (count >= 0 and count != len(texts)):
        return None
    return Mend(make(texts))


def _mended(argument: ast.Expr, env: Env) -> str:
    mend = mend_of_call(argument, env) if isinstance(argument, ast.Call) else None
    return argument.span.text if mend is None or not mend.exact else mend.text


def over_index(kind: str, body: ast.Expr, env: Env) -> Mend:
    """Return the mend of `sum(x)`, `all(x >= 0)`: the same over an index."""
    index, text = _indexed(body, env)
    if text is None:
        form = _reduced(kind, "i", "x[i] >= 0" if kind in ("forall", "exists", "count") else "x[i]")
        return Mend(form, exact=False)
    return Mend(_reduced(kind, index, text))


def _reduced(kind: str, index: str, body: str) -> str:
    written = f"{kind} {index}: {body}"
    return written if kind in ("forall", "exists") else f"({written})"


def _indexed(body: ast.Expr, env: Env) -> tuple[str, str | None]:
    """Return an index, and the text of ``body`` with that index after each name that has none."""
    bare: list[ast.Name] = []
    free: list[str] = []
    for name, place in _names_in(body):
        if name.text in env.bindings or look_up(name.text, env) is not None:
            continue
        if place == "index":
            free.append(name.text)
        elif place == "bare":
            bare.append(name)
    index = free[0] if free else next((i for i in "ijkm" if i not in env.bindings), "index")
    if not bare and not free:
        return index, None
    text, start = body.span.text, body.span.start
    for name in sorted(bare, key=lambda name: -name.span.start):
        end = name.span.end - start
        text = f"{text[:end]}[{index}]{text[end:]}"
    return index, text


def _names_in(body: object) -> Iterator[tuple[ast.Name, str]]:
    """Yield the names of values in an expression: bare, as the base of an index, or as an index."""
    pending: list[tuple[object, str]] = [(body, "bare")]
    while pending:
        node, place = pending.pop()
        if isinstance(node, ast.Name):
            yield node, place
        elif isinstance(node, ast.Index):
            pending.append((node.base, "base"))
            pending += [(index, "index") for index in node.indices]
        elif isinstance(node, ast.Field):
            pending.append((node.base, place))
        elif isinstance(node, ast.Call):
            pending += [(argument.value, "bare") for argument in node.arguments]
        elif isinstance(node, tuple):
            pending += [(part, "bare") for part in node]  # pyright: ignore[reportUnknownVariableType]  # a generic walk
        elif isinstance(node, ast.Node):
            pending += [(part, "bare") for part in ast.parts(node)]


def note_call_of_index(ctx: Context, node: ast.Call, env: Env) -> None:
    """Keep the mend of `x(i)` for an index variable that turns out to index nothing."""
    found = [look_up(part.value.text, env) if isinstance(part.value, ast.Name) else None for part in node.arguments]
    inside = ", ".join(part.value.span.text for part in node.arguments)
    for bound in found:
        if isinstance(bound, IndexVariable):
            mend = f"an entry is read with square brackets: `{node.function.text}[{inside}]`"
            ctx.scopes[bound.variable.slot].calls[bound.variable.slot] = mend


def mend_of_domain(binder: ast.Binder, domain: ast.Expr, env: Env) -> tuple[str, tuple[str, ...]]:
    """Return the mend of what stands after `in` of a binder and is no set of whole numbers, and what to write there."""
    names = ", ".join(name.text for name in binder.names)
    match domain:
        case ast.Interval():
            low, high = domain.low.span.text, domain.high.span.text
            return f"write `in {low}..{high}` for the whole numbers from {low} to {high}", (f"{low}..{high}",)
        case ast.Call(function=ast.Name(text="range")) if 1 <= len(domain.arguments) <= 2:
            ours = _range([argument.value.span.text for argument in domain.arguments])
            return f"write `in {ours}`", (ours,)
        case ast.Call(function=ast.Name(text="len"), arguments=(argument,)):
            ours = f"0..len({argument.value.span.text}) - 1"
            return f"write `in {ours}`", (ours,)
        case ast.Number(value=int(count)) if count > 0:
            ours = (f"0..{count - 1}", f"{{{count}}}")
            return f"write `in {ours[0]}` for {count} of them, or `in {ours[1]}`", ours
        case ast.Name() if look_up(domain.text, env) is None:
            form = f"`forall {names}: ... {domain.text}[{names}] ...`"
            return f"an index runs over what it indexes by itself: {form}", ()
        case _:
            return "write `in 0..3` or `in {0, 3}`", ()


def verify_length(ctx: Context, scope: Scope, env: Env) -> None:
    """Report `forall i in 0..len(x): x[i] ...`: entries are counted from 0, and a range has both its ends."""
    domain = scope.binder.domain
    if not isinstance(domain, ast.Range) or scope.binder.where is not None:
        return
    match domain.high:
        case ast.Call(function=ast.Name(text="len"), arguments=(ast.Argument(value=ast.Name() as array),)):
            pass
        case _:
            return
    for access in scope.accesses:
        name = next((v.name for v in scope.variables if v.slot == access.slot), "")
        first = re.match(rf"{array.text}\[{name}\b", access.span.text) is not None
        if access.name == array.text and access.guard == "no" and first and access.add >= 0:
            message = f"`{array.text}` has no entry `len({array.text})`: the last is the one before"
            ours = f"{domain.low.span.text}..len({array.text}) - 1"
            help, edits = f"write `in {ours}`, or leave the domain out", replacing(domain.span, ours)
            ctx.add("ASR044", domain.span, message, env, help=help, edits=edits)
            return


_KINDS = _spread(
    {
        "sum Sum reduce_sum": "sum",
        "prod product Product": "prod",
        "average avg Mean": "mean",
        "amax": "max",
        "amin": "min",
        "argmax": "argmax",
        "all All every forall ForAll": "forall",
        "any Any some exists Exists": "exists",
        "count Count count_nonzero countif": "count",
    }
)
_RENAMED = _spread(
    {
        "maximum fmax": "max",
        "minimum fmin": "min",
        "fabs absolute": "abs",
        "clip": "clamp",
        "length": "len",
        "ln": "log",
        "fmod modulo remainder": "mod",
    }
)


def _infix(operator: str) -> Callable[[list[str]], str]:
    return lambda texts: f" {operator} ".join(f"({text})" if " " in text else text for text in texts)


def _range(texts: list[str]) -> str:
    low, high = ("0", texts[0]) if len(texts) == 1 else (texts[0], texts[1])
    return f"{low}..{int(high) - 1}" if high.isdigit() else f"{low}..{high} - 1"


# How many arguments (-1: any number), and what they make.
_WRITTEN: Mapping[str, tuple[int, Callable[[list[str]], str]]] = _spread(
    {
        "And AND": (-1, _infix("and")),
        "Or OR": (-1, _infix("or")),
        "Not NOT": (1, lambda texts: f"not ({texts[0]})"),
        "Implies imply Imply": (2, _infix("implies")),
        "Iff Equiv equivalent": (2, _infix("iff")),
        "Xor xor": (2, lambda texts: f"not (({texts[0]}) iff ({texts[1]}))"),
        "If ite ITE ifelse iif IF": (3, lambda texts: "if {} then {} else {}".format(*texts)),
        "KL kl_divergence kl_div": (2, lambda texts: f"kl({texts[0]} || {texts[1]})"),
        "pow Pow": (2, _infix("^")),
        "Eq": (2, _infix("==")),
        "Ne not_equal": (2, _infix("!=")),
        "isclose almost_equal": (2, lambda texts: f"abs({texts[0]} - {texts[1]}) <= 0.01"),
        "between": (3, lambda texts: f"{texts[1]} <= {texts[0]} <= {texts[2]}"),
        "alldifferent all_different AllDifferent Distinct": (
            1,
            lambda texts: f"forall i != j: {texts[0]}[i] != {texts[0]}[j]",
        ),
        "is_sorted Increasing": (1, lambda texts: f"forall i: {texts[0]}[i] <= {texts[0]}[i + 1]"),
        "range": (-1, _range),
    }
)
