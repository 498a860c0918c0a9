"""`asrppl air data`: what the experiments are made from."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from asrppl.commands import Commands, printable

_DATA = """\
The data of the paper's experiments. Images are made when a run needs them; only MNIST's digits have to be fetched.
"""
_MNIST = """\
Download MNIST's four files (11 MB, 55 MB unpacked), check them, and print the folder they are in.

Files that are there and right are left alone; a download that broke off is gone on with.
"""
_MNIST_EXAMPLES = """\
examples:
  asrppl air data mnist
      to the folder for caches; the last line printed is the folder, which --mnist takes
  asrppl air data mnist --out ~/mnist --mirror https://example.org/mnist
      elsewhere, from elsewhere: the address of a folder with the four .gz files
"""
_SCENES = """\
List the images that earlier runs made and kept, with what each file was made of; with --clear, delete them.

They are made again, to the bit, when a run needs them: deleting them costs seconds, nothing else.
"""
_SECONDS_A_LINE = 5.0


def add_parser(commands: Commands) -> None:
    """Register `asrppl air data` with its command."""
    data = commands.add_parser(
        "data",
        help="download MNIST, list or delete kept images",
        description=_DATA,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = data.add_subparsers(dest="data_command", required=True, metavar="COMMAND")
    mnist = kinds.add_parser(
        "mnist",
        help="download MNIST's four files",
        description=_MNIST,
        epilog=_MNIST_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    mnist.add_argument("--out", type=Path, metavar="DIR", help="where to (default: mnist in the folder for caches)")
    mnist.add_argument(
        "--mirror", action="append", metavar="URL", help="where from, instead of the usual mirrors (repeatable)"
    )
    mnist.set_defaults(run=_mnist)
    scenes = kinds.add_parser(
        "scenes",
        help="list or delete the images that are kept",
        description=_SCENES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    scenes.add_argument("--clear", action="store_true", help="delete them")
    scenes.set_defaults(run=_scenes)


class _Transfers:
    """Progress of one file after the other: a bar on a terminal, now and then a line elsewhere."""

    def __init__(self) -> None:
        self._name = ""
        self._bar: Any = None
        self._said = 0.0

    def show(self, name: str, done: int, total: int | None) -> None:
        """`done` of `total` bytes of the file `name` are there."""
        if name != self._name:
            self.close()
            self._name, self._said = name, time.monotonic()
            if sys.stderr.isatty():
                from tqdm import tqdm

                self._bar = tqdm(desc=name, unit="B", unit_scale=True, file=sys.stderr, dynamic_ncols=True)
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)
        elif done == total or time.monotonic() - self._said >= _SECONDS_A_LINE:
            self._said = time.monotonic()
            of = "" if total is None else f" of {total:,}"
            print(f"{name}.gz: {done:,}{of} bytes", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _mnist(args: argparse.Namespace) -> int:
    from asrppl_air.data.download import MIRRORS, DownloadError, download_mnist
    from asrppl_air.folders import cache_folder

    cache = cache_folder()
    folder: Path | None = args.out or (cache and cache / "mnist")
    if folder is None:
        print("asrppl: there is no folder for caches: say where with --out DIR", file=sys.stderr)
        return 2
    mirrors: list[str] = args.mirror or list(MIRRORS)
    wrong = [mirror for mirror in mirrors if not mirror.startswith(("https://", "http://"))]
    if wrong:
        print(
            f"asrppl: --mirror {printable(wrong[0])}: expected an address, https://... or http://...", file=sys.stderr
        )
        return 2
    transfers = _Transfers()
    try:
        try:
            download_mnist(folder, mirrors, transfers.show)
        finally:
            transfers.close()
    except (DownloadError, ImportError) as error:
        print(f"asrppl: {printable(str(error))}", file=sys.stderr)
        return 1
    print(folder)
    return 0


def _scenes(args: argparse.Namespace) -> int:
    from asrppl_air.data.cache import KeptFile, kept_files

    files = kept_files()
    left: list[KeptFile] = []
    for kept in files:
        recipe = kept.recipe
        if recipe is None:
            made_of = "damaged"
        else:
            digits = "" if recipe["digits"] is None else f", digits {recipe['digits'][:8]}"
            smooth = ", antialiased" if recipe["antialias"] else ""
            made_of = f"{recipe['data']}: {recipe['number']:,} images, seed {recipe['seed']}{smooth}{digits}"
        print(f"{kept.size / 1e6:8.1f} MB  {printable(str(kept.path))}  {made_of}")
        if args.clear:
            try:
                kept.path.unlink(missing_ok=True)
            except OSError as error:
                print(f"asrppl: {printable(str(error))}", file=sys.stderr)
                left.append(kept)
    counted = [kept for kept in files if kept not in left]
    done = "deleted" if args.clear else "kept"
    print(f"{len(counted)} files, {sum(kept.size for kept in counted) / 1e6:.1f} MB {done}")
    return 1 if left else 0
