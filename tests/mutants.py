"""Mutants of a part of asrppl: each is a small mistake put into the code, which some test has to see (mutmut 3.8).

    python -m tests.mutants suggest     # make mutants PART=suggest

Works in a copy of the tracked files, `runs/mutants/PART`, so that nothing of it is left in the sources. Prints how many
were seen, and the difference of each that survived; docs/robustness.md says why those do.
"""

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Part:
    """What is mutated, and the tests that have to see it: fast ones, which run once for each mutant."""

    files: tuple[str, ...]
    tests: tuple[str, ...]


PARTS = {
    "suggest": Part(("asrppl/suggest.py",), ("tests/check/test_suggest.py",)),
    "reference": Part(("asrppl/reference/*.py",), ("tests/reference", "tests/test_corpus.py", "tests/test_nan.py")),
    "lower": Part(("asrppl/lower/*.py",), ("tests/test_agreement.py", "tests/lower")),
    "check": Part(("asrppl/check/*.py", "asrppl/check/expand/*.py"), ("tests/check", "tests/test_corpus.py")),
    "infer": Part(("asrppl/infer/estimate/*.py",), ("tests/infer/test_gradients.py", "tests/infer/test_moments.py")),
    "air": Part(("examples/air/asrppl_air/sealed.py",), ("examples/air/tests/test_air_safety.py",)),
}


def copied(name: str, part: Part) -> Path:
    """Copy what git tracks, with the configuration of mutmut beside it; return the folder."""
    folder = ROOT / "runs" / "mutants" / name
    shutil.rmtree(folder, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    for file in listed.stdout.splitlines():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, folder / file)
    source = part.files[0].partition("/")[0]
    settings = {
        "source_paths": [source],
        "only_mutate": part.files,
        "pytest_add_cli_args_test_selection": part.tests,
        "pytest_add_cli_args": ["-n", "0", "-q", "-p", "no:cacheprovider"],
        "also_copy": ["asrppl", "examples", "grammar", "docs", "conftest.py", "README.md"],
        "process_isolation": ["fork"],
    }
    lines = ["[mutmut]", "use_git_change_detection = false"]
    for key, values in settings.items():
        plain = key == "process_isolation"
        lines += [f"{key} = {values[0]}"] if plain else [f"{key} =", *(f"    {value}" for value in values)]
    (folder / "setup.cfg").write_text("\n".join(lines) + "\n")
    return folder


def mutmut(folder: Path, *words: str, quiet: bool = False) -> str:
    """Run mutmut in the copy, and return what it printed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    output = subprocess.PIPE if quiet else None
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", *words], cwd=folder, env=environment, stdout=output, text=True
    )
    return done.stdout or ""


def main() -> None:
    """Make mutants of a part, and print which survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--children", type=int, default=os.cpu_count() or 1, help="mutants at a time")
    args = parser.parse_args()
    folder = copied(args.part, PARTS[args.part])
    mutmut(folder, "run", "--max-children", str(args.children))
    results = mutmut(folder, "results", "--all", "true", quiet=True).splitlines()
    ends = [line.rpartition(": ") for line in results if ": " in line]
    for end in sorted({end for _, _, end in ends}):
        print(f"{sum(other == end for _, _, other in ends):6,} {end}")
    for name, _, end in ends:
        if end in ("survived", "no tests"):
            print(mutmut(folder, "show", name.strip(), quiet=True))


if __name__ == "__main__":
    main()
