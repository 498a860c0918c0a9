"""A run's images, and what its checkpoint holds, put together again for looking and measuring."""

from typing import Any

from asrppl_air.checkpoint import CheckpointError
from asrppl_air.data.cache import cached_scenes
from asrppl_air.data.digits import Digits, load_digits, load_validation
from asrppl_air.data.scenes import DATA_SETS, Scenes
from asrppl_air.model import Guide, Model
from asrppl_air.options import Split, TrainOptions
from asrppl_air.settings import AIRSettings

# Held-out scenes come from other streams than training scenes, whatever the seed; test and validation from two.
HELD_OUT_SEEDS: dict[Split, int] = {"test": 1_000_003, "validation": 2_000_003}


def restore(state: dict[str, Any], device: str = "cpu") -> tuple[Model, Guide]:
    """Model and guide with the parameters in a checkpoint's `state`; raises `CheckpointError`."""
    try:
        settings = AIRSettings.from_dict(state["settings"])
        model, guide = Model(settings).to(device), Guide(settings).to(device)
        model.load_state_dict(state["model"])
        guide.load_state_dict(state["guide"])
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"the checkpoint does not hold a model and a guide ({error})") from error
    return model, guide


def _digits(options: TrainOptions) -> tuple[Digits, Digits] | tuple[None, None]:
    """The digits to train on and those to measure on, if the images are of digits."""
    if DATA_SETS[options.data].source != "digits":
        return None, None
    return (load_validation if options.split == "validation" else load_digits)(options.mnist_folder)


def training_scenes(options: TrainOptions) -> Scenes:
    """The images that a run trains on: with `split="validation"` their digits leave a sixth of the training set out."""
    digits = _digits(options)[0]
    return cached_scenes(options.data, digits, options.images, options.seed, antialias=options.antialias)


def held_out(options: TrainOptions) -> Scenes:
    """The images that a run is measured on: digits that it did not train on, on canvases of their own.

    With `split="validation"` neither the test set's digits nor its canvases are touched.
    """
    seed = HELD_OUT_SEEDS[options.split] + options.seed
    digits = _digits(options)[1]
    return cached_scenes(options.data, digits, options.test_images, seed, antialias=options.antialias)
