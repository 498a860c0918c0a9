"""Texts that nobody would write: each ends in findings or in a program, and takes time in proportion to its length.

    python -m tests.hostile --mutations 100000 --seed 0     # make hostile

Two kinds, since each finds what the other does not. *Repeated*: every production of the grammar, nested in itself 10,
100, 1,000, .. times up to the limits on a statement and a file, with one name and with as many as there are places
(random changes alone do not repeat, and what is quadratic shows only where something is long). *Mutated*: the texts of
the corpus and of the examples with random changes.

What is accepted is explained, too: expanded, set as mathematics, lowered to code.
"""

import argparse
import contextlib
import io
import random
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asrppl import AsrError, AsrWarning, parse
from asrppl.cli.main import main as asrppl
from asrppl.syntax.lines import MAX_FILE, MAX_STATEMENT
from tests.repeated import productions, statements, written

HERE = Path(__file__).parent
MICROSECONDS = 400.0
"""A byte of a text may take so much CPU time, in all commands together: several times what ordinary rules take."""
FLOOR = 0.5
"""Seconds that any text may take: Python's own garbage, a first import."""
GROWTH = 4.0
"""The time per byte may be so many times that of a text a tenth as long."""
BYTES = 60
"""A command may print so many bytes for each byte that it reads, and a hundred thousand beside."""
_STRANGE = [
    "é",
    "≤",
    "\x00",
    "\r",
    "\t",
    "\u202e",
    "\U0001d7d9",
    '"',
    "\\",
    "“",
    "\ufeff",
    "'",
    ";",
    "$",
    "\n",
    "\n ",
    "#",
]


@dataclass(frozen=True)
class Cost:
    """What a text took: seconds of CPU time, and bytes that were printed."""

    seconds: float
    printed: int
    accepted: bool


class HostileError(AssertionError):
    """A text that crashed asrppl, or took too long."""


def cost_of(text: str, folder: Path) -> Cost:
    """Check a text and, where it has no errors, explain it.

    Raises:
        HostileError: a command failed by a bug of its own.
    """
    path = folder / "hostile.asr"
    path.write_text(text, encoding="utf-8", newline="")
    printed, accepted = io.StringIO(), False
    started = time.process_time()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        status = asrppl(["check", str(path)])
        if status == 0:
            status = asrppl(["explain", str(path), "--expand", "--code"])
            accepted = True
    seconds = time.process_time() - started
    # 2: code is not made where nothing says how long something is; the rest is explained all the same.
    if status not in ((0, 2) if accepted else (1,)):
        raise HostileError(f"status {status} of {_short(text)}:\n{printed.getvalue()[-2000:]}")
    return Cost(seconds, len(printed.getvalue()), accepted)


def _short(text: str) -> str:
    return repr(text if len(text) < 200 else f"{text[:150]}..{text[-40:]}")


# ---- repeated


def families() -> Iterator[tuple[str, int, "dict[int, str]"]]:
    """Yield each thing that may be repeated: its name, its limit, and texts by how often it is there."""
    for distinct in (False, True):
        how = "distinct names" if distinct else "one name"
        seen: set[str] = set()
        for production in productions():
            if (text := production.text(3, distinct=distinct)) not in seen:
                seen.add(text)
                texts = {times: production.text(times, distinct=distinct) for times in (10, 100, 1000, 10_000)}
                yield f"{production.name} ({how})", MAX_STATEMENT, texts
        for words in statements():
            line = written(words)
            lines = {
                times: "".join(
                    written(tuple(words)).replace("x", f"x{k}" if distinct else "x") + "\n" for k in range(times)
                )
                for times in (10, 100, 1000, 10_000)
            }
            yield f"lines {line} ({how})", MAX_FILE, lines
    yield "names that are alike", MAX_STATEMENT, {n: _alike(n) for n in (10, 100, 1000, 10_000)}
    yield "strange characters", MAX_STATEMENT, {n: "é " * n for n in (10, 100, 1000, 10_000, 100_000)}
    yield "one call", MAX_STATEMENT, {n: f"max({', '.join(['x'] * n)}) <= 1" for n in (10, 100, 1000, 5000)}
    yield "comments", MAX_FILE, {n: "# é\n" * n for n in (10, 100, 1000, 10_000)}
    yield "brackets that close nothing", MAX_FILE, {n: ")\n" * n for n in (10, 100, 1000, 10_000)}


def _alike(length: int) -> str:
    return f"let {'a' * length} = x\n{'a' * (length - 1)}b <= 1"


def verify_repeated(name: str, limit: int, texts: "dict[int, str]", folder: Path) -> Cost:
    """Run a family, each size once (twice where it seemed slow); return what the largest took.

    Raises:
        HostileError: one crashed, printed too much, or its time per byte is too high, or grows.
    """
    before: tuple[int, float] | None = None
    cost = Cost(0.0, 0, False)
    for text in (*(text for text in texts.values() if len(text) <= limit), *_cut(texts, limit)):
        size = len(text.encode())
        for attempt in (1, 2, 3):
            cost = cost_of(text, folder)
            slow = cost.seconds > FLOOR + MICROSECONDS * 1e-6 * size
            grows = before is not None and cost.seconds > FLOOR + GROWTH * before[1] * size / before[0]
            if not (slow or grows):
                break
            if attempt == 3:
                what = f"{1e6 * cost.seconds / size:.0f} microseconds a byte"
                raise HostileError(f"{name}: {size:,} bytes take {cost.seconds:.2f} s, {what}: {_short(text)}")
        if cost.printed > 100_000 + BYTES * size:
            raise HostileError(f"{name}: {size:,} bytes print {cost.printed:,}: {_short(text)}")
        before = size, cost.seconds
    return cost


def _cut(texts: "dict[int, str]", limit: int) -> Iterator[str]:
    """Yield the first text beyond the limit, and what is left of it at the limit: broken off, and so in error."""
    for text in texts.values():
        if len(text) > limit:
            yield text[:limit]
            yield text
            return


# ---- mutated


def originals() -> list[str]:
    """Return the texts of the corpus, of the tests' errors and of the examples."""
    folders = [HERE, HERE.parent / "examples"]
    return [path.read_text(encoding="utf-8-sig") for folder in folders for path in sorted(folder.glob("**/*.asr"))]


def mutated(text: str, other: str, draw: random.Random) -> str:
    """Return ``text`` with one to four random changes, parts of ``other`` among them."""
    for _ in range(draw.randint(1, 4)):
        at, until = sorted(draw.randrange(len(text) + 1) for _ in range(2))
        until = min(until, at + draw.choice((1, 5, 40)))
        start = draw.randrange(len(other) + 1)
        piece = other[start : start + draw.choice((1, 8, 60))]
        match draw.randrange(7):
            case 0:
                text = text[:at] + text[until:]
            case 1:
                text = text[:at] + text[at:until] * draw.choice((2, 3, 30)) + text[until:]
            case 2:
                text = text[:at] + draw.choice(_STRANGE) + text[until:]
            case 3:
                text = text[:at] + piece + text[at:]
            case 4:
                text = text[:at] + piece + text[until:]
            case 5:
                text = text[:at]
            case _:
                number = draw.choice(("0", "1", "-1", "1e308", "1e-308", "99999999999999999999", "0.1", "inf"))
                text = text[:at] + number + text[until:]
    return text


def mutate(count: int, seed: int, folder: Path) -> Counter[str]:
    """Try mutated texts, and return what came of them.

    Raises:
        HostileError: one crashed, or took too long.
    """
    draw, came, known = random.Random(seed), Counter[str](), originals()
    for number in range(count):
        text = mutated(draw.choice(known), draw.choice(known), draw)
        started = time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", AsrWarning)
                parse(text)
            came["accepted"] += 1
            if number % 10 == 0:
                cost_of(text, folder)
        except AsrError as error:
            str(error)
            came["refused"] += 1
        except HostileError:
            raise
        except Exception as error:
            raise HostileError(f"mutation {number}: {type(error).__name__}: {error}: {text!r}") from error
        seconds = time.process_time() - started
        if seconds > 2 * FLOOR + MICROSECONDS * 1e-6 * len(text.encode()):
            raise HostileError(f"mutation {number} takes {seconds:.2f} s: {text!r}")
    return came


def main() -> None:
    """Try all of them, and print the slowest and what came of the rest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutations", type=int, default=100_000, help="how many (default: 100,000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mutated-only", action="store_true", help="leave out what is repeated")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cost_of("x <= 1", folder)  # imports
        if not args.mutated_only:
            found = [(verify_repeated(*family, folder).seconds, family[0]) for family in families()]
            print(f"{len(found)} families, each repeated up to the limits; the slowest at the limit:", flush=True)
            for seconds, what in sorted(found, reverse=True)[:5]:
                print(f"{seconds:6.2f} s  {what}", flush=True)
        came = mutate(args.mutations, args.seed, folder)
        print(f"{args.mutations:,} mutations: " + ", ".join(f"{n:,} {what}" for what, n in sorted(came.items())))


if __name__ == "__main__":
    main()
