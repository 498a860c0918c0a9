"""Which objectives and guides rules can be attached to, and why not the others."""

from pyro.infer import Trace_ELBO, TraceEnum_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO
from pyro.infer.elbo import ELBO
from pyro.poutine.messenger import Messenger

from asrppl.diagnostics import AsrError, Diagnostic
from asrppl.infer.watch.pyro_internals import innermost

BASES: tuple[type[ELBO], ...] = (Trace_ELBO, TraceGraph_ELBO, TraceEnum_ELBO, TraceMeanField_ELBO)

_REASONS = {
    "RenyiELBO": "it averages powers of importance weights, and a term inside them is no longer nats per datum",
    "TraceTailAdaptive_ELBO": "it weighs particles by rank, and a term inside the weights would change them",
    "ReweightedWakeSleep": "a term in the model would be no penalty on the guide in either of its objectives",
    "TraceTMC_ELBO": "it takes the logarithm of sums of importance weights, and a term inside is no longer nats",
    "RegularizedELBO": "it is regularized already; put all rules into one program",
}


def verify_base(base: object) -> None:
    """Raise `AsrError` (ASR090) unless a rule's term keeps its meaning in the objective.

    A class of the user's own says so of itself: ``takes_rules = True``, in the class and not in a parent's.
    """
    if type(base) in BASES or vars(type(base)).get("takes_rules") is True:
        return
    name = type(base).__name__
    known = ", ".join(kind.__name__ for kind in BASES)
    if name in _REASONS:
        reason = _REASONS[name]
    elif name.startswith("Jit"):
        reason = "tracing would freeze the rules' weights and the shapes they were bound at"
    elif isinstance(base, BASES):
        reason = "a subclass may use the model's terms in its own way"
    elif isinstance(base, ELBO):
        reason = "what it does with a term of the model is not known"
    else:
        reason = "it is not an ELBO object (pass an instance, such as Trace_ELBO())"
    raise AsrError([Diagnostic("ASR090", f"rules cannot be added to {name}: {reason}", help=f"use one of {known}")])


def verify_guide(guide: object) -> None:
    """Raise `AsrError` (ASR091) for a guide that runs the model itself."""
    if isinstance(innermost(guide), Messenger):
        raise AsrError(
            [
                Diagnostic(
                    "ASR091",
                    f"the guide is a GuideMessenger ({type(guide).__name__}): it runs its own copy of the model, "
                    "which the rules' terms would not reach",
                    help="use a guide function, a module or an AutoGuide",
                )
            ]
        )
