"""What reading rules may cost: `asrppl check`, the first gradient of a cold process, and texts made to be slow.

    python -m benchmarks.budget

CPU time of one thread, each figure the least of several, `check` and the first gradient in processes of their own. The
last rows double texts that once took time with the square of their length: what grows in proportion has ratio 2, what
grows with the square has 4.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from asrppl.source import Source
from asrppl.syntax.lines import MAX_STATEMENT

RULE = "rule apart weight 2: forall i != j: nonoverlap(box[i], box[j])\n"
COLD = """
import time, torch
import asrppl.bind.values, asrppl.check, asrppl.lower.quantities, asrppl.program
boxes = torch.rand(64, 3, 4, requires_grad=True)
(boxes * 1).clamp(0).sum().backward()  # torch's own first use
started = time.process_time()
asrppl.program.parse({rule!r}).penalty({{"box": boxes}}).backward()
print(time.process_time() - started)
"""
GROWING: Mapping[str, Callable[[int], str]] = {
    "names that are alike": lambda size: f"let {'a' * (size // 2)} = x\n{'a' * (size // 2 - 1)}b <= 1",
    "strange characters": lambda size: "é " * (size // 3),
    "one call of many arguments": lambda size: f"max({', '.join(['x'] * (size // 3))}) <= 1",
    "a sum of many terms": lambda size: " + ".join(["x"] * (size // 4)) + " <= 1",
    "many lines": lambda size: "".join(f"rule r{k}: x{k} <= 1\n" for k in range(size // 20)),
}


def check_seconds(path: Path) -> float:
    """Return the CPU time of one `asrppl check`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "asrppl", "check", str(path)], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def cold_seconds() -> float:
    """Return the CPU time from a rule's text to its first gradient, what is imported for it not counted."""
    command = [sys.executable, "-c", COLD.format(rule=RULE)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def reading_seconds(text: str, repeats: int) -> float:
    """Return the least CPU time that it takes to check a text."""
    from asrppl.check import check_file
    from asrppl.syntax import parse_file

    times: list[float] = []
    for _ in range(repeats):
        started = time.process_time()
        parsed = parse_file(Source("<rules>", text))
        check_file(parsed.file, {}, library=None)
        times.append(time.process_time() - started)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.budget", description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="of each, of which the fastest counts (default: 7)")
    args = parser.parse_args()
    repeats: int = args.repeats
    print("| what | seconds | target |\n| --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "rules.asr"
        path.write_text(RULE)
        check_seconds(path)  # the grammar's table
        print(f"| `asrppl check` of one rule | {min(check_seconds(path) for _ in range(repeats)):.2f} | ≤ 0.25 |")
    print(f"| its text → first gradient | {min(cold_seconds() for _ in range(repeats)):.3f} | ≤ 0.05 |")
    half = MAX_STATEMENT // 2
    print("\n| text | of 8 kB | of 16 kB | ratio |\n| --- | --- | --- | --- |")
    reading_seconds(RULE, 1)
    for what, text in GROWING.items():
        short, long = (reading_seconds(text(size), repeats) for size in (half, MAX_STATEMENT - 100))
        print(f"| {what} | {1000 * short:.1f} ms | {1000 * long:.1f} ms | {long / short:.1f} |", flush=True)


if __name__ == "__main__":
    main()
