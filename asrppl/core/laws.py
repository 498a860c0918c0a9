"""Families of laws: parameters, supports, and which functionals have a closed form with a gradient.

What torch can compute of a family is written down here without torch, so that the checker can refuse the rest before
anything runs. A test holds this table up against torch.distributions.

A bound law's parameters are components of its name, as fields of a record are: ``q.loc`` of a scalar, ``q.loc.x`` of
a record's field ``x``. No field's name has a dot, so none of a user's can be taken for one.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

MOMENTS = frozenset({"mean", "var", "sd"})
_SCALE_FREE = MOMENTS | {"entropy"}
_ALL = _SCALE_FREE | {"cdf", "quantile"}

REAL, POSITIVE, UNIT = (-math.inf, math.inf), (0.0, math.inf), (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Family:
    """What is known of a family that torch.distributions has.

    Args:
        parameters: by torch's names, in the order in which rules give them.
        support: the ends of what its values lie between; None where its parameters say.
        closed: the functionals that have a closed form with a gradient to every parameter.
        divergences: the families that a Kullback-Leibler divergence from it has a closed form to, and is finite.
        missing: the functionals that do not exist.
        bounds: of parameters that may not take every number: those between the two ends.
        discrete: its values are whole numbers.
    """

    parameters: tuple[str, ...]
    support: tuple[float, float] | None
    closed: frozenset[str]
    divergences: tuple[str, ...] = ()
    missing: frozenset[str] = frozenset()
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    discrete: bool = False


def _positive(*names: str) -> dict[str, tuple[float, float]]:
    return dict.fromkeys(names, POSITIVE)


_LOC = ("loc", "scale")
_SHAPES = ("concentration1", "concentration0")

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "Normal": Family(_LOC, REAL, _ALL, ("Normal", "Laplace", "Gumbel"), bounds=_positive("scale")),
        "LogNormal": Family(_LOC, POSITIVE, _ALL, ("LogNormal",), bounds=_positive("scale")),
        "HalfNormal": Family(("scale",), POSITIVE, _ALL, ("HalfNormal",), bounds=_positive("scale")),
        "Cauchy": Family(_LOC, REAL, _ALL - MOMENTS, ("Cauchy",), MOMENTS, _positive("scale")),
        "HalfCauchy": Family(("scale",), POSITIVE, _ALL - MOMENTS, (), MOMENTS, _positive("scale")),
        "Laplace": Family(_LOC, REAL, _ALL, ("Laplace", "Normal"), bounds=_positive("scale")),
        "Gumbel": Family(_LOC, REAL, _ALL, ("Gumbel", "Normal"), bounds=_positive("scale")),
        "StudentT": Family(("df", *_LOC), REAL, _SCALE_FREE, bounds=_positive("df", "scale")),
        "Exponential": Family(
            ("rate",), POSITIVE, _ALL, ("Exponential", "Gamma", "Gumbel", "Normal"), bounds=_positive("rate")
        ),
        "Gamma": Family(
            ("concentration", "rate"),
            POSITIVE,
            _SCALE_FREE,
            ("Gamma", "Exponential", "Gumbel", "Normal"),
            bounds=_positive("concentration", "rate"),
        ),
        "Chi2": Family(("df",), POSITIVE, _SCALE_FREE, ("Chi2", "Gamma"), bounds=_positive("df")),
        "InverseGamma": Family(
            ("concentration", "rate"),
            POSITIVE,
            _SCALE_FREE,
            ("InverseGamma",),
            bounds=_positive("concentration", "rate"),
        ),
        "Weibull": Family(("scale", "concentration"), POSITIVE, _ALL, bounds=_positive("scale", "concentration")),
        "Pareto": Family(("scale", "alpha"), None, _ALL, bounds=_positive("scale", "alpha")),
        "Beta": Family(
            _SHAPES, UNIT, _SCALE_FREE, ("Beta", "Normal", "Exponential", "Gamma"), bounds=_positive(*_SHAPES)
        ),
        "Kumaraswamy": Family(_SHAPES, UNIT, _ALL, bounds=_positive(*_SHAPES)),
        "Uniform": Family(("low", "high"), None, _ALL, ("Normal", "Gumbel")),
        "Poisson": Family(("rate",), POSITIVE, MOMENTS, ("Poisson",), bounds=_positive("rate"), discrete=True),
        "Geometric": Family(("probs",), POSITIVE, _SCALE_FREE, ("Geometric",), bounds={"probs": UNIT}, discrete=True),
        "NegativeBinomial": Family(
            ("total_count", "probs"),
            POSITIVE,
            MOMENTS,
            bounds={"total_count": POSITIVE, "probs": UNIT},
            discrete=True,
        ),
        # A point mass at what was observed, or at a parameter: its divergences are infinite.
        "Delta": Family(("v",), None, MOMENTS | {"cdf", "quantile"}),
    }
)

NAMED: Mapping[str, str] = MappingProxyType(
    {family.lower(): family for family in FAMILIES if family not in ("Uniform", "Delta")}
)
"""How rules call a family: as Pyro does, in lower case. (`uniform(S)` and `delta(k)` are laws of finitely many.)"""

TRANSFORMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "affine": ("loc", "scale"),
        "exp": (),
        "log": (),
        "sigmoid": (),
        "logit": (),
        "softplus": (),
        "tanh": (),
        "power": ("exponent",),
    }
)
"""Monotone functions that a draw may be put through, and their parameters."""


@dataclass(frozen=True, slots=True)
class Law:
    """A family, and the monotone functions that its draws go through, the first applied first."""

    family: str
    transforms: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of all parameters: of the family, then of each transform."""
        found = [*FAMILIES[self.family].parameters]
        for place, transform in enumerate(self.transforms):
            found += [f"{place}_{name}" for name in TRANSFORMS[transform]]
        return tuple(found)

    @property
    def support(self) -> tuple[float, float] | None:
        """The ends of what its values lie between, None where that takes more than its family to tell."""
        return FAMILIES[self.family].support if not self.transforms else None

    @property
    def title(self) -> str:
        """What messages call it: "a Normal", "a Normal through sigmoid"."""
        through = f" through {', '.join(self.transforms)}" if self.transforms else ""
        name = "point mass" if self.family == "Delta" else self.family
        return f"{'an' if name[0] in 'AEIOU' and name != 'Uniform' else 'a'} {name}{through}"

    def closes(self, functional: str) -> bool:
        """Whether a functional of it has a closed form with a gradient."""
        closed = FAMILIES[self.family].closed
        if not all(transform == "affine" for transform in self.transforms):
            closed = closed & {"cdf", "quantile"}
        return functional in closed

    def closes_to(self, other: "Law") -> bool:
        """Whether the Kullback-Leibler divergence from it to ``other`` has a closed form, and is finite."""
        if self.transforms != other.transforms or any(TRANSFORMS[transform] for transform in self.transforms):
            return False  # one monotone function on both sides leaves a divergence as it is
        return other.family in FAMILIES[self.family].divergences


def component(part: str, field: str | None = None) -> str:
    """Return the component of a name that is a parameter of its law, or of its field's."""
    return f"q.{part}" if field is None else f"q.{part}.{field}"


def is_of_law(component: str | None) -> bool:
    """Whether a component belongs to the law of a name, and not to its value."""
    return component is not None and (component == "log_probs" or component.startswith("q."))


def fields_of(components: Iterable[str | None]) -> tuple[str, ...]:
    """Return the fields of a record that are there, of its value or of its law; none for a scalar."""
    found = [name.rpartition(".")[2] if name.startswith("q.") else name for name in _named(components)]
    return tuple(dict.fromkeys(found))


def _named(components: Iterable[str | None]) -> Iterator[str]:
    for name in components:
        if name is not None and name not in ("mask", "log_probs") and (name.count(".") == 2 or "." not in name):
            yield name
