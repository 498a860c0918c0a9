"""Used by .ci/run with an installed wheel, from a folder that is not the repository's."""

import pathlib

import torch

import asrppl

repository = pathlib.Path(__file__).resolve().parents[1]
assert not pathlib.Path(asrppl.__file__).resolve().is_relative_to(repository / "asrppl"), asrppl.__file__
program = asrppl.load("overlap.asr", S=64)
boxes = torch.tensor([[[10.0, 10.0, 12.0], [30.0, 10.0, 12.0]], [[10.0, 10.0, 12.0], [14.0, 12.0, 12.0]]])
apart = program.violations({"box": boxes})["apart"]
assert torch.equal(apart, torch.tensor([0.0, 16.0])), apart  # two ordered pairs, 8 pixels each
print("apart:", apart.tolist())
