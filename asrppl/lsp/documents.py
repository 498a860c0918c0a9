"""Rule files as an editor has them: texts that are open, over those on disk, and what was found out about each."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from asrppl.assist.analysis import Analysis, analyse
from asrppl.files import Folder, Library, read_text
from asrppl.source import Source

_MAX_FILES = 500
"""So many files of a workspace are looked through for a name."""


class _Overlaid:
    """A library on disk, with the texts of files that are open in place of theirs."""

    def __init__(self, main: str, texts: Mapping[str, str]) -> None:
        self._folder = Folder(main, Path(main).parent)
        self._texts = texts

    def identity(self, name: str) -> object:
        return self._folder.identity(name)

    def read(self, name: str) -> str:
        return self._texts[name] if name in self._texts else self._folder.read(name)

    def beside(self, name: str) -> list[str]:
        folder = PurePosixPath(name).parent
        opened = {path.name for path in map(PurePosixPath, self._texts) if path.parent == folder}
        return sorted(opened.union(self._folder.beside(name)))


class Documents:
    """All that is known of the files that are open. A file goes by its path, or by its URI where it has none."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._known: dict[str, Analysis] = {}
        self._good: dict[str, Analysis] = {}

    def put(self, name: str, text: str) -> None:
        """Note the text of a file that is open."""
        self._texts[name] = text
        self._forget(name)

    def drop(self, name: str) -> None:
        """Note that a file is open no more."""
        self._texts.pop(name, None)
        self._good.pop(name, None)
        self._forget(name)

    def _forget(self, name: str) -> None:
        for other in [each for each in self._known if each == name or self._reads(each, name)]:
            del self._known[other]

    def forget(self) -> None:
        """Note that files on disk have changed: what was found out may be old."""
        self._known.clear()

    @property
    def names(self) -> tuple[str, ...]:
        """The files that are open."""
        return tuple(self._texts)

    def analysis(self, name: str) -> Analysis:
        """Return what is known of a file as it is now (raises as `read_text` does where it is not open)."""
        if name not in self._texts:  # it may change, and nobody say so
            return analyse(Source(name, read_text(name)), library=self.library(name))
        if name not in self._known:
            self._known[name] = found = analyse(Source(name, self._texts[name]), library=self.library(name))
            if found.whole:
                self._good[name] = found
        return self._known[name]

    def good(self, name: str) -> Analysis | None:
        """Return what was known of a file when it last was without errors of syntax."""
        return self._good.get(name)

    def library(self, name: str, texts: Mapping[str, str] | None = None) -> Library | None:
        """Return where a file's imports come from: None for one that was never saved."""
        return _Overlaid(name, self._texts if texts is None else texts) if Path(name).is_absolute() else None

    def importers(self, name: str) -> Iterator[str]:
        """Yield the files that are open and import ``name``, or were to when it was not there."""
        for other in self.names:
            if other != name and self._reads(other, name):
                yield other

    def _reads(self, other: str, name: str) -> bool:
        """Whether a file imports another, or something that is not there and may be that."""
        found = self.analysis(other)
        return name in found.checked.imported or any(each.code == "ASR021" for each in found.diagnostics)

    def around(self, home: str, folders: Iterable[Path]) -> dict[str, Analysis]:
        """Return the files that may name what the file ``home`` introduces: itself, and what imports it."""
        found = {home: self.analysis(home)}
        for name in self._all(home, folders):
            try:
                other = self.analysis(name)
            except (OSError, UnicodeDecodeError):
                continue
            if home in other.checked.imported:
                found[name] = other
        return found

    def _all(self, home: str, folders: Iterable[Path]) -> list[str]:
        """Return the rule files of the workspace, and those that are open."""
        there = [*self.names]
        for folder in folders or ([Path(home).parent] if Path(home).is_absolute() else []):
            for path in folder.rglob("*.asr"):
                if len(there) >= _MAX_FILES:
                    break
                if not any(part.startswith(".") for part in path.relative_to(folder).parts):
                    there.append(path.as_posix())
        return [name for name in dict.fromkeys(there) if name != home]

    def again(self, names: Iterable[str], texts: Mapping[str, str]) -> dict[str, Analysis]:
        """Return what there would be to know of files with other texts; nothing is kept."""
        all_texts = {**self._texts, **texts}
        return {
            name: analyse(
                Source(name, all_texts[name] if name in all_texts else read_text(name)),
                library=self.library(name, all_texts),
            )
            for name in names
        }
