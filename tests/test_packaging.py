"""What is shipped: it works from a zip, says the same version everywhere, and its links lead somewhere."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Both packages as a wheel has them, in a zip."""
    path = tmp_path / "asrppl.zip"
    with zipfile.ZipFile(path, "w") as made:
        for package, home in (("asrppl", ROOT), ("asrppl_air", ROOT / "examples" / "air")):
            for file in (home / package).rglob("*"):
                if file.suffix in (".py", ".asr", ".md", ".toml", ".typed"):
                    made.write(file, file.relative_to(home))
        made.write(ROOT / "grammar" / "asr.lark", "asrppl/grammar/asr.lark")
    return path


def test_it_works_from_a_zip(archive: Path, tmp_path: Path) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(archive)!r})
import asrppl, asrppl_air
from asrppl_air.rules import load_rules
assert ".zip" in asrppl.__file__ and ".zip" in asrppl_air.__file__
print(asrppl.parse("forall i != j: nonoverlap(box[i], box[j])"), load_rules("number.asr"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Program('<rules>', rules: line 1) Program('number.asr', rules: admissible, balanced)\n"


def test_the_citation_has_the_version_of_the_package() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.*)$", citation, re.MULTILINE)[1] == PROJECT["version"]  # type: ignore[index]


def test_the_readme_has_no_relative_links_since_package_indexes_show_it() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\((?!https://|#)[^)]*\)", text) == []
    assert "https://github.com/asrppl/asrppl" in PROJECT["urls"]["Homepage"]
