"""Reports as lines of JSON, and as scalars for TensorBoard and whoever else takes names and numbers."""

import json
import math
from pathlib import Path
from typing import Any, Protocol, cast

from torch import Tensor

from asrppl.infer.report import Report


class Writer(Protocol):
    """What takes scalars: ``torch.utils.tensorboard.SummaryWriter``, say."""

    def add_scalar(self, tag: str, scalar_value: Any, global_step: int | None = None, /) -> None:
        """Take one scalar."""
        ...


def scalars(report: Report) -> dict[str, float | Tensor]:
    """Return a report as scalars by name: ``loss``, ``penalty``, and of each rule four.

    >>> def model():
    ...     mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    >>> guide = AutoDelta(model, init_loc_fn=init_to_value(values={"mu": torch.tensor(3.0)}))
    >>> elbo = asrppl.regularize(model, guide, "rule low weight 10: mu <= 1")
    >>> loss = elbo.loss(model, guide)
    >>> {name: float(value) for name, value in scalars(elbo.report).items() if name.startswith("rules/")}
    {'rules/low/violation': 2.0, 'rules/low/weight': 10.0, 'rules/low/satisfied': 0.0, 'rules/low/vacuous': 0.0}

    Returns:
        Floats, and 0-d tensors where they are: nothing waits for a device.
    """
    found: dict[str, float | Tensor] = {"loss": report.loss, "penalty": report.penalty}
    tables = {
        "violation": report.violations,
        "weight": report.weights,
        "satisfied": report.satisfied,
        "vacuous": report.vacuous,
    }
    for rule in report.violations:
        found |= {f"rules/{rule}/{word}": table[rule] for word, table in tables.items() if rule in table}
    return found


def log_scalars(writer: Writer, report: Report) -> None:
    """Write a report's `scalars` to TensorBoard, at the report's step.

    Args:
        writer: of ``add_scalar(name, value, step)``.
        report: of a call.
    """
    for name, value in scalars(report).items():
        writer.add_scalar(name, float(value), report.step)


def log_jsonl(path: str | Path, report: Report, **more: Any) -> None:
    """Append a report to a file as a line of JSON: what `Report.to_dict` has.

    A resumed run goes on in the file: where it repeats steps, later lines stand for earlier ones. A line that a killed
    run left unfinished is ended first, and stays.

    >>> log_jsonl("log.jsonl", asrppl.Report(), epoch=1)
    >>> Path("log.jsonl").read_text()
    '{"epoch": 1, "step": 0, "returned": 0.0, "penalty": 0.0, "rules": {}}\\n'

    Args:
        path: of the file, which is made if it is not there.
        report: of a call.
        more: what else the line says.

    Raises:
        OSError: the file cannot be written.
    """
    text = json.dumps(_finite({**more, **report.to_dict()}), allow_nan=False)
    with open(path, "ab+") as file:
        if file.tell():
            file.seek(-1, 2)
            text = text if file.read(1) == b"\n" else "\n" + text
        file.write((text + "\n").encode())


def _finite(value: Any) -> Any:
    """Return plain data with None for what JSON has no number for."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _finite(part) for key, part in cast("dict[str, Any]", value).items()}
        case list():
            return [_finite(part) for part in cast("list[Any]", value)]
        case _:
            return value
