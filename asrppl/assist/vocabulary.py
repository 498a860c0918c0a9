"""What each word of the language means: a form to show beside it, and a sentence."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from asrppl.core.laws import FAMILIES, NAMED
from asrppl.words import LAWS


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the language.

    Args:
        form: how it is written, with placeholders.
        text: what it means.
    """

    form: str
    text: str


_STATEMENTS = {
    "import": Word('import "mine.asr"', "takes over the `let`s, `def`s and `param`s of a file beside this one"),
    "param": Word("param S = 50", "a constant, which Python, the command line and a session may override"),
    "given": Word("given g[i]: int", "the name is data; `bool` and `int` say how its numbers are read"),
    "site": Word('site z[i] = "z_{i}": (x, y)', "names the components of a site, or maps a name to numbered sites"),
    "let": Word("let area[i] = t", "a derived quantity"),
    "def": Word("def near(a: box, b: box) = φ", "a predicate or a function, not recursive"),
    "rule": Word("rule NAME options: φ", "what training is to make hold"),
}
_OPTIONS = {
    "weight": Word("weight 10", "nats per datum; `weight 0 -> 10 over 2000 steps` is a warm-up"),
    "hard": Word("hard within ε", "a constraint: multipliers rise until it holds (within ε)"),
    "smooth": Word("smooth p", "a power mean in place of the smallest: each branch of an `or` gets gradient"),
    "margin": Word("margin m", "charged on top of each strict comparison of reals"),
    "power": Word("power p", "every amount is raised to p; `power 2` is the squared hinge"),
    "over": Word("over 1000..2000 steps", "over which steps of training a weight goes from one value to the other"),
    "steps": Word("over 2000 steps", "steps of training"),
    "within": Word("hard within ε", "how far a hard rule may be off"),
}
_LOGIC = {
    "forall": Word("forall i: φ", "φ holds for every i: costs the sum of all violations"),
    "exists": Word("exists i: φ", "φ holds for some i: costs the smallest violation"),
    "in": Word("t in S", "lies in a set `{1, 3}`, a range `0..4` or an interval `[a, b]`; costs the distance to it"),
    "where": Word("forall i where g: φ", "only what meets the condition is spoken of; it is not traded"),
    "and": Word("φ and ψ", "both hold: costs the sum"),
    "or": Word("φ or ψ", "one of them holds: costs the smaller"),
    "not": Word("not φ", "goes inwards to the comparisons"),
    "implies": Word("φ implies ψ", "`not φ or ψ`"),
    "iff": Word("φ iff ψ", "both hold, or neither"),
    "if": Word("if c then a else b", "one of two terms, by a condition"),
    "then": Word("if c then a else b", "one of two terms, by a condition"),
    "else": Word("if c then a else b", "one of two terms, by a condition"),
    "true": Word("true", "a Boolean"),
    "false": Word("false", "a Boolean"),
    "inf": Word("x in [0, inf]", "a bound that nothing passes"),
}
_REDUCTIONS = {
    "sum": Word("(sum i: t)", "the sum over i; 0 over nothing"),
    "prod": Word("(prod i: t)", "the product over i; 1 over nothing"),
    "mean": Word("(mean i: t)", "the mean over i, or `mean(q(x))`, that of a law"),
    "max": Word("(max i: t)", "the largest over i, or of the arguments: `max(a, b)`"),
    "min": Word("(min i: t)", "the smallest over i, or of the arguments: `min(a, b)`"),
    "argmax": Word("(argmax i: t)", "the index of the largest, the first of ties"),
    "count": Word("(count i: φ)", "for how many i φ holds; `(count i: φ) >= 2` is a claim that trains"),
}
_FUNCTIONS = {
    "abs": Word("abs(t)", "the absolute value"),
    "sqrt": Word("sqrt(t)", "the root; of what is below 0, that of 0"),
    "exp": Word("exp(t)", "e to the power of t"),
    "log": Word("log(t)", "the natural logarithm"),
    "relu": Word("relu(t)", "`max(t, 0)`"),
    "sin": Word("sin(t)", "the sine"),
    "cos": Word("cos(t)", "the cosine"),
    "tanh": Word("tanh(t)", "the hyperbolic tangent"),
    "sigmoid": Word("sigmoid(t)", "1 / (1 + exp(−t))"),
    "floor": Word("floor(t)", "the next whole number below, of ints and given numbers"),
    "detach": Word("detach(t)", "t without its gradient: a condition may choose by it"),
    "clamp": Word("clamp(t, low, high)", "t, kept between two ends"),
    "mod": Word("mod(n, k)", "the rest of a division, with the sign of k"),
    "len": Word("len(a)", "how many entries an array has"),
    "box": Word("box(x:, y:, w:, h:)", "the box with this centre and these sides"),
    "E": Word("E[t]", "the mean over draws of the guide, given the datum"),
    "P": Word("P[φ]", "the probability that φ holds, given the datum"),
    "aggregate": Word("aggregate(t where g)", "the mean over all data, or those that meet g"),
    "q": Word("q(x)", "the law that the guide gives x, given what it drew before"),
    "delta": Word("delta(k)", "the law of one value"),
    "uniform": Word("uniform(S)", "the law of a finite set, each value alike"),
    "categorical": Word("categorical(phi[k])", "the law of 0, 1, .. with these probabilities"),
    "kl": Word("kl(p || r)", "the Kullback-Leibler divergence of two laws"),
    "js": Word("js(p || r)", "the Jensen-Shannon divergence of two laws of finitely many values"),
    "tv": Word("tv(p || r)", "the total variation between two laws of finitely many values"),
    "entropy": Word("entropy(p)", "the entropy of a law, in nats"),
    "var": Word("var(p)", "the variance of a law"),
    "sd": Word("sd(p)", "the standard deviation of a law"),
    "cdf": Word("cdf(p, c)", "the probability of values up to c"),
    "quantile": Word("quantile(p, u)", "the value that has the probability u below it"),
}


def _law(name: str) -> Word:
    return Word(f"{name}({', '.join(FAMILIES[NAMED[name]].parameters)})", f"a law: Pyro's {NAMED[name]}")


VOCABULARY: Mapping[str, Word] = MappingProxyType(
    {**_STATEMENTS, **_OPTIONS, **_LOGIC, **_REDUCTIONS, **_FUNCTIONS, **{name: _law(name) for name in LAWS}}
)
"""Every word that the language has, by itself (a test says which)."""
