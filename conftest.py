"""Options and fixtures of the whole suite."""

import os
from collections.abc import Generator
from importlib.util import find_spec

import pytest

# Without torch the half that needs none is tested (.ci/run does so on newer Pythons).
TORCH = find_spec("torch") is not None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite the expected-output files beside the bad programs (read the diff before you commit it)",
    )


@pytest.fixture(scope="session")
def update_golden(pytestconfig: pytest.Config) -> bool:
    return bool(pytestconfig.getoption("--update-golden"))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Results do not depend on the number of cores, and workers do not fight over them."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the processes that tests start
    if TORCH:
        import torch

        torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """Tests neither find nor leave anything in the user's cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASRPPL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def clean_pyro() -> None:
    """Each test starts with an empty parameter store, a fixed seed and validation on."""
    if TORCH:
        import pyro

        pyro.clear_param_store()
        pyro.set_rng_seed(0)
        pyro.enable_validation(True)


@pytest.fixture
def double_precision() -> Generator[None]:
    """Rules that read no real are computed in the default dtype: float64 here."""
    import torch

    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
