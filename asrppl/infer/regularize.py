"""`regularize`: an ELBO with the rules' penalty in it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pyro.infer import Trace_ELBO
from pyro.infer.elbo import ELBO

from asrppl.diagnostics import AsrError, Diagnostic, public
from asrppl.infer.elbo import RegularizedELBO
from asrppl.infer.estimate.ranks import Group
from asrppl.infer.told import DataIndex
from asrppl.infer.verify import verify_base, verify_guide
from asrppl.program import Program, load, parse

Callback = Callable[..., Any]


@public
def regularize(
    model: Callback,
    guide: Callback,
    rules: str | Path | Program,
    elbo: ELBO | None = None,
    *,
    bind: Mapping[str, object] | None = None,
    data: str | None = None,
    data_size: int | None = None,
    data_index: DataIndex | None = None,
    step: int = 0,
    group: Group | None = None,
    **params: Any,
) -> RegularizedELBO:
    """Return an ELBO whose maximiser trades the evidence bound against the rules (the paper's Eq. 10 and 11).

    It minimises, per datum, with N the full size of the data plate (1 without one),

        −ELBO / N + Σ λ(rule) · R(rule),    R = the mean violation over draws of the guide and over the data,

    so a weight λ is nats per datum, whatever the plate, the batch or the rule's level. The data plate is found from
    model and guide alone, as the one around all observed sites; what a rule indexes does not change it. A `forall` at
    the head of a rule that runs over the data is a mean over them, too: ``forall i: z[i] <= 0`` costs what ``z <= 0``
    does. What a call returns is N times that (what Pyro returns). The gradient is that of this objective also where
    draws are not reparameterised::

        >>> def model():
        ...     mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        ...     pyro.sample("x", dist.Normal(mu, 1.0), obs=torch.tensor(3.0))
        >>> guide = AutoNormal(model)
        >>> elbo = asrppl.regularize(model, guide, "param most = 1\\nrule low weight 10: mu <= most", most=0.5)
        >>> svi = SVI(model, guide, pyro.optim.Adam({"lr": 0.1}), loss=elbo)
        >>> loss = svi.step()
        >>> elbo
        RegularizedELBO(Trace_ELBO, step 1, rules: low)

    Args:
        model: a Pyro program; any latent that a rule reads must be drawn by the guide.
        guide: a Pyro program.
        rules: a `Program`, a path (a `Path`, or a string that ends in ``.asr``), or the text of rules. Without a rule
            in it, the result is the objective itself, with a report.
        elbo: the objective to add to: `Trace_ELBO` (default), `TraceGraph_ELBO`, `TraceEnum_ELBO` or
            `TraceMeanField_ELBO`; a class of your own whose ``takes_rules`` is True says that it adds up the model's
            terms as those do. It is used as it stands, not copied.
        bind: values, distributions and functions by the names that the rules use.
        data: the name of the data plate, where more than one plate is around all observed sites. (Plates within a
            vectorised one that are run through one entry at a time hold parts of a datum.)
        data_size: N, where that plate has no size (``pyro.plate("data")``); without it, N is the length of the batch.
        data_index: which data a batch holds, where batches are handed to the programs: a function of their arguments
            that returns the data's places among all, ``(B,)`` whole numbers: ``lambda x, index: index``. What a rule
            says of each datum, `hard` and ``E[..]`` above all, then has a multiplier and a mean of its own for each.
            A plate with ``subsample=`` says that by itself; one with ``subsample_size=`` and batches that it did not
            choose says it wrongly, and ``data_index`` overrules it.
        step: where the schedules of weights start.
        group: of `torch.distributed`, the processes that share each batch; None for all of them, where it is set up.
            Each then makes every training step on a part of its own (docs/processes.md).
        params: of the rules (with a path or a text).

    Raises:
        AsrError: an unfit objective (ASR090) or guide (ASR091), params with a `Program` (ASR098), a value in ``bind``
            that does not fit (ASR070 to ASR077), or an error in the rules. What depends on the programs' sites
            (names, types, estimators) is found on the first call, or by `RegularizedELBO.bindings`.
    """
    base: ELBO = Trace_ELBO() if elbo is None else elbo
    verify_base(base)
    verify_guide(guide)
    if data_size is not None and data_size < 1:
        _refuse(f"data_size={data_size!r} is no number of data", "give the number of data that there are in all")
    program = _program(rules, params)
    return RegularizedELBO(
        model,
        guide,
        program,
        base,
        bind=bind,
        data=data,
        data_size=data_size,
        data_index=data_index,
        step=step,
        group=group,
    )


def _program(rules: str | Path | Program, params: Mapping[str, Any]) -> Program:
    if isinstance(rules, Program):
        if params:
            _refuse(
                f"param `{next(iter(params))}` was given with a program that is parsed already",
                "give params to asrppl.load or asrppl.parse",
            )
        return rules
    if isinstance(rules, Path) or (rules.endswith(".asr") and "\n" not in rules):
        return load(rules, **params)
    return parse(rules, **params)


def _refuse(message: str, help: str) -> None:
    raise AsrError([Diagnostic("ASR098", message, help=help)])
