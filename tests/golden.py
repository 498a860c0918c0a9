"""Expected outputs that lie in files beside the inputs."""

from pathlib import Path


def check_golden(path: Path, text: str, *, update: bool) -> None:
    """Compare ``text`` with the file at ``path``, or rewrite the file (``pytest --update-golden``)."""
    if update:
        path.write_text(text, encoding="utf-8")
        return
    assert path.is_file(), f"{path} is missing; write it with pytest --update-golden, and read it"
    assert text == path.read_text(encoding="utf-8")
