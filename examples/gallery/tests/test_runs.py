"""What the programs of the gallery share."""

import json
from pathlib import Path

import pytest

from examples.gallery.runs import Key, Metrics, complete, require, spread, table


def test_runs_that_are_kept_are_not_made_again(tmp_path: Path) -> None:
    made: list[Key] = []

    def run(key: Key) -> Metrics:
        made.append(key)
        return {"twice": 2 * key["seed"], "cpu_seconds": 0.0}

    path = tmp_path / "results.json"
    keys = [{"seed": seed} for seed in range(3)]
    complete(path, keys[:2], run, command="one", packages=["torch"], workers=1)
    found = complete(path, keys, run, command="two", packages=["torch"], workers=1)
    assert [each["twice"] for each in found] == [0, 2, 4]
    assert made == keys
    entries = json.loads(path.read_text())
    assert [entry["command"] for entry in entries] == ["one", "one", "two"]
    assert set(entries[0]["versions"]) == {"python", "torch"}


def test_tables_are_markdown() -> None:
    assert table(["a", "b"], [["1", spread([1.0, 3.0], 1)]]) == "| a | b |\n| --- | --- |\n| 1 | 2.0 ± 1.4 |\n"


def test_a_missing_package_is_named_with_what_helps() -> None:
    with pytest.raises(SystemExit, match=r"nowhere: not installed; pip install 'asrppl\[gallery\]'"):
        require("torch", "nowhere")
