"""What each run of the tables is trained with: the one place where tuned values stand.

`settings` gives a method in a setting as plain values, `options` makes a `TrainOptions` of them. `changes` names what
differs from the authors' settings, each with what undoes it: the ablations train without each of them in turn, and the
preset "paper" is without all of them.
"""

from collections.abc import Mapping
from typing import Any, Literal, cast, get_args

from asrppl_air.data.scenes import DataSet
from asrppl_air.options import TrainOptions
from asrppl_air.rules import load_rules

Method = Literal["air", "air-pprior", "air-asr"]
Setting = Literal["13", "14", "24", "mnist3", "dsprites3"]
Protocol = Literal["short", "paper", "ablation", "custom"]
Preset = Literal["ours", "paper"]

METHODS: tuple[Method, ...] = get_args(Method)
SETTINGS: tuple[Setting, ...] = get_args(Setting)
NUMBER: tuple[Setting, ...] = ("13", "14", "24")
OVERLAP: tuple[Setting, ...] = ("mnist3", "dsprites3")
EPOCHS: Mapping[Protocol, float] = {"short": 20, "paper": 300, "ablation": 5}
ABLATED: tuple[Setting, ...] = ("13", "mnist3")

# What a run is told about the size of objects, the same for every method: the scale prior, and where it begins.
_SCALE: Mapping[Setting, Mapping[str, Any]] = {
    "13": {"scale_pixels": 20.0, "scale_var": 0.05, "scale_begin": 26.0, "shrink": (0.15, 0.5)},
    "14": {"scale_pixels": 20.0, "scale_var": 0.05, "scale_begin": 26.0, "shrink": (0.15, 0.5)},
    "24": {"scale_pixels": 20.0, "scale_var": 0.05, "scale_begin": 26.0, "shrink": (0.15, 0.5)},
    "mnist3": {"scale_pixels": 13.0, "scale_begin": 24.0},
    "dsprites3": {"scale_pixels": 14.0, "scale_begin": 34.0},
}

# Found on validation images. With 2e-3 the order of three objects does not get sharp.
_LR: Mapping[Setting, float] = {"13": 1e-3, "14": 1e-3, "24": 1e-3, "mnist3": 7e-4, "dsprites3": 7e-4}

_RULES: Mapping[Setting, tuple[str, Mapping[str, Any]]] = {
    "13": ("air_number.asr", {"L": [1, 3]}),
    "14": ("air_number.asr", {"L": [1, 4]}),
    "24": ("air_number.asr", {"L": [2, 4]}),
    "mnist3": ("air_overlap.asr", {}),
    "dsprites3": (
        "air_overlap.asr",
        {"S": 64, "c_min": 10, "c_max": 17.25, "eps": 6, "order": 5, "fill": 20, "edge": 1.75},
    ),
}
# Params of those files that count training steps, as shares of a run's.
_SHARES: Mapping[str, Mapping[str, float]] = {
    "air_number.asr": {"begin": 0.32, "end": 0.56},
    "air_overlap.asr": {"begin": 0.32, "end": 0.56},
}
_PAPERS_RULES: Mapping[Setting, tuple[str, Mapping[str, Any]]] = {
    "13": ("number.asr", {"L": [1, 3]}),
    "14": ("number.asr", {"L": [1, 4]}),
    "24": ("number.asr", {"L": [2, 4]}),
    "mnist3": ("overlap.asr", {}),
    "dsprites3": ("overlap.asr", {"S": 64, "c_min": 12, "c_max": 15}),
}


def _rules(table: Mapping[Setting, tuple[str, Mapping[str, Any]]], setting: Setting) -> dict[str, Any]:
    name, params = table[setting]
    return {"rules": name, "params": params, "shares": _SHARES.get(name, {})}


def changes(setting: Setting) -> dict[str, dict[str, Any]]:
    """What differs from the authors' settings: name -> what undoes it, for the ablations and the preset "paper"."""
    found: dict[str, dict[str, Any]] = {
        "the paper's rules alone": _rules(_PAPERS_RULES, setting),
        "scale prior at the authors' 13 pixels, variance 0.05": {
            "scale_pixels": 13.0,
            "scale_var": 0.05,
            "scale_begin": None,
        },
        "learning rate 1e-3, constant": {"lr": 1e-3, "lr_end": 1.0},
        "images where they are": {"move": False},
        "float32 in all products": {"precision": "float32"},
    }
    if setting in OVERLAP:
        found["scale prior that does not move"] = {"scale_begin": None}
        found["batch 64"] = {"batch": 64}
    return found


def settings(method: Method, setting: Setting, preset: Preset = "ours") -> dict[str, Any]:
    """A method's options in a setting, but for seed, digits and steps.

    `rules` is the name of a rule file, `params` its params, `shares` those of its params that are shares of the steps.
    """
    number = setting in NUMBER
    values: dict[str, Any] = {
        "images": 40_000 if number else 20_000,
        "test_images": 2_000 if number else 1_000,
        # Half the images, half the batch: every run of a protocol makes the same number of steps.
        "batch": 64 if number else 32,
        "prior": "fixed" if method == "air" else "learned",
        "precision": "bfloat16",
        "move": True,
        "lr": _LR[setting],
        "lr_warm": 0.08 if number else 0.0,
        **_SCALE[setting],
    }
    values |= _rules(_RULES, setting)
    if preset == "paper":
        for change in changes(setting).values():
            values |= change
    if method != "air-asr":
        for name in ("rules", "params", "shares"):
            del values[name]
    return values


def options(
    values: Mapping[str, Any], setting: Setting, *, epochs: float, seed: int, mnist: str | None
) -> TrainOptions:
    """The run that `values` describe, over `epochs` epochs."""
    given = dict(values)
    batch = min(given["batch"], given["images"])
    steps = max(1, int(epochs * (given["images"] // batch)))
    shares: Mapping[str, float] = given.pop("shares", {})
    if given.get("rules") is not None:
        # Schedules of weights count steps; a shorter run is to go through the same ones.
        params = {**given.pop("params", {}), **{name: round(share * steps) for name, share in shares.items()}}
        given["rules"] = load_rules(given["rules"], params).to_dict()
    digits = None if setting == "dsprites3" else mnist
    return TrainOptions(data=cast(DataSet, setting), mnist=digits, seed=seed, steps=steps, **given)


def recipe(
    method: Method,
    setting: Setting,
    *,
    epochs: float,
    seed: int,
    mnist: str | None,
    preset: Preset = "ours",
) -> TrainOptions:
    """The options of one run of tables 1 and 2."""
    return options(settings(method, setting, preset), setting, epochs=epochs, seed=seed, mnist=mnist)
