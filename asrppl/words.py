"""The words of the language. The grammar has its own spelling of them (a test holds the two together)."""

import re

QUANTIFIERS = ("forall", "exists")
REDUCTIONS = ("sum", "mean", "max", "min", "prod", "argmax")
BINDING = frozenset({*QUANTIFIERS, *REDUCTIONS, "count"})
"""Words that index variables follow."""
JOINING = frozenset({"and", "or", "implies", "iff", "in", "where", "then", "else"})
"""Words that stand between two parts of a formula."""
KEYWORDS = (
    *QUANTIFIERS,
    *("in", "where", "and", "or", "not", "implies", "iff", "if", "then", "else", "true", "false"),
)
"""Words that are never names."""
STATEMENTS = ("import", "param", "given", "site", "let", "def", "rule")
"""Words that a statement begins with; elsewhere they may be names."""
NO_NAME = (*sorted(JOINING), "not")
"""Words that show, after one of those, that it is a name there: `rule and x` starts no statement."""
OPTIONS = ("weight", "hard", "smooth", "margin", "power")
"""Words that a rule's options begin with; elsewhere they may be names."""
OPTION_PARTS = ("over", "steps", "within")
"""Words that stand inside a rule's options; elsewhere they may be names."""
_A_NAME = rf"[ \t]+(?!(?:{'|'.join(NO_NAME)})(?![A-Za-z0-9_]))[A-Za-z_]"
STATEMENT_START = re.compile(rf"import(?=[ \t]*\")|(?:{'|'.join(STATEMENTS)})(?={_A_NAME})")
"""A statement's word where it is one: before a name, or a file to import."""

ELEMENTWISE = ("abs", "sqrt", "exp", "log", "relu", "sin", "cos", "tanh", "sigmoid", "floor", "detach")
DISTRIBUTIONS = ("q", "delta", "uniform", "categorical")
DIVERGENCES = ("kl", "js", "tv")
MOMENTS = ("entropy", "mean", "var", "sd")
PROBES = ("cdf", "quantile")
"""Functionals of a distribution at a number."""
LAWS = (
    *("normal", "lognormal", "halfnormal", "cauchy", "halfcauchy", "laplace", "gumbel", "studentt"),
    *("exponential", "gamma", "chi2", "inversegamma", "weibull", "pareto", "beta", "kumaraswamy"),
    *("poisson", "geometric", "negativebinomial"),
)
"""Families of laws, as Pyro calls them, in lower case."""
OPERATORS = ("E", "P", "aggregate")
BUILTINS = frozenset(
    (
        *(*ELEMENTWISE, "min", "max", "clamp", "mod", "len", "box", *DISTRIBUTIONS, *DIVERGENCES, *MOMENTS, *OPERATORS),
        *(*PROBES, *LAWS),
    )
)
"""What can be called without being defined."""
CLOSED_NAMES = BUILTINS - {"box", "sd", *PROBES, *LAWS}
"""Names that no definition or binder may take.

Boxes are so often called `box`, and params `beta` or `gamma`, that of those only the `def` is closed: where no bracket
follows, they are names like others.
"""
PARAMETER_TYPES = ("box", "number", "formula")
GIVEN_TYPES = ("bool", "int")
