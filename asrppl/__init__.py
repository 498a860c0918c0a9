"""Rules about what a Pyro guide infers: a rule language, its compiler, and the regularizer of a Pyro ELBO.

``load`` and ``parse`` read rules, ``regularize`` attaches them to a model and a guide, ``expose`` hands a guide's
values to them, ``evaluate`` measures them on held-out data. Each is imported on first use: reading a rule file does not
wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asrppl.bind.boxes import boxes
    from asrppl.diagnostics import AsrError, AsrWarning, Diagnostic
    from asrppl.infer import Bindings, RegularizedELBO, Report, evaluate, expose, regularize
    from asrppl.program import Program, load, parse

    __version__: str

__all__ = [
    "AsrError",
    "AsrWarning",
    "Bindings",
    "Diagnostic",
    "Program",
    "RegularizedELBO",
    "Report",
    "__version__",
    "boxes",
    "evaluate",
    "expose",
    "load",
    "parse",
    "regularize",
]

_HOMES = {
    "AsrError": "asrppl.diagnostics",
    "AsrWarning": "asrppl.diagnostics",
    "Diagnostic": "asrppl.diagnostics",
    "Bindings": "asrppl.infer",
    "boxes": "asrppl.bind.boxes",
    "RegularizedELBO": "asrppl.infer",
    "Report": "asrppl.infer",
    "Program": "asrppl.program",
    "load": "asrppl.program",
    "parse": "asrppl.program",
    "evaluate": "asrppl.infer.evaluate",
    "expose": "asrppl.infer",
    "load_ipython_extension": "asrppl.magic",
    "regularize": "asrppl.infer",
}


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # takes longer than to parse a rule

    try:
        return version("asrppl")
    except PackageNotFoundError:  # a source tree that was not installed
        return "0.0.0"


def __getattr__(name: str) -> object:
    if name == "__version__":
        value = globals()[name] = _version()
        return value
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
