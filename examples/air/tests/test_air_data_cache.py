"""Kept scenes: to the bit those that would be made, found by their recipe alone, made again when damaged."""

import json
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from asrppl.cli.main import main
from asrppl_air.data import cache
from asrppl_air.data.cache import cached_scenes, recipe_of
from asrppl_air.data.digits import Digits
from asrppl_air.data.draws import Draws
from asrppl_air.data.scenes import Scenes, make_scenes

DIGITS = Digits(
    np.where((ink := Draws(3).below(256, 20 * 784).reshape(20, 28, 28)) > 250, ink, 0).astype(np.uint8),
    np.arange(20) % 10,
)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty cache folder that keeps small sets too."""
    monkeypatch.setenv("ASRPPL_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "KEPT_FROM", 1)
    return tmp_path / "scenes"


def same(first: Scenes, second: Scenes) -> bool:
    pairs = [(getattr(first, name), getattr(second, name)) for name in ("images", "counts", "boxes")]
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs)


def forbid_making(monkeypatch) -> None:
    def fail(*args: object, **kwargs: object) -> Scenes:
        raise AssertionError("made again")

    monkeypatch.setattr(cache, "make_scenes", fail)


@pytest.mark.parametrize(("data", "antialias"), [("13", False), ("mnist3", False), ("dsprites13", True)])
def test_what_is_read_is_to_the_bit_what_was_made(folder, monkeypatch, data, antialias) -> None:
    made = make_scenes(data, DIGITS, 30, 4, antialias=antialias)
    assert same(cached_scenes(data, DIGITS, 30, 4, antialias=antialias), made)
    forbid_making(monkeypatch)
    read = cached_scenes(data, DIGITS, 30, 4, antialias=antialias)
    assert same(read, made)
    read.images[0] = 0  # memory of its own
    assert len(list(folder.iterdir())) == 1


def test_every_ingredient_gives_another_file(folder) -> None:
    others = replace(DIGITS, images=DIGITS.images[::-1].copy())
    given = [
        ("dsprites3", None, 20, 4, False),
        ("dsprites13", None, 20, 4, False),
        ("dsprites3", None, 21, 4, False),
        ("dsprites3", None, 20, 5, False),
        ("dsprites3", None, 20, 4, True),
        ("mnist3", DIGITS, 20, 4, False),
        ("mnist3", others, 20, 4, False),
    ]
    assert len({recipe_of(*one) for one in given}) == len(given)
    for data, digits, number, seed, antialias in given:
        cached_scenes(data, digits, number, seed, antialias=antialias)
    assert len(list(folder.iterdir())) == len(given)


def test_digits_do_not_matter_to_shapes(folder) -> None:
    cached_scenes("dsprites3", None, 20, 4)
    cached_scenes("dsprites3", DIGITS, 20, 4)
    assert len(list(folder.iterdir())) == 1


def flip(content: bytes) -> bytes:
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize(
    "damage", [flip, lambda content: content[:-40], lambda content: b"", lambda content: b"no zip"]
)
def test_a_damaged_file_is_made_again(folder, damage) -> None:
    made = cached_scenes("dsprites3", None, 40, 0)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert same(cached_scenes("dsprites3", None, 40, 0), made)
    assert path.stat().st_size == len(whole)


def test_another_recipes_file_under_this_name_is_not_believed(folder) -> None:
    cached_scenes("dsprites3", None, 20, 1)
    (other,) = folder.iterdir()
    made = make_scenes("dsprites3", None, 20, 0)
    cached_scenes("dsprites3", None, 20, 0)
    (path,) = set(folder.iterdir()) - {other}
    other.replace(path)
    assert same(cached_scenes("dsprites3", None, 20, 0), made)


@pytest.mark.skipif(os.name != "posix", reason="a file as the parent of a folder")
def test_a_folder_that_cannot_be_made_costs_nothing_but_time(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ASRPPL_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(cache, "KEPT_FROM", 1)
    assert same(cached_scenes("dsprites3", None, 20, 0), make_scenes("dsprites3", None, 20, 0))


def test_writers_at_once_leave_one_whole_file(folder) -> None:
    with ThreadPoolExecutor(4) as pool:
        all_made = list(pool.map(lambda _: cached_scenes("dsprites3", None, 30, 0), range(4)))
    assert all(same(made, all_made[0]) for made in all_made)
    (path,) = folder.iterdir()
    assert json.loads(recipe_of("dsprites3", None, 30, 0, False))["data"] in path.name
    assert same(cached_scenes("dsprites3", None, 30, 0), all_made[0])


def test_small_sets_are_not_kept(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ASRPPL_CACHE", str(tmp_path))
    cached_scenes("dsprites3", None, 20, 0)
    assert not list(tmp_path.iterdir())


def test_kept_scenes_can_be_listed_and_deleted(folder, capsys) -> None:
    cached_scenes("13", DIGITS, 30, 4)
    cached_scenes("dsprites3", None, 20, 5, antialias=True)
    with zipfile.ZipFile(folder / "13-damaged.npz", "w") as archive:
        archive.writestr("recipe.json", "[]")
    assert main(["air", "data", "scenes"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert [line.split("  ", 2)[-1].split("  ")[-1].split(", digits")[0] for line in lines] == [
        "13: 30 images, seed 4",
        "damaged",
        "dsprites3: 20 images, seed 5, antialiased",
    ]
    assert last.startswith("3 files, ")
    assert main(["air", "data", "scenes", "--clear"]) == 0
    assert capsys.readouterr().out.endswith(" deleted\n")
    assert list(folder.iterdir()) == []
    assert main(["air", "data", "scenes"]) == 0
    assert capsys.readouterr().out == "0 files, 0.0 MB kept\n"
