"""What formulas are set in: Unicode text for a terminal, LaTeX for a paper. `mathematics` walks the tree once for both.

A script gets parts that are set already, and says how they look together. It knows nothing of trees or precedence, but
for ``fenced``: whether a quotient, an exponent or an index says by its place where it ends.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol


class Script(Protocol):
    """How the parts of a formula are set."""

    fenced: ClassVar[bool]
    signs: ClassVar[Mapping[str, str]]
    functions: ClassVar[Mapping[str, str]]

    def name(self, text: str) -> str:
        """Return a name that a file or a guide gives."""
        ...

    def number(self, value: int | float) -> str:
        """Return a number that is not below 0."""
        ...

    def word(self, text: str) -> str:
        """Return an English word, with the space around it."""
        ...

    def function(self, text: str) -> str:
        """Return the name of a function."""
        ...

    def fence(self, left: str, inside: str, right: str) -> str:
        """Return ``inside`` between two delimiters: ``(``, ``)``, ``[``, ``]``, ``{``, ``}``, ``|``, floors."""
        ...

    def below(self, symbol: str, text: str, *, simple: bool) -> str:
        """Return a symbol with what stands below it; ``simple``: one letter or number."""
        ...

    def raised(self, base: str, exponent: str, *, simple: bool) -> str:
        """Return a power; ``simple``: its exponent needs no brackets."""
        ...

    def fraction(self, above: str, below: str) -> str:
        """Return a quotient, its parts fit for their places."""
        ...

    def root(self, inside: str, *, simple: bool) -> str:
        """Return a square root."""
        ...

    def stated(self, head: str, body: str) -> str:
        """Return what a quantifier says: its head and its body."""
        ...

    def choice(self, condition: str, then: str, otherwise: str) -> str:
        """Return one of two values."""
        ...


_LAWS = {
    **{name: name.capitalize() for name in ("uniform", "categorical", "normal", "cauchy", "laplace", "gumbel")},
    **{name: name.capitalize() for name in ("exponential", "gamma", "weibull", "pareto", "beta", "kumaraswamy")},
    **{name: name.capitalize() for name in ("poisson", "geometric")},
    **{"lognormal": "LogNormal", "halfnormal": "HalfNormal", "halfcauchy": "HalfCauchy", "studentt": "StudentT"},
    **{"chi2": "Chi2", "inversegamma": "InverseGamma", "negativebinomial": "NegativeBinomial"},
    **{"kl": "KL", "js": "JS", "tv": "TV", "entropy": "H", "var": "Var"},
}
_TALL = (r"\frac", r"\sum", r"\prod", r"\begin", r"\left")
_SUPERSCRIPTS = str.maketrans("0123456789−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


class Unicode:
    """Plain text on one line."""

    fenced: ClassVar[bool] = False
    signs: ClassVar[Mapping[str, str]] = {
        **{"forall": "∀", "exists": "∃", "not": "¬", "and": "∧", "or": "∨", "implies": "⇒", "iff": "⇔"},
        **{"<=": "≤", ">=": "≥", "<": "<", ">": ">", "==": "=", "!=": "≠", "in": "∈", "not in": "∉"},
        **{"+": "+", "-": "−", "*": "·", "/": "/", "sum": "Σ", "prod": "Π", "inf": "∞", "||": "‖", "|": "|"},
        **{"max": "max", "min": "min", "mean": "mean", "argmax": "argmax", "count": "#", "..": "…"},
        **{"E": "E_q", "P": "P_q", "aggregate": "𝔼_data"},
    }
    functions: ClassVar[Mapping[str, str]] = {**_LAWS, "delta": "δ", "sigmoid": "σ"}

    def name(self, text: str) -> str:
        """Return a name as it is."""
        return text

    def number(self, value: int | float) -> str:
        """Return a number as the language writes it."""
        return repr(value)

    def word(self, text: str) -> str:
        """Return a word between spaces."""
        return f" {text} "

    def function(self, text: str) -> str:
        """Return the name of a function."""
        return self.functions.get(text, text)

    def fence(self, left: str, inside: str, right: str) -> str:
        """Return ``inside`` between two delimiters."""
        return f"{left}{inside}{right}"

    def below(self, symbol: str, text: str, *, simple: bool) -> str:
        """Return ``symbol_text``."""
        return f"{symbol}_{text}" if simple else f"{symbol}_({text.replace(' + ', '+').replace(' − ', '−')})"

    def raised(self, base: str, exponent: str, *, simple: bool) -> str:
        """Return a power, of whole numbers by raised digits."""
        if exponent.removeprefix("−").isdecimal():
            return base + exponent.translate(_SUPERSCRIPTS)
        return f"{base}^{exponent}" if simple else f"{base}^({exponent})"

    def fraction(self, above: str, below: str) -> str:
        """Return ``above / below``."""
        return f"{above} / {below}"

    def root(self, inside: str, *, simple: bool) -> str:
        """Return a square root."""
        return f"√{inside}" if simple else f"√({inside})"

    def stated(self, head: str, body: str) -> str:
        """Return ``head: body``."""
        return f"{head}: {body}"

    def choice(self, condition: str, then: str, otherwise: str) -> str:
        """Return ``(then if condition, else otherwise)``."""
        return f"({then} if {condition}, else {otherwise})"


class Latex:
    """LaTeX, for math mode, with amsmath and amssymb."""

    fenced: ClassVar[bool] = True
    signs: ClassVar[Mapping[str, str]] = {
        **{"forall": r"\forall", "exists": r"\exists", "not": r"\neg ", "and": r"\land", "or": r"\lor"},
        **{"implies": r"\Rightarrow", "iff": r"\Leftrightarrow"},
        **{"<=": r"\leq", ">=": r"\geq", "<": "<", ">": ">", "==": "=", "!=": r"\neq", "in": r"\in"},
        **{"not in": r"\notin", "+": "+", "-": "-", "*": r"\cdot", "sum": r"\sum", "prod": r"\prod"},
        **{"inf": r"\infty", "||": r"\,\|\,", "|": r"\mid", "..": r"\dots", "count": r"\#"},
        **{"max": r"\max", "min": r"\min", "mean": r"\operatorname{mean}"},
        "argmax": r"\operatorname{argmax}",
        **{"E": r"\operatorname{E}_{q}", "P": r"\operatorname{P}_{q}"},
        "aggregate": r"\mathbb{E}_{\mathrm{data}}",
    }
    functions: ClassVar[Mapping[str, str]] = {
        **{name: rf"\operatorname{{{text}}}" for name, text in _LAWS.items()},
        **{name: rf"\{name}" for name in ("exp", "log", "max", "min", "sin", "cos", "tanh", "delta")},
        **{"normal": r"\mathcal{N}", "sigmoid": r"\sigma", "q": "q"},
    }

    def name(self, text: str) -> str:
        """Return a letter as it is, a longer name in italics."""
        text = text.replace("′", "'").replace("_", r"\_")
        letters = text.rstrip("'")
        return text if len(letters) == 1 else rf"\mathit{{{letters}}}" + text[len(letters) :]

    def number(self, value: int | float) -> str:
        """Return a number, with powers of ten."""
        mantissa, _, exponent = repr(value).partition("e")
        if not exponent:
            return mantissa
        return rf"{mantissa} \cdot 10^{{{int(exponent)}}}"

    def word(self, text: str) -> str:
        """Return a word in upright letters."""
        return rf"\text{{ {text} }}"

    def function(self, text: str) -> str:
        """Return the name of a function, upright."""
        escaped = text.replace("_", r"\_")
        return self.functions.get(text) or rf"\operatorname{{{escaped}}}"

    def fence(self, left: str, inside: str, right: str) -> str:
        """Return ``inside`` between two delimiters, which grow with what is taller than a line."""
        names = {"{": r"\{", "}": r"\}", "⌊": r"\lfloor ", "⌋": r" \rfloor"}
        tall = left == "|" or any(command in inside for command in _TALL)
        left, right = names.get(left, left), names.get(right, right)
        return rf"\left{left.strip()} {inside} \right{right.strip()}" if tall else f"{left}{inside}{right}"

    def below(self, symbol: str, text: str, *, simple: bool) -> str:
        """Return a symbol with a subscript."""
        return f"{symbol}_{{{text}}}"

    def raised(self, base: str, exponent: str, *, simple: bool) -> str:
        """Return a power."""
        return f"{base}^{{{exponent}}}"

    def fraction(self, above: str, below: str) -> str:
        """Return a fraction."""
        return rf"\frac{{{above}}}{{{below}}}"

    def root(self, inside: str, *, simple: bool) -> str:
        """Return a square root."""
        return rf"\sqrt{{{inside}}}"

    def stated(self, head: str, body: str) -> str:
        r"""Return ``head:\ body``."""
        return rf"{head}:\ {body}"

    def choice(self, condition: str, then: str, otherwise: str) -> str:
        """Return one of two values, one below the other."""
        return rf"\begin{{cases}} {then} & \text{{if }} {condition} \\ {otherwise} & \text{{else}} \end{{cases}}"


UNICODE: Script = Unicode()
LATEX: Script = Latex()


def listed(parts: Sequence[str]) -> str:
    """Return parts with commas between them."""
    return ", ".join(parts)
