"""`evaluate`: what rules come to on data that nothing was trained on."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from asrppl.core.signature import Level
from asrppl.diagnostics import AsrError, Diagnostic, public, warn_of
from asrppl.infer.attach import attach
from asrppl.infer.elbo import RegularizedELBO
from asrppl.infer.estimate.attachment import Attachment
from asrppl.infer.estimate.batch import Batch
from asrppl.infer.estimate.channels import AttachedRule, Rerun
from asrppl.infer.estimate.evaluation import Evaluation
from asrppl.infer.estimate.here import about_data
from asrppl.infer.estimate.intervals import interval
from asrppl.infer.estimate.means import Mean
from asrppl.infer.estimate.moments import evaluate as evaluate_moments
from asrppl.infer.estimate.tally import HELD, run_of
from asrppl.infer.regularize import regularize
from asrppl.infer.report import Interval, Report
from asrppl.infer.sample import Sample
from asrppl.infer.sites.layout import Reading
from asrppl.infer.watch.recorder import Watcher, kept_rng, run_apart, runs_apart
from asrppl.infer.watch.recording import Recording
from asrppl.infer.watch.untouched import kept_params, untouched
from asrppl.infer.worst import Run
from asrppl.program import Program

Callback = Callable[..., Any]


@public
def evaluate(
    model: Callback,
    guide: Callback,
    rules: str | Path | Program | RegularizedELBO,
    *args: Any,
    num_samples: int = 100,
    level: float = 0.95,
    bind: Mapping[str, object] | None = None,
    data: str | None = None,
    data_size: int | None = None,
    **kwargs: Any,
) -> Report:
    """Return what the rules come to on the data of ``args``, held-out data say, with intervals.

    The guide is run ``num_samples`` times. A rule's violation is its mean over these draws and the data; one that reads
    means over draws or data (`E[..]`, `aggregate(..)`) has their averages. ``report.intervals`` has both ends of where
    the violation is on the population that the data are from, with the chance ``level``: for the mean of
    u = v + Σ c (ψ − m̂), c = ∂v/∂m, by the delta method. Its standard error counts data, not draws. One that holds by
    less than noise has an upper end above 0::

        >>> x = torch.linspace(-1.0, 2.0, 200)
        >>> def model(x):
        ...     with pyro.plate("data", len(x)):
        ...         z = pyro.sample("z", dist.Normal(0.0, 1.0))
        ...         pyro.sample("x", dist.Normal(z, 1.0), obs=x)
        >>> def guide(x):
        ...     with pyro.plate("data", len(x)):
        ...         pyro.sample("z", dist.Normal(x / 2, 0.5**0.5))
        >>> report = asrppl.evaluate(model, guide, "rule low: aggregate(E[z]) <= 0", x)
        >>> low, high = report.intervals["low"]
        >>> bool(low < 0.25 < high), report.moments["low"]
        (True, {'aggregate(E[z])': 'mean of 100 draws'})

    Nothing is disturbed: parameters, random numbers, the state of modules, what an objective remembers. A module runs
    in the mode that it is in: call ``eval()`` where it has dropout or batch normalisation.

    Args:
        model: a Pyro program.
        guide: likewise; its draws are not enumerated.
        rules: as for `regularize`; or the `RegularizedELBO` that trained, whose ``bind``, ``data``, ``data_size``,
            weights and multipliers are then taken. Else weights are those at the end of their schedules.
        args: of model and guide.
        num_samples: how many draws of the guide: what is not linear in a mean over them is off by about its variance
            over this.
        level: of the intervals.
        bind: as for `regularize`.
        data: likewise.
        data_size: likewise.
        kwargs: of model and guide.

    Returns:
        A `Report` of 0-d tensors. An interval is nan for a rule that indexes the data otherwise than by a ``forall`` at
        its head, or reads means and indexes them: it is one value of all data. `Report.worst` has the data that break
        a rule most. ``moments`` says "exact" of means that no draw enters. ``returned`` is nan.

    Raises:
        AsrError: a rule on what only the model enumerates (ASR092: its q is none of the runs'); what `regularize` and
            a first step raise but for gradients; ``num_samples`` or ``level`` out of range,
            or ``bind``, ``data`` or ``data_size`` beside a `RegularizedELBO` (ASR098).
    """
    if num_samples < 1 or not 0 < level < 1:
        wrong = f"num_samples={num_samples!r}" if num_samples < 1 else f"level={level!r}"
        _refuse(f"{wrong} is out of its range", "num_samples is at least 1, level between 0 and 1, as 0.95 is")
    if not isinstance(rules, RegularizedELBO):
        elbo = regularize(model, guide, rules, bind=bind, data=data, data_size=data_size)
        weights = {rule.name: rule.weight.end for rule in elbo.program.rules}
    elif bind is not None or data is not None or data_size is not None:
        _refuse("`bind`, `data` and `data_size` are those of the objective", "leave them out, or give its program")
    else:
        elbo = rules
        weights = elbo.weights or {rule.name: rule.weight.at(elbo.step) for rule in elbo.program.rules}
    sample = sampled(elbo, model, guide, args, kwargs, num_samples)
    return _report(elbo, sample, weights, num_samples, level)


def sampled(
    elbo: RegularizedELBO,
    model: Callback,
    guide: Callback,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    count: int,
    see: Callable[[Recording], None] | None = None,
) -> Sample:
    """Return runs of guide and model as one, which disturb nothing.

    Args:
        elbo: whose rules are bound to them.
        model, guide, args, kwargs: what is run.
        count: how many runs; one is made where the rules read no draws, unless each is to be seen.
        see: is shown each of them.
    """
    with torch.no_grad(), kept_rng(), kept_params(), untouched(model, guide):
        recording = run_apart(model, guide, args, kwargs)

        def rerun(tracker: Watcher | None) -> Recording:
            return run_apart(model, guide, args, kwargs, tracker)

        attachment = _attach(elbo, recording, rerun)
        count = count if see is not None or _reads_draws(attachment) else 1
        readings: list[Reading] = []
        for run in runs_apart(model, guide, args, kwargs, recording.subsamples, count):
            readings.append(attachment.read(run))
            if see is not None:
                see(run)
        return Sample(attachment, recording, readings)


def tables_of(sample: Sample) -> dict[str, Tensor]:
    """Return by rule its violations ``(draws, data)``; what is the same along an axis is expanded there."""
    plain = sample.attachment.plan.evaluate(sample.tensors, sample.attachment.functions)[0]
    found: dict[str, Tensor] = {}
    for attached in sample.attachment.rules:
        name = attached.rule.name
        violation = plain[name] if attached.functional is None else _evaluation(attached, sample).violation
        found[name] = sample.table_of(attached, violation)
    return found


def _attach(elbo: RegularizedELBO, recording: Recording, rerun: Rerun) -> Attachment:
    attachment = attach(
        elbo.program,
        recording,
        rerun,
        given=elbo.given,
        data=elbo.data,
        data_size=elbo.data_size,
        base=type(elbo.base),
    )
    hidden = [_refusal(attached) for attached in attachment.rules if attached.inside]
    if hidden:
        raise AsrError(hidden)
    known = elbo.program.warnings(attachment.signature)  # those it has raised itself
    # That a rule trains nothing (ASR116) is no matter here.
    warn_of(found for found in attachment.warnings if found not in known and found.code != "ASR116")
    return attachment


def _refusal(attached: AttachedRule) -> Diagnostic:
    """Say of a rule on what the model enumerates that runs of the programs draw nothing from its q (ASR092)."""
    message = (
        f"rule `{attached.rule.name}` is on what only the model enumerates: its q is known by a backward pass of the "
    )
    message += "objective, and runs of guide and model have no draws of it"
    help = "let a new objective measure it: `regularize(..)` as it was trained, `load_state_dict(elbo.state_dict())`, "
    help += "`loss(model, guide, *held_out)`, and then its `report.violations`"
    return Diagnostic("ASR092", message, attached.rule.span, help=help)


def _refuse(message: str, help: str) -> NoReturn:
    raise AsrError([Diagnostic("ASR098", message, help=help)])


def _reads_draws(attachment: Attachment) -> bool:
    entries = (entry for _, entry in attachment.signature.entries)
    return any(Level.DRAW in entry.levels | entry.distribution_levels for entry in entries)


def _report(
    elbo: RegularizedELBO, sample: Sample, weights: Mapping[str, float | Tensor], asked: int, level: float
) -> Report:
    attachment = sample.attachment
    plain, speaking = attachment.plan.evaluate(sample.tensors, attachment.functions)
    found = Report(idle=attachment.idle, returned=float("nan"), step=elbo.step)
    tables = {name: dict[str, Any]() for name in ("violations", "satisfied", "vacuous", "weights", "moments")}
    intervals: dict[str, Interval] = {}
    runs: dict[str, Run] = {}
    costs: list[Tensor] = []
    for attached in attachment.rules:
        rule = attached.rule
        evaluation = None if attached.functional is None else _evaluation(attached, sample)
        violation = plain[rule.name] if evaluation is None else evaluation.violation
        each = violation if evaluation is None or evaluation.each is None else evaluation.each
        speaks = speaking.get(rule.name) if evaluation is None else evaluation.speaking
        table = sample.table_of(attached, violation)
        mean = table.mean()
        broken = (~(each <= (rule.hard or 0.0) + HELD)).to(mean.dtype)
        tables["violations"][rule.name] = mean
        tables["satisfied"][rule.name] = 1 - sample.table_of(attached, broken).mean()
        silent = mean.new_zeros(()) if speaks is None else sample.table_of(attached, (~speaks).to(mean.dtype)).mean()
        tables["vacuous"][rule.name] = silent
        weight = weights[rule.name] if rule.hard is None else elbo.memory.pull(rule.name)
        tables["weights"][rule.name] = weight
        costs.append(sample.size * weight * mean)
        tables["moments"][rule.name] = _ways(attached, asked)
        intervals[rule.name] = _interval(attached, sample, table, evaluation, level)
        frames = tuple(frame for name in attached.names for frame in sample.frames[name])
        averaged = Mean(sample.mask(attached) if about_data(attached) else None, (), frames, sample.plates)
        placed = sample.placed(attached, each)
        runs[rule.name] = run_of(
            attached, attachment, sample.tensors, evaluation, placed, averaged, sample.data, sample.index
        )
    penalty = sum(costs[1:], start=costs[0]) if costs else torch.zeros(())
    return replace(found, **tables, intervals=intervals, penalty=penalty, runs=runs)


def _evaluation(attached: AttachedRule, sample: Sample) -> Evaluation:
    """Return what a rule that reads means comes to, each of them the sample's own, with its slopes."""
    assert attached.functional is not None
    with torch.enable_grad():
        batch = Batch(sample.plates, None, sample.mask(attached))
        return evaluate_moments(
            attached.functional,
            sample.tensors,
            sample.attachment.functions,
            batch,
            means={},
            exact=frozenset(),
        )


def _interval(
    attached: AttachedRule, sample: Sample, table: Tensor, evaluation: Evaluation | None, level: float
) -> Interval:
    entries = (sample.attachment.signature.get(name) for name in attached.names)
    if attached.rule.datum is None and any(entry is not None and entry.data is not None for entry in entries):
        unknown = table.new_full((), float("nan"))
        return unknown, unknown
    if evaluation is None or attached.functional is None:
        return interval(table.mean(), table, (), level)
    moved = sample.table_of(attached, evaluation.term.detach())
    drawn = Level.DRAW in attached.functional.decomposed.rule.levels
    values = moved if drawn else table + moved
    kinks: list[tuple[Tensor, Tensor, Tensor]] = []
    for comparison in () if drawn or attached.functional.about_data else attached.functional.comparisons:
        if comparison.name in evaluation.moves:
            axes, own = len(comparison.variables), evaluation.excess[comparison.name][0]
            excess, counted = (
                part.flatten(axes).mean(-1) if part.dim() > axes else part
                for part in (own, evaluation.counted.get(comparison.name, torch.ones_like(own)))
            )
            kinks.append((excess, sample.table(evaluation.moves[comparison.name], axes), counted))
    return interval(table.mean(), values, kinks, level)


def _ways(attached: AttachedRule, asked: int) -> dict[str, str]:
    found = dict(attached.sums)
    for moment in () if attached.functional is None else attached.functional.moments:
        way = "exact" if moment.name in attached.drawless else f"mean of {asked} draws"
        found[moment.operator.span.text] = way
    return found
