"""What all tests share: one thread each, a seeded random generator, and the data and models beside the repository."""

import os
import secrets
import sys
from pathlib import Path

# Before torch or numpy load: several workers on few cores must not each start a thread per core.
if "PYTEST_XDIST_WORKER" in os.environ:
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import matplotlib.ft2font  # noqa: F401  (before pyosys, whose own pybind11 breaks that of matplotlib where it comes first)
import numpy as np
import pytest

from tests.command_line import command, compiled  # noqa: F401  (fixtures)

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--seed",
        default="0",
        help="seed of what tests draw, 0 by default; `new`: another one for each test, which prints it if it fails",
    )


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A random generator, seeded by `--seed`; printed output is shown for a test that fails."""
    given = request.config.getoption("--seed")
    seed = secrets.randbits(32) if given == "new" else int(given)
    print(f"rng: run this test again with --seed {seed}")
    return np.random.default_rng(seed)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder `shared/` beside the repository, with the data sets and models that are not committed."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"needs the data sets and models in {folder}, which is not there")
    return folder


@pytest.fixture(autouse=True)
def _one_torch_thread() -> None:
    """Keep torch to one thread under xdist even where its environment says otherwise."""
    torch = sys.modules.get("torch")
    if torch is not None and "PYTEST_XDIST_WORKER" in os.environ and torch.get_num_threads() != 1:
        torch.set_num_threads(1)
