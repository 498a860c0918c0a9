"""Random Pyro programs, and the laws of their guides as weighted states.

A `World` has a model, a guide, and `states`: all joint values that the guide may draw for a datum, with their
probabilities as functions of the params. Finite sites are enumerated. Of a Normal the states are the midpoints of cells
of a fixed grid, weighted by its density: so means of hinges and of indicators differentiate in the params too.
"""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import config_enumerate
from pyro.infer.autoguide import AutoDelta, AutoNormal
from torch import Tensor

from tests.infer.toys import unconstrained

FINITE = ("bernoulli", "categorical", "onehot")
NORMAL = ("normal", "score", "auto")
INTS = torch.arange(3, dtype=torch.float64)
TILT = torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64)
Key = tuple[str, int]
"""A site and its entry, 0 of a scalar."""


@dataclass(frozen=True)
class Site:
    """A latent.

    Args:
        name: of the site, or of the family of numbered sites.
        family: ``bernoulli``, ``categorical`` and ``onehot`` (of three), ``normal``, ``score`` (a Normal that is not
            reparameterised), ``lognormal``, ``delta``.
        shape: ``one`` number; two, as an ``event``, in an inner ``plate``, ``numbered``, or ``looped`` over by a
            sequential plate.
        local: whether it stands in the data plate.
        amortised: whether its law is a function of the datum.
        parents: earlier sites that its law reads, linearly, and their slopes.
        chain: how the second of two numbered sites reads the first.
        masked: the Boolean site without which it is absent.
        scale: of a `poutine.scale` around it.
    """

    name: str
    family: str
    shape: str = "one"
    local: bool = True
    amortised: bool = False
    parents: tuple[tuple[str, float], ...] = ()
    chain: float = 0.0
    masked: str | None = None
    scale: float = 1.0

    @property
    def count(self) -> int:
        return 1 if self.shape == "one" else 2

    @property
    def finite(self) -> bool:
        return self.family in FINITE


@dataclass(frozen=True)
class Law:
    """What the guide draws an entry from, in each state.

    Args:
        family: of the site.
        loc: of a Normal or of the logarithm, the point of a Delta.
        scale: of those.
        log_probs: by value, of a law of finitely many.
    """

    family: str
    loc: Tensor
    scale: Tensor | None = None
    log_probs: tuple[Tensor, ...] = ()


@dataclass
class States:
    """Joint values and their probabilities, tensors that broadcast to ``(states, data)``."""

    weight: Tensor
    values: dict[Key, Tensor] = field(default_factory=dict[Key, Tensor])
    laws: dict[Key, Law] = field(default_factory=dict[Key, Law])
    present: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    x: Tensor = field(default_factory=lambda: torch.zeros(1, 1))
    g: Tensor = field(default_factory=lambda: torch.zeros(1, 1))


class World:
    """A model and a guide.

    Args:
        seed: of all that is random in it.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        choose = self.random.choice
        self.plated: bool = self.random.random() < 0.9
        self.sequential: bool = self.plated and self.random.random() < 0.12
        self.auto: str = choose(["normal", "delta"]) if self.random.random() < 0.1 and not self.sequential else ""
        self.batches: str = "all"
        if self.plated and not self.auto and self.random.random() < 0.35:
            self.batches = choose(["indexed", "indexed", "indexed", "indexed", "drawn"])
        self.size: int = (choose([3, 4, 5]) if self.batches == "all" else choose([4, 6])) if self.plated else 1
        self.x: Tensor = torch.tensor([round(self.random.uniform(-1.5, 1.5), 1) for _ in range(self.size)])
        self.g: Tensor = torch.arange(self.size) % 2  # a group with members in every world of two data
        self.grouped: bool = self.plated and not self.sequential and self.random.random() < 0.3
        self.turned: bool = self.random.random() < 0.3  # the data plate stands left of the inner one
        self.sites: list[Site] = list(self._sites())
        self.nested: bool = any(site.shape == "plate" and site.local for site in self.sites)
        self.enumerated: bool = not self.auto and self.random.random() < 0.7
        self.masked_in_both: bool = self.random.random() < 0.8
        self.start: dict[str, Tensor] = dict(self._start())
        self.index: Tensor | None = None  # of the batch
        self.guide: Any = self._guide()

    # ---- what there is

    def _sites(self) -> Iterator[Site]:
        room = 2  # Normals that the grid has room for
        made: list[Site] = []
        number = self.random.choice([1, 1, 2, 2, 3])
        outside = sorted((self.random.random() < 0.25 for _ in range(number)), reverse=True)
        for place in range(number):
            if self.auto and not room:
                return
            local = self.plated and not outside[place]
            site = self._site("uvw"[place], local, made, room)
            room -= 0 if site.finite or site.family == "delta" else site.count
            made.append(site)
            yield site

    def _site(self, name: str, local: bool, made: list[Site], room: int) -> Site:
        choose, chance = self.random.choice, self.random.random
        shape = choose(["one", "one", "one", "event", "plate", "numbered", "looped"])
        if self.sequential and local:
            shape = "one"
        if self.auto:
            shape = "numbered" if shape == "looped" else shape
            return Site(name, "delta" if self.auto == "delta" else "auto", "one" if room < 2 else shape, local)
        families = ["bernoulli", "bernoulli", "categorical"]
        if room >= 2 or (room and shape == "one"):
            families += ["normal", "normal", "normal", "score", "score"]
            families += ["lognormal"] if chance() < 0.5 else []
        if chance() < 0.3:
            families += ["delta", *(["onehot"] if shape == "one" else [])]
        family = choose(families)
        parents: list[tuple[str, float]] = []
        for other in made:
            elementwise = other.local and local and shape == "plate"
            if family == other.family == "lognormal":
                continue  # it would have no mean
            if family != "delta" and chance() < 0.6 and (other.shape != "plate" or elementwise):
                parents.append((other.name, choose([-0.8, 0.6, 1.0])))
        flags = [each.name for each in made if each.family == "bernoulli" and each.shape == "one" and each.local]
        return Site(
            name,
            family,
            shape,
            local,
            amortised=local and chance() < 0.3,
            parents=tuple(parents),
            chain=choose([0.0, 0.7]) if shape == "numbered" and family != "lognormal" else 0.0,
            masked=choose(flags) if flags and local and shape == "one" and chance() < 0.25 else None,
            scale=0.5 if chance() < 0.07 else 1.0,
        )

    def _start(self) -> Iterator[tuple[str, Tensor]]:
        def some(*shape: int, low: float = -0.8, high: float = 0.8) -> Tensor:
            count = math.prod(shape)
            return torch.tensor([self.random.uniform(low, high) for _ in range(count)]).reshape(shape)

        for site in self.sites:
            entries = () if site.count == 1 else (2,)
            data = (self.size,) if site.local and not site.amortised else ()
            yield f"{site.name}_a", some(*entries, *data)
            if site.amortised:
                yield f"{site.name}_b", some(*entries)
            if site.family in (*NORMAL, "lognormal"):
                yield f"{site.name}_r", some(low=-0.9, high=-0.3)
            if site.family in ("categorical", "onehot"):
                yield f"{site.name}_c", some(3, low=-0.5, high=0.5)

    @property
    def nesting(self) -> int:
        """The plates' depth."""
        shapes = {site.shape for site in self.sites}
        outer = int(self.plated and not self.sequential)
        return 2 if self.nested else max(outer, int("plate" in shapes))

    def names(self) -> list[str]:
        """Return the params' names in Pyro's store."""
        if not self.auto:
            return list(self.start)
        if self.auto == "delta":
            return [f"AutoDelta.{name}" for name in self._drawn()]
        return [f"AutoNormal.{part}.{name}" for name in self._drawn() for part in ("locs", "scales")]

    def _drawn(self) -> list[str]:
        found: list[str] = []
        for site in self.sites:
            if self.sequential and site.local:
                found += [f"{site.name}_{i}" for i in range(self.size)]
            else:
                numbered = site.shape in ("numbered", "looped")
                found += [f"{site.name}_{k}" for k in range(2)] if numbered else [site.name]
        return found

    def leaves(self) -> list[Tensor]:
        """Return what gradients are taken by."""
        return unconstrained(self.names())

    def begin(self) -> None:
        """Put the params to where they start."""
        pyro.clear_param_store()
        if not self.auto:
            for name, start in self.start.items():
                pyro.param(name, start.clone())
            return
        self.guide = self._guide()
        self.guide()
        generator = torch.Generator().manual_seed(self.random.randrange(1000))
        with torch.no_grad():
            for name, leaf in zip(self.names(), self.leaves(), strict=True):
                low, high = (-0.3, 0.2) if ".scales." in name else (-0.8, 0.8)
                leaf.copy_(low + (high - low) * torch.rand(leaf.shape, generator=generator))

    def rows(self) -> list[Tensor | None]:
        """Return the batches that make up the data, as indices; None is what the plate draws, or all."""
        if self.batches != "indexed":
            return [None]
        return list(torch.arange(self.size).reshape(2, -1).T.reshape(-1).split(self.size // 2))

    # ---- the programs

    def _guide(self) -> Any:
        if self.auto:
            return (AutoDelta if self.auto == "delta" else AutoNormal)(self.model)
        guide = self._run_guide
        return config_enumerate(guide) if self.enumerated else guide

    def _run_guide(self) -> None:
        self._run(guide=True)

    def model(self) -> None:
        """Be the model."""
        self._run(guide=False)

    def _run(self, *, guide: bool) -> None:
        values: dict[str, Tensor] = {}
        self.parts: dict[str, Any] = {}
        for site in self.sites:
            if not site.local:
                self._sample(site, values, None, guide)
        if not self.plated:
            self._observe(values, 0, guide)
            return
        half = self.size // 2
        size: dict[str, Any] = {"subsample_size": half} if self.batches == "drawn" else {"subsample": self.index}
        if self.sequential:
            before = dict(values)
            for i in pyro.plate("data", self.size, **size):
                values = dict(before)
                for site in self.sites:
                    if site.local:
                        self._sample(site, values, int(i), guide)
                self._observe(values, int(i), guide)
            return
        with pyro.plate("data", self.size, dim=-2 if self.nested and self.turned else -1, **size) as index:
            for site in self.sites:
                if site.local:
                    self._sample(site, values, index, guide)
            self._observe(values, index, guide)

    def _sample(self, site: Site, values: dict[str, Tensor], i: Any, guide: bool) -> None:
        with pyro.poutine.scale(scale=site.scale):
            if site.shape in ("numbered", "looped"):
                loop: Any = pyro.plate(f"loop_{site.name}", 2) if site.shape == "looped" else range(2)
                before: list[Tensor] = []
                for k in loop:
                    shift = site.chain * before[0] if before and site.chain else torch.zeros(())
                    before.append(_plain(self._one(site, f"{site.name}_{k}", k, values, i, shift, guide), site))
                values[site.name] = before[0] + before[1]
            elif site.shape == "plate":
                with self._parts(site):
                    values[site.name] = _plain(self._one(site, site.name, None, values, i, 0.0, guide), site)
            else:
                name = f"{site.name}_{i}" if self.sequential and site.local else site.name
                drawn = self._one(site, name, 0 if site.count == 1 else None, values, i, 0.0, guide)
                values[site.name] = _plain(drawn, site)

    @property
    def _inner(self) -> int:
        return -1 if self.turned else -2

    def _parts(self, site: Site) -> Any:
        """Return the inner plate of a site, of which there is one in a run."""
        dim = self._inner if site.local else -1
        if site.name not in self.parts:
            self.parts[site.name] = pyro.plate(f"parts_{site.name}", 2, dim=dim)
        return self.parts[site.name]

    def _one(
        self, site: Site, name: str, k: int | None, values: dict[str, Tensor], i: Any, shift: Any, guide: bool
    ) -> Tensor:
        law: Any
        if guide:
            law = _law_of(site, self._loc(site, k, values, i) + shift)
        else:
            law = _prior(site)
            if site.family == "auto":
                law = dist.Normal(0.0, 1.0)
        if site.shape == "event":
            law = law.expand([2]).to_event(1) if not guide else law.to_event(1)
        if site.masked is not None and (guide or self.masked_in_both):
            law = law.mask(values[site.masked] == 1)
        return pyro.sample(name, law)

    def _loc(self, site: Site, k: int | None, values: dict[str, Tensor], i: Any) -> Tensor:
        slopes = pyro.param(f"{site.name}_b") if site.amortised else None
        whole = pyro.param(f"{site.name}_a")

        def base(entry: int | None) -> Tensor:
            found = whole if entry is None or site.count == 1 else whole[entry]
            if slopes is not None:
                slope = slopes if entry is None or site.count == 1 else slopes[entry]
                found = found + slope * self.x[i]
            elif site.local:
                found = found[i]
            tall = self.nested and self.turned and site.local
            return found.unsqueeze(-1) if tall else found

        parents = [slope * values[name] for name, slope in site.parents]
        if k is not None:
            return base(k) + sum(parents, torch.zeros(()))
        if site.shape == "event":
            return torch.stack([base(0), base(1)], -1) + sum(parents, torch.zeros(())).unsqueeze(-1)
        if not site.local:
            return whole + sum(parents, torch.zeros(()))
        parts = torch.cat([base(0), base(1)], -1) if self.turned else torch.stack([base(0), base(1)])
        return parts + sum(parents, torch.zeros(()))

    def _observe(self, values: dict[str, Tensor], i: Any, guide: bool) -> None:
        if guide:
            return
        loc = torch.zeros(())
        for site in self.sites:
            if site.shape != "plate":
                loc = loc + 0.7 * values[site.name]
            elif site.local:
                with self._parts(site):
                    pyro.sample(f"seen_{site.name}", dist.Normal(values[site.name], 1.0), obs=torch.tensor(0.3))
        tall = self.nested and self.turned
        seen = self.x[i].unsqueeze(-1) if tall else self.x[i]
        pyro.sample(f"x_{i}" if self.sequential else "x", dist.Normal(loc, 1.0), obs=seen)
        if self.grouped:
            group = self.g[i].unsqueeze(-1) if tall else self.g[i]
            pyro.sample("g", dist.Bernoulli(0.5), obs=group.to(self.x.dtype))

    # ---- the guide's law, by enumeration

    def states(self, cell: float = 1.0) -> States:
        """Return all that the guide may draw, with the params' graph; grids have cells ``cell`` times as wide."""
        found = States(torch.ones(1, self.size), x=self.x[None], g=self.g[None])
        grids = sum(site.count for site in self.sites if site.family in (*NORMAL, "lognormal"))
        step = cell * (0.05 if grids < 2 else 0.1)
        for site in self.sites:
            if site.masked is not None:
                found.present[site.name] = found.values[site.masked, 0] == 1
            for k in range(site.count):
                self._extend(found, site, k, step)
        return found

    def _extend(self, found: States, site: Site, k: int, step: float) -> None:
        law = self._entry_law(found, site, k)
        if site.family == "delta":
            found.values[site.name, k] = law.loc
            found.laws[site.name, k] = law
            return
        if site.finite:
            points = INTS[: len(law.log_probs)]
            chances = torch.stack([each.exp() for each in law.log_probs])
        else:
            assert law.scale is not None
            low = float((law.loc - 6.5 * law.scale).detach().min())
            high = float((law.loc + 6.5 * law.scale).detach().max())
            points = (torch.arange(math.floor(low / step), math.ceil(high / step)) + 0.5) * step
            density = dist.Normal(law.loc, law.scale).log_prob(points.reshape(-1, 1, 1)).exp()
            chances = density * step
            points = points.exp() if site.family == "lognormal" else points
        weight = (found.weight * chances).reshape(-1, found.weight.shape[-1])
        kept = (weight.detach() > 1e-13).any(-1)
        old = found.weight.shape[0]

        def spread(value: Tensor) -> Tensor:
            if value.shape[0] == 1 and old > 1:
                return value
            return value.expand(len(points), *value.shape).reshape(-1, value.shape[-1])[kept]

        found.weight = weight[kept]
        found.laws[site.name, k] = law
        for key, known in found.laws.items():
            scale = None if known.scale is None or known.scale.dim() < 2 else spread(known.scale)
            parts = tuple(spread(each) for each in known.log_probs)
            found.laws[key] = Law(known.family, spread(known.loc), known.scale if scale is None else scale, parts)
        for key, value in found.values.items():
            found.values[key] = spread(value)
        for name, value in found.present.items():
            found.present[name] = spread(value)
        found.values[site.name, k] = points.reshape(-1, 1, 1).expand(-1, old, 1).reshape(-1, 1)[kept]

    def _entry_law(self, found: States, site: Site, k: int) -> Law:
        if self.auto:
            return self._auto_law(site, k)
        loc = pyro.param(f"{site.name}_a")
        loc = loc[k] if site.count == 2 else loc
        if site.amortised:
            slope = pyro.param(f"{site.name}_b")
            loc = loc + (slope[k] if site.count == 2 else slope) * self.x
        loc = loc.reshape(1, -1)
        for name, slope in site.parents:
            other = next(each for each in self.sites if each.name == name)
            if other.shape == "plate":
                loc = loc + slope * found.values[name, k]
            else:
                loc = loc + slope * sum((found.values[name, each] for each in range(other.count)), torch.zeros(()))
        if site.chain and k == 1:
            loc = loc + site.chain * found.values[site.name, 0]
        if site.family == "bernoulli":
            return Law(site.family, loc, None, (-torch.log1p(loc.exp()), -torch.log1p((-loc).exp())))
        if site.finite:
            logits = torch.stack([each * loc + c for each, c in zip(TILT, pyro.param(f"{site.name}_c"), strict=True)])
            return Law(site.family, loc, None, tuple(logits - logits.logsumexp(0)))
        scale = None if site.family == "delta" else pyro.param(f"{site.name}_r").exp()
        return Law(site.family, loc, scale)

    def _auto_law(self, site: Site, k: int) -> Law:
        def read(part: str) -> Tensor:
            names = [f"{site.name}_{i}" for i in range(self.size)] if self.sequential and site.local else [site.name]
            if site.shape in ("numbered", "looped"):
                names = [f"{site.name}_{k}"]
            values = [pyro.param(f"{part}.{name}") for name in names]
            value = torch.stack(values) if len(values) > 1 else values[0]
            if site.shape == "event":
                value = value[..., k]
            if site.shape == "plate" and site.local:
                value = value[:, k] if self.turned else value[k]
            elif site.shape == "plate":
                value = value[k]
            return value.reshape(1, -1)

        if self.auto == "delta":
            return Law("delta", read("AutoDelta"))
        return Law("normal", read("AutoNormal.locs"), read("AutoNormal.scales"))


def _law_of(site: Site, loc: Tensor) -> Any:
    if site.family == "bernoulli":
        return dist.Bernoulli(logits=loc)
    if site.finite:
        logits = loc.unsqueeze(-1) * TILT + pyro.param(f"{site.name}_c")
        return (
            dist.Categorical(logits=logits) if site.family == "categorical" else dist.OneHotCategorical(logits=logits)
        )
    if site.family == "delta":
        return dist.Delta(loc)
    scale = pyro.param(f"{site.name}_r").exp()
    if site.family == "lognormal":
        return dist.LogNormal(loc, scale)
    normal: Any = dist.Normal(loc, scale)
    return normal if site.family == "normal" else normal.has_rsample_(False)


def _prior(site: Site) -> Any:
    if site.family == "bernoulli":
        return dist.Bernoulli(torch.tensor(0.4))
    if site.finite:
        kinds: dict[str, Callable[[Tensor], Any]] = {"categorical": dist.Categorical, "onehot": dist.OneHotCategorical}
        return kinds[site.family](torch.tensor([0.2, 0.3, 0.5]))
    return dist.LogNormal(torch.zeros(()), 1.0) if site.family == "lognormal" else dist.Normal(torch.zeros(()), 1.0)


def _plain(value: Tensor, site: Site) -> Tensor:
    """Return what later sites read of a draw."""
    value = (value * INTS).sum(-1) if site.family == "onehot" else value.to(INTS.dtype)
    return value.sum(-1) if site.shape == "event" else value
