"""Memory of the pair rule on 64 x 1,000 boxes, forward and backward."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, torch
import torch.utils.checkpoint, torch._dynamo
import asrppl
from asrppl.bind.values import bind_values
torch.set_num_threads(1)
program = asrppl.parse("rule r: {rule}")
boxes = (torch.rand(64, 1000, 3) * 50).requires_grad_()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
violation = program.violations({{"box": boxes}})["r"]
violation.sum().backward()
assert violation.shape == (64,) and bool(torch.isfinite(boxes.grad).all()) and bool((boxes.grad != 0).any())
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.parametrize(
    "rule",
    [
        "forall i != j: nonoverlap(box[i], box[j])",
        "exists i != j: box[i].x + box[j].x <= 0",
        "(max i: mean j: abs(box[i].x - box[j].x)) <= 0",
    ],
)
def test_a_million_pairs_an_image_stay_under_a_gigabyte(rule: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(rule=rule)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1e9
