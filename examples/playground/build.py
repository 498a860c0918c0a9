"""Puts the page together: Pyodide at one version from npm, our Python in a zip, and the files of this folder."""

import ast
import base64
import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import lark

from asrppl import words

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SITE = ROOT / "runs" / "playground"
"""The folder that is served; git and the sdist leave it out."""

PYODIDE = "314.0.7"
INTEGRITY = "sha512-0YvXxEhfEdpLfb/XkM2BFAeMROq0iMUX2bzzH9pOttyMcWkwq+HbE5uyuGD82LN7y2q+SNvi/6V5JEsOlD2R1A=="
"""Of the package on npm: nothing else is ever taken for it."""
RUNTIME = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")

PAGE = ("index.html", "style.css", "app.js", "editor.js", "boxes.js", "results.js", "worker.js")
WORLDS = sorted((HERE / "worlds").glob("*.asr"))
WITH = "# with "
MOST_BYTES = 500_000
"""What our own Python may weigh."""
NEED_TORCH = ("asrppl.bind", "asrppl.lower", "asrppl.infer")


class BuildError(Exception):
    """The page cannot be put together; the message says what to do."""


def build(site: Path = SITE) -> Path:
    """Put the page together, and return its folder.

    Raises:
        BuildError: Pyodide is not there and cannot be had.
    """
    site.mkdir(parents=True, exist_ok=True)
    _pyodide(site)
    size = archive(site / "asrppl.zip")
    if size > MOST_BYTES:
        raise BuildError(f"asrppl.zip has {size:,} bytes, more than the {MOST_BYTES:,} that it may have")
    for name in PAGE:
        shutil.copyfile(HERE / name, site / name)
    (site / "words.json").write_text(json.dumps({**_words(), "library": list(library())}), encoding="utf-8")
    (site / "worlds.json").write_text(json.dumps([world(path) for path in WORLDS]), encoding="utf-8")
    return site


def _pyodide(site: Path) -> None:
    """Fetch Pyodide, unless this version is there already."""
    folder = site / "pyodide"
    version = folder / "version.txt"
    if version.is_file() and version.read_text() == PYODIDE:
        return
    npm = shutil.which("npm")
    if npm is None:
        raise BuildError("the playground takes Pyodide from npm: install Node.js, which has npm, and try again")
    command = [npm, "pack", f"pyodide@{PYODIDE}", "--silent", "--pack-destination", str(site)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    package = site / f"pyodide-{PYODIDE}.tgz"
    if done.returncode != 0 or not package.is_file():
        raise BuildError(f"npm has no pyodide {PYODIDE} for us:\n{done.stderr.strip()}")
    digest = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != INTEGRITY:
        package.unlink()
        raise BuildError(f"what npm gave for pyodide {PYODIDE} is not what it was (sha512)")
    folder.mkdir(exist_ok=True)
    with tarfile.open(package) as files:
        for name in RUNTIME:
            found = files.extractfile(f"package/{name}")
            assert found is not None
            (folder / name).write_bytes(found.read())
    package.unlink()
    version.write_text(PYODIDE)


def archive(path: Path) -> int:
    """Write our Python, and Lark, as a zip; return its size."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as made:
        for name, file in sorted(_modules()):
            made.writestr(zipfile.ZipInfo(name), file.read_bytes(), zipfile.ZIP_DEFLATED, 9)  # the same zip each time
    return path.stat().st_size


def _modules() -> Iterator[tuple[str, Path]]:
    package = ROOT / "asrppl"
    texts = [*(package / "stdlib").glob("*.asr"), package / "explanations.md"]
    for file in (*needed(["examples.playground.engine"]), *texts):
        yield file.relative_to(ROOT).as_posix(), file
    yield "asrppl/grammar/asr.lark", ROOT / "grammar" / "asr.lark"
    parser = Path(lark.__file__).parent
    for file in parser.rglob("*"):
        inside = file.relative_to(parser)
        if file.suffix in (".py", ".lark") and inside.parts[0] not in ("tools", "__pyinstaller"):
            yield f"lark/{inside.as_posix()}", file


def needed(names: Iterable[str]) -> list[Path]:
    """Return the files of modules and of all that they import of this checkout, but for what needs torch."""
    waiting, found = list(names), dict[str, Path]()
    while waiting:
        name = waiting.pop()
        path = ROOT.joinpath(*name.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if name in found or not file.is_file() or name.startswith(NEED_TORCH):
            continue
        found[name] = file
        waiting.append(name.rpartition(".")[0])
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                waiting += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return list(found.values())


def _words() -> dict[str, list[str]]:
    """Return the words that the page shows in colours."""
    return {
        "keyword": sorted({*words.KEYWORDS, *words.STATEMENTS, *words.OPTIONS, *words.BINDING}),
        "builtin": sorted(words.BUILTINS),
    }


def library() -> Iterator[dict[str, str]]:
    """Yield what the standard library defines of boxes, each with the comment above it."""
    text = (ROOT / "asrppl" / "stdlib" / "geometry.asr").read_text(encoding="utf-8")
    says = ""
    for line in text.splitlines():
        if line.startswith("# "):
            says = f"{says} {line[2:]}".strip()
        elif call := re.match(r"def (\w+\(.*?\)) = ?(.*)", line):
            yield {"call": re.sub(r": \w+", "", call[1]), "says": re.sub(r" \(Paper.*?\)", "", says) or call[2]}
        elif not line.strip():
            says = ""


def world(path: Path) -> dict[str, str]:
    """Return an example as the page takes it: its title, its rules, and the values to begin with."""
    lines = path.read_text(encoding="utf-8").splitlines()
    values = [line.removeprefix(WITH) for line in lines if line.startswith(WITH)]
    rules = "\n".join(line for line in lines[1:] if not line.startswith(WITH)).strip("\n")
    return {
        "title": lines[0].removeprefix("# "),
        "rules": rules + "\n",
        "values": "".join(f"{value.strip()}\n" for line in values for value in line.split(";")),
    }
