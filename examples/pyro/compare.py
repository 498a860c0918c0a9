"""What asrppl says of a rule on an example, and what is computed by hand on the same draws and parameters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import asrppl
import pyro
from pyro.infer import SVI
from pyro.poutine.messenger import Messenger

OPTIM: Any = pyro.optim  # pyright: ignore[reportAttributeAccessIssue]
"""Pyro's optimizers, which it makes as it is imported."""

Values = Mapping[str, Tensor]
"""What a run drew, by site, with its graph to the parameters."""

Tilted = Callable[[float], tuple[Tensor, Tensor]]
"""For a multiplier μ: Σ log Σ_a p(a, x) exp(−μ ψ(a)) over the data, and the mean of E_q[ψ] over them."""


@dataclass
class Example:
    """An example's own programs, with data.

    Args:
        model: of the example.
        guide: likewise.
        base: makes its objective.
        args: of both, with all data.
        kwargs: likewise.
        batch: what a training step has in place of these, in batches.
        optim: makes its optimizer.
        options: of `regularize`.
        validate: whether Pyro checks what the example does.
    """

    model: Callable[..., Any]
    guide: Callable[..., Any]
    base: Callable[[], Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict[str, Any])
    batch: dict[str, Any] = field(default_factory=dict[str, Any])
    optim: Callable[[], Any] = lambda: OPTIM.Adam({"lr": 0.01})
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    validate: bool = True


@dataclass(frozen=True, slots=True)
class Case:
    """A rule on an example.

    Args:
        title: the example.
        program: with one rule, as `rule` reads it from a file or `bare` makes it.
        make: reads the example.
        data: how many data there are, times what the example scales their terms by.
        bound: of a rule on what only the model enumerates: what its one mean is compared with.
        sign: 1 where that is an upper bound, else −1.
        tilted: of such a rule: by hand, of what a run drew.
        violation: of any other rule: by hand, of what a run drew, with its gradient.
        gradient: whether the gradient is known by hand.
        steps: of training; 0 where it is not compared.
        refused: the code of the error, where it is one.
    """

    title: str
    program: asrppl.Program
    make: Callable[[], Example]
    data: float = 1
    bound: float = 0.0
    sign: float = 1.0
    tilted: Callable[[Values], Tilted] | None = None
    violation: Callable[[Values], Tensor] | None = None
    gradient: bool = True
    steps: int = 10
    refused: str | None = None

    @property
    def rule(self) -> str:
        """The rule's name."""
        return self.program.rules[0].name

    @property
    def text(self) -> str:
        """The rule as it stands in its file, in one line."""
        return " ".join(self.program.rules[0].span.text.split())


RULES = Path(__file__).parent / "rules"


def rule(file: str, name: str) -> asrppl.Program:
    """Return one rule of a file in `rules/`, with what it needs of the file."""
    return asrppl.load(RULES / file).only(name)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case.

    Args:
        case: which.
        found: the violation by asrppl.
        wanted: the same by hand.
        off: the largest difference of gradients, as a share of the largest gradient by hand; None where none is known.
        after: the violation by hand after training with the rule; None where that is not compared.
        without: the same after training without it.
        refusal: why the rule is refused, in place of all that.
    """

    case: Case
    found: float = 0.0
    wanted: float = 0.0
    off: float | None = None
    after: float | None = None
    without: float = 0.0
    refusal: asrppl.AsrError | None = None

    @property
    def agrees(self) -> bool:
        """Whether both are the same, and training with the rule lowers it; or it is refused as it should be."""
        if self.refusal is not None or self.case.refused is not None:
            return self.refusal is not None and self.case.refused == self.refusal.diagnostics[0].code
        same = abs(self.found - self.wanted) <= 1e-6 and (self.off is None or self.off < 1e-5)
        return same and (self.after is None or self.after < self.without)


def begins(*starts: str) -> Callable[[Any], bool]:
    """Return what `poutine.block` hides all but sites with names that begin so by."""
    return lambda msg: msg["name"].startswith(starts)


class _Draws(Messenger):
    """Keeps what a run drew, by site; the guide is the first to draw one."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, Tensor] = {}

    def _pyro_post_sample(self, msg: Any) -> None:
        if isinstance(msg["value"], Tensor):
            self.values.setdefault(msg["name"], msg["value"])


CALLS, DRAWS, SEED = 4, 8, 1


def compare(case: Case) -> Outcome:
    """Attach the rule, compare violation and gradient on all data, and train in batches with and without it."""
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    example = case.make()
    with pyro.validation_enabled(example.validate):
        return _compared(case, example)


def attached(case: Case, example: Example) -> asrppl.RegularizedELBO:
    """Return the example's objective with the rule in it."""
    return asrppl.regularize(example.model, example.guide, case.program, elbo=example.base(), **example.options)


def _compared(case: Case, example: Example) -> Outcome:
    try:
        elbo = attached(case, example)
        for _ in range(CALLS):  # a multiplier begins at 0
            elbo.loss_and_grads(example.model, example.guide, *example.args, **example.kwargs)
    except asrppl.AsrError as error:
        return Outcome(case, refusal=error)
    found, ours = _ours(case, elbo, example)
    wanted, theirs, largest = _by_hand(case, example, float(elbo.report.weights[case.rule]))
    off = None
    if case.gradient:
        gap = max(float((ours[name] - each).abs().max()) for name, each in theirs.items())
        off = gap / largest if largest else float("inf")
    if not case.steps:
        return Outcome(case, found, wanted, off)
    return Outcome(case, found, wanted, off, _trained(case, True), _trained(case, False))


def _trained(case: Case, attach: bool) -> float:
    """Return the violation by hand after some steps of training with the rule, or without it.

    Of a rule on what only the model enumerates it is with the rule that of the q that pays for it, which is what the
    rule holds of, and without that of the model's own posterior.
    """
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    example = case.make()
    elbo: Any = attached(case, example) if attach else example.base()
    svi = SVI(example.model, example.guide, example.optim(), elbo)
    example.base().loss(example.model, example.guide, *example.args, **example.kwargs)  # draws where params begin
    pyro.set_rng_seed(SEED)
    for _ in range(case.steps):
        svi.step(*example.args, **{**example.kwargs, **example.batch})
    multiplier = float(elbo.report.weights[case.rule]) if attach else 0.0
    found = 0.0
    for _ in range(DRAWS if case.tilted is None else 1):
        with _Draws() as draws, torch.no_grad():
            example.base().loss(example.model, example.guide, *example.args, **example.kwargs)
        found += float(_violation(case, draws.values, multiplier).detach())
    return found if case.tilted is not None else found / DRAWS


def _violation(case: Case, values: Values, multiplier: float) -> Tensor:
    if case.violation is not None:
        return case.violation(values)
    assert case.tilted is not None
    mean = case.tilted(values)(case.sign * multiplier)[1]
    return (case.sign * (mean - case.bound)).clamp(min=0)


def _leaves() -> dict[str, Tensor]:
    return dict(pyro.get_param_store().named_parameters())


def _ours(case: Case, elbo: Any, example: Example) -> tuple[float, dict[str, Tensor]]:
    """Return the violation, and the gradient of objective and rule."""
    for leaf in _leaves().values():
        leaf.grad = None
    pyro.set_rng_seed(SEED)
    elbo.loss_and_grads(example.model, example.guide, *example.args, **example.kwargs)
    found = {name: _gradient(leaf.grad, leaf) for name, leaf in _leaves().items()}
    return float(elbo.report.violations[case.rule]), found


def _by_hand(case: Case, example: Example, multiplier: float) -> tuple[float, dict[str, Tensor], float]:
    """Return the violation, the gradient of objective and rule on the same draws, and the largest entry of the rule's.

    The gradient of the objective is Pyro's own.
    """
    pyro.set_rng_seed(SEED)
    draws = _Draws()
    with draws:
        base = example.base()
        run: Any = base.differentiable_loss if case.gradient else base.loss
        loss = run(example.model, example.guide, *example.args, **example.kwargs)
    if case.tilted is not None:
        tilted = case.tilted(draws.values)
        cost = tilted(0.0)[0] - tilted(case.sign * multiplier)[0]
        wanted = float(_violation(case, draws.values, multiplier).detach())
    else:
        assert case.violation is not None
        violation = case.violation(draws.values)
        cost, wanted = multiplier * case.data * violation, float(violation.detach())
    if not case.gradient:
        return wanted, {}, 0.0
    base, rule = _gradients(loss), _gradients(cost)
    largest = max(float(each.abs().max()) for each in rule.values())
    return wanted, {name: each + rule[name] for name, each in base.items()}, largest


def _gradients(loss: Tensor) -> dict[str, Tensor]:
    leaves = _leaves()
    taken = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, retain_graph=True)
    return {name: _gradient(each, leaf) for (name, leaf), each in zip(leaves.items(), taken, strict=True)}


def _gradient(found: Tensor | None, leaf: Tensor) -> Tensor:
    return torch.zeros_like(leaf) if found is None else found.detach().clone()
