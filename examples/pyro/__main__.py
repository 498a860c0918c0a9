"""Rules on Pyro's own examples, out of a checkout and unchanged, against computations by hand.

    python -m examples.pyro CHECKOUT

On small made-up data in the shapes that an example has, its violation and gradient are compared with ones by hand, and
a few steps are trained. The result is a table; the command fails where a line of it is wrong.
"""

import argparse
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from examples.pyro.cases import air, cjs, hmm, mixed_hmm, mixtures, networks, parameters
from examples.pyro.checkout import Checkout, MissingError
from examples.pyro.compare import Case, Outcome, compare

HEAD = """| example | rule | asrppl | by hand | gradient, apart by | |
| --- | --- | --- | --- | --- | --- |"""


def cases(checkout: Checkout) -> Iterator[Case]:
    """Yield the cases of all examples."""
    for module in (hmm, mixed_hmm, cjs, mixtures, networks, parameters, air):
        yield from module.cases(checkout)


def row(outcome: Outcome) -> str:
    """Return a line of the table."""
    case = outcome.case
    says = "as it should be" if outcome.agrees else "WRONG"
    rule = f"`{case.rule.strip().splitlines()[-1]}`".replace("|", "\\|")
    if outcome.refusal is not None:
        found = outcome.refusal.diagnostics[0]
        return f"| {case.title} | {rule} | {found.code}: {found.message} | refused | | {says} |"
    off = "score functions" if outcome.off is None else f"{outcome.off:.0e}"
    return f"| {case.title} | {rule} | {outcome.found:.6f} | {outcome.wanted:.6f} | {off} | {says} |"


def main(argv: list[str] | None = None) -> None:
    """Print the table.

    Raises:
        SystemExit: with 1 where a line is wrong, with 2 where the folder is no checkout.
    """
    parser = argparse.ArgumentParser(prog="python -m examples.pyro", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checkout", type=Path, metavar="CHECKOUT", help="a checkout of github.com/pyro-ppl/pyro")
    parser.add_argument("--only", default="", metavar="WORD", help="examples with this in their names")
    options = parser.parse_args(argv)
    logging.disable(logging.INFO)  # some examples log what they do
    torch.set_default_dtype(torch.float64)
    right = True
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Default (grid_sample|affine_grid|grid_sample and affine_grid)")
        try:
            for number, case in enumerate(
                case for case in cases(Checkout(options.checkout)) if options.only in case.title
            ):
                outcome = compare(case)
                if number == 0:
                    print(HEAD)
                print(row(outcome), flush=True)
                right &= outcome.agrees
        except MissingError as error:
            parser.error(str(error))
    if not right:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
