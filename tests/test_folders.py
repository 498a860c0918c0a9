"""The cache folder is the user's own, or the one that is named."""

import os
from pathlib import Path

import pytest

from asrppl.folders import cache_folder, state_folder


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ASRPPL_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("sys.platform", "linux")


def test_the_folder_is_the_users_own_unless_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder() == Path.home() / ".cache" / "asrppl"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "asrppl"
    monkeypatch.setenv("ASRPPL_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"


def test_without_a_home_there_is_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert cache_folder() is None


def test_relative_folders_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASRPPL_CACHE", os.path.join("here", "cache"))
    assert cache_folder() == Path.home() / ".cache" / "asrppl"


def test_what_is_remembered_lies_in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ASRPPL_STATE", "XDG_STATE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    assert state_folder() == Path.home() / ".local" / "state" / "asrppl"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_folder() == tmp_path / "asrppl"
    monkeypatch.setenv("ASRPPL_STATE", str(tmp_path / "mine"))
    assert state_folder() == tmp_path / "mine"
