"""What all tests share: seeds, threads, small stacks and trees with known geometry, and the way to the real data."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch: two tests at once must not fight for cores
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

from pathlib import Path

import hypothesis
import numpy as np
import pytest

from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"

hypothesis.settings.register_profile(
    "house",
    deadline=None,  # the first call of a compiled kernel takes seconds
    derandomize=True,
    database=None,
    max_examples=40,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("house")


def pytest_runtest_setup(item):
    """Skip, and say why, what this machine cannot run."""
    if item.get_closest_marker("data") and not DATA.is_dir():
        pytest.skip(f"needs the real stacks in {DATA}, which are not here")
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device, and there is none")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The real stacks; a test that asks for them is skipped where they are not."""
    if not DATA.is_dir():
        pytest.skip(f"needs the real stacks in {DATA}, which are not here")
    return DATA


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(20261122)


@pytest.fixture(scope="session")
def y_tree() -> Tree:
    """A soma at (20, 20, 8) with one neurite that forks: 3 runs, 1 branch point, in voxels of the stack `y_stack`."""
    stem = [(20.0 + step, 20.0, 8.0) for step in range(16)]
    left = [(35.0 + step, 20.0 + step, 8.0) for step in range(1, 13)]
    right = [(35.0 + step, 20.0 - step, 8.0) for step in range(1, 13)]
    parent = [*range(-1, 15), 15, *range(16, 27), 15, *range(28, 39)]
    radius = np.full(40, 1.5)
    radius[0] = 4.0
    kind = np.full(40, 3)
    kind[0] = 1
    return Tree(np.array(stem + left + right), radius, np.array(parent), kind, "voxel")


@pytest.fixture(scope="session")
def y_stack(y_tree) -> Stack:
    """The tree of `y_tree` drawn as tubes, uint8, (16, 40, 56), voxels of 0.5 um."""
    grid = np.stack(np.meshgrid(*map(np.arange, (16, 40, 56)), indexing="ij"), axis=-1)[..., ::-1]
    data = np.zeros(grid.shape[:3])
    for point, radius in zip(y_tree.xyz, y_tree.radius, strict=True):
        distance = np.linalg.norm(grid - point, axis=-1)
        data = np.maximum(data, np.clip(radius + 0.5 - distance, 0, 1))
    return Stack((data * 200 + 10).astype(np.uint8), VoxelSize(0.5, 0.5, 0.5), source="y.tif")


@pytest.fixture(scope="session")
def bright_model(tmp_path_factory) -> Path:
    """The folder of a model whose weights are set by hand: its probability grows with the grey value."""
    import torch

    from neurorecon.nets.config import NetConfig
    from neurorecon.nets.student import NeuriteViT
    from neurorecon.nets.weights import write_model

    net = NeuriteViT(NetConfig(channels=(2, 4, 4), width=12, depth=1, heads=2))
    with torch.no_grad():
        for weight in net.parameters():
            weight.zero_()
        for layer in (net.stem1, net.stem2, net.decode0):
            layer.weight[0, 0, 1, 1, 1] = 1.0  # passes the grey value on
        net.head.weight[0, 0] = 12.0
        net.head.bias[:] = torch.tensor([-6.0, -9.0])
    folder = tmp_path_factory.mktemp("models") / "bright"
    write_model(folder, net, name="bright", summary="brightness itself, for tests", card="# bright\n\nFor tests.\n")
    return folder
