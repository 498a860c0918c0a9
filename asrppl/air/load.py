"""What a checkpoint holds, put together again for looking and measuring."""

from typing import Any

from asrppl.air.data.digits import load_digits
from asrppl.air.model import Guide, Model
from asrppl.air.options import TrainOptions
from asrppl.air.data.scenes import Scenes, make_scenes
from asrppl.air.settings import AIRSettings

TEST_SEED = 1_000_003  # test scenes come from another stream than training scenes, whatever the seed


def restore(state: dict[str, Any], device: str = "cpu") -> tuple[Model, Guide]:
    """Model and guide with the parameters in a checkpoint's `state`."""
    settings = AIRSettings.from_dict(state["settings"])
    model, guide = Model(settings).to(device), Guide(settings).to(device)
    model.load_state_dict(state["model"])
    guide.load_state_dict(state["guide"])
    return model, guide


def held_out(options: TrainOptions) -> Scenes:
    """The test images of a run: digits that it did not train on, on canvases of their own."""
    digits = load_digits(options.mnist_folder)[1]
    return make_scenes(options.data, digits, options.test_images, TEST_SEED + options.seed)
