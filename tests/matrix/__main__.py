"""Rules about distributions in every combination of objective, guide, level and batch, against closed forms.

    python -m tests.matrix --write docs/matrix.md

adds a line to the log for each combination that is not in it yet: the violation's error at the start, the worst
z-score of the rule's gradient, and how far from the optimum training ends. ``--write`` makes the page of the docs.
Several may share a log: ``--part 0/2`` does every second combination.
"""

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import torch

from asrppl.diagnostics import AsrWarning
from tests.matrix.cells import Cell, cells, refused
from tests.matrix.gradients import CALLS, SCORE_CALLS, Calls, value_and_gradient
from tests.matrix.page import Log, page
from tests.matrix.training import gap, steps_of

LOG = Path(__file__).parent / "log.jsonl"


def examine(cell: Cell) -> dict[str, Any]:
    """Return all that the table says of a combination."""
    code = refused(cell)
    if code is not None:
        return {"refused": code}
    calls = CALLS[cell.way]
    if cell.guide == "normal, not reparameterised":
        calls = Calls(calls.warm, SCORE_CALLS * calls.counted)
    value, z = value_and_gradient(cell, calls)
    found: dict[str, Any] = {"value": value, "z": z}
    if cell.trains:
        found["gap"], found["violation"] = gap(cell, steps_of(cell))
    return found


def read(path: Path) -> Log:
    """Return what is in a log, by combination."""
    if not path.exists():
        return {}
    entries = (json.loads(line) for line in path.read_text().splitlines())
    return {entry.pop("cell"): entry for entry in entries}


def main() -> None:
    """Go on with the log, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", type=Path, default=LOG, help="a line for each combination; what is there is kept")
    parser.add_argument("--write", type=Path, help="the page to write")
    parser.add_argument("--only", default="", help="combinations whose name has this in it")
    parser.add_argument("--part", default="0/1", metavar="K/N", help="every Nth combination, from K (default: all)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    first, every = map(int, arguments.part.split("/"))
    for cell in list(cells())[first::every]:
        if cell.key not in read(arguments.log) and arguments.only in cell.key:
            started = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", AsrWarning)
                warnings.filterwarnings("ignore", message="TraceEnum_ELBO found no sample sites")
                found = examine(cell)
            line = json.dumps({"cell": cell.key, **found, "seconds": round(time.process_time() - started, 1)})
            with arguments.log.open("a") as file:
                file.write(line + "\n")
            print(line, flush=True)
    if arguments.write:
        arguments.write.write_text(page(read(arguments.log)))


if __name__ == "__main__":
    main()
