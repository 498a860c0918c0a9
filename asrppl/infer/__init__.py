"""What meets Pyro: `regularize` and `expose`, bindings and reports."""

from asrppl.infer.bindings import Binding, Bindings, RuleBinding
from asrppl.infer.elbo import RegularizedELBO
from asrppl.infer.evaluate import evaluate
from asrppl.infer.expose import expose
from asrppl.infer.regularize import regularize
from asrppl.infer.report import Report

__all__ = ["Binding", "Bindings", "RegularizedELBO", "Report", "RuleBinding", "evaluate", "expose", "regularize"]
