"""`asrppl repl`: draws of a user's own guide, with a checkpoint's parameters, on a batch."""

import runpy
from pathlib import Path

import numpy as np
import pyro
import pytest
import torch

from asrppl.cli.repl.session import Session
from asrppl.cli.repl.shell import Repl

GUIDE = """
import pyro, pyro.distributions as dist, torch
import asrppl


def guide(x, missing=False):
    at = pyro.param("at", torch.tensor(0.0))
    scale = pyro.param("scale", torch.tensor(1.0), constraint=dist.constraints.positive)
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(at + x.unsqueeze(-1) + torch.tensor([0.0, 5.0]), scale).to_event(1))
        asrppl.expose("box", {"x": z[..., 0], "y": z[..., 1], "size": torch.ones(len(x))})
        with pyro.poutine.mask(mask=x > 0):
            pyro.sample("hidden", dist.Normal(0.0, 1.0))
"""


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "guide.py").write_text(GUIDE)
    np.savez(tmp_path / "batch.npz", x=np.array([1.0, 2.0], dtype=np.float32))
    pyro.clear_param_store()
    repl = Repl(Session(tmp_path))

    def say(*lines: str) -> str:
        capsys.readouterr()
        for line in lines:
            repl.run(line)
        return capsys.readouterr().out

    yield say
    pyro.clear_param_store()


def numbers(said: str) -> list[float]:
    return [float(part) for part in said.strip("[]\n").split(", ")]


def test_names_get_the_draws_of_the_guide(say) -> None:
    state = torch.get_rng_state()
    assert say(":guide guide.py batch.npz").splitlines() == [
        "z: 200 draws, 200 × 2 × 2 reals",
        "box: 200 draws, record (x, y, size)",
        "left out: hidden",
    ]
    assert bool((torch.get_rng_state() == state).all())
    assert numbers(say("E[z[1]]")) == pytest.approx([6, 7], abs=0.3)  # of each datum
    assert float(say("aggregate(E[z[0]])")) == pytest.approx(1.5, abs=0.3)
    assert numbers(say("E[box.x]")) == numbers(say("E[z[0]]"))
    assert say(":undo", ":names") == ""


def test_a_checkpoint_gives_the_parameters(say) -> None:
    pyro.param("at", torch.tensor(3.0))
    pyro.param("scale", torch.tensor(0.1), constraint=torch.distributions.constraints.positive)
    pyro.get_param_store().save("store.pt")
    pyro.clear_param_store()
    say(":guide guide.py store.pt batch.npz")
    assert numbers(say("E[z[0]]")) == pytest.approx([4, 5], abs=0.05)


def test_a_module_takes_its_state(say, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(
        "import pyro, pyro.distributions as dist, torch\n"
        "from pyro.infer.autoguide import AutoDelta\n"
        "def model():\n    pyro.sample('w', dist.Normal(torch.zeros(2), 1.0).to_event(1))\n"
        "guide = AutoDelta(model)\n"
    )
    guide = runpy.run_path("module.py")["guide"]
    guide()
    torch.save({name: torch.tensor([2.0, 4.0]) for name in guide.state_dict()}, "module.pt")
    assert say(":guide module.py module.pt", "E[w[1]]").endswith("\n4\n")
    torch.save({"other": torch.tensor(2.0)}, "module.pt")
    assert "error: module.pt: it does not fit the guide" in say(":guide module.py module.pt")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (":guide", "error: :guide FILE.py [CHECKPOINT] [BATCH.npz]"),
        (":guide none.py", "error: none.py: there is no such file"),
        (":guide guide.py", "error: guide.py: TypeError: guide() missing"),
        (":guide empty.py", "error: empty.py has no `guide`"),
        (":guide broken.py", "error: broken.py: ZeroDivisionError"),
        (":guide guide.py none.npz", "error: none.npz: No such file or directory"),
        (":guide guide.py none.pt batch.npz", "error: none.pt: there is no such file"),
    ],
)
def test_what_goes_wrong(say, tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "empty.py").touch()
    (tmp_path / "broken.py").write_text("1 / 0\n")
    assert say(line).startswith(message)
