"""Rules on Pyro's own examples, out of a checkout and unchanged, against computations by hand.

    python -m examples.pyro CHECKOUT
    python -m examples.pyro --write docs/programs.md

On small made-up data in the shapes that an example has, its violation and gradient are compared with ones by hand, and
a few steps are trained with the rule and without. The result is a table; the command fails where a line of it is wrong.
Without a checkout the examples are our own programs of the same structure.
"""

import argparse
import logging
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch

from asrppl import AsrWarning
from examples.pyro.cases import air, cjs, hmm, mixed_hmm, mixtures, networks, parameters, regressions
from examples.pyro.checkout import Checkout, MissingError, Own, Programs
from examples.pyro.compare import Case, Outcome, compare
from examples.pyro.page import code, entry, page

HEAD = """| example | rule | asrppl | by hand | gradient, apart by | trained with it, without | |
| --- | --- | --- | --- | --- | --- | --- |"""


def cases(checkout: Programs) -> Iterator[Case]:
    """Yield the cases of all examples."""
    for module in (hmm, mixed_hmm, cjs, mixtures, networks, parameters, regressions, air):
        yield from module.cases(checkout)


def row(outcome: Outcome) -> str:
    """Return a line of the table."""
    case = outcome.case
    says = "as it should be" if outcome.agrees else "WRONG"
    rule = code(case.text)
    if outcome.refusal is not None:
        found = outcome.refusal.diagnostics[0]
        return f"| {case.title} | {rule} | {found.code}: {found.message} | refused | | | {says} |"
    after = "" if outcome.after is None else f"{outcome.after:.4f}, {outcome.without:.4f}"
    off = "score functions" if outcome.off is None else f"{outcome.off:.0e}"
    return f"| {case.title} | {rule} | {outcome.found:.6f} | {outcome.wanted:.6f} | {off} | {after} | {says} |"


def main(argv: list[str] | None = None) -> None:
    """Print the table, and write the page.

    Raises:
        SystemExit: with 1 where a line is wrong, with 2 where the folder is no checkout.
    """
    parser = argparse.ArgumentParser(prog="python -m examples.pyro", description=(__doc__ or "").partition("\n")[0])
    place = parser.add_argument("checkout", type=Path, nargs="?", metavar="CHECKOUT")
    place.help = "a checkout of github.com/pyro-ppl/pyro; without it, our own programs"
    parser.add_argument("--only", default="", metavar="WORD", help="examples with this in their names")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="the page to write, of all of our own programs")
    options = parser.parse_args(argv)
    if options.write and (options.checkout or options.only):
        parser.error("--write is of all of our own programs: leave out CHECKOUT and --only")
    logging.disable(logging.INFO)  # some examples log what they do
    torch.set_default_dtype(torch.float64)
    try:
        programs = Checkout(options.checkout) if options.checkout else Own()
        outcomes = _printed(case for case in cases(programs) if options.only in case.title)
    except MissingError as error:
        parser.error(str(error))
    if options.write:
        options.write.write_text(page(map(entry, outcomes)), encoding="utf-8")
    if not all(outcome.agrees for outcome in outcomes):
        raise SystemExit(1)


def _printed(found: Iterable[Case]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AsrWarning)  # some rules ask nothing of most of the made-up data
        warnings.filterwarnings("ignore", message="Default (grid_sample|affine_grid|grid_sample and affine_grid)")
        for case in found:
            if not outcomes:
                print(HEAD)
            outcomes.append(compare(case))
            print(row(outcomes[-1]), flush=True)
    return outcomes


if __name__ == "__main__":
    main()
