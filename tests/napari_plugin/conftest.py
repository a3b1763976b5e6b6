"""A small result on disk, as `neurorecon run` leaves it, and viewers of napari where it is installed."""

import json
import os
import warnings

import numpy as np
import pytest

from neurorecon.core.files import hash_path
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree
from neurorecon.io import read_stack, write_stack
from neurorecon.report import Command, Provenance, write_outputs

SIZE = VoxelSize(1.0, 0.5, 0.25)
WAY = "napari is not installed: pip install -c constraints.txt '.[napari]' (and PyQt6) runs the tests of the plugin"


def drawn(y=0.0):
    """A soma with a trunk of 30 nodes along x and a twig of 10 nodes along y, in um; confidence falls along it."""
    trunk = [(4 + 0.75 * k, 8 + y, 10) for k in range(30)]
    twig = [(4 + 0.75 * 15, 8 + y + 0.75 * k, 10 + 0.2 * k) for k in range(1, 11)]
    parent = [*range(-1, 29), 15, *range(30, 39)]
    kind = np.full(40, 3)
    kind[0] = 1
    radius = np.full(40, 0.5)
    radius[0] = 2.0
    return Tree(np.array(trunk + twig, float), radius, np.array(parent), kind, "um", np.linspace(1, 0.3, 40))


@pytest.fixture(scope="session")
def neuron():
    """Draw a neuron of 40 nodes."""
    return drawn


@pytest.fixture
def result(tmp_path):
    """Write the files of a result: cell.tif, cell_prob.ome.zarr, cell.swc (or cell_1.swc ...), the list, cell.json."""

    def make(*trees, kept=False, single_file=False):
        grey = np.random.default_rng(5).integers(0, 60, (24, 60, 120)).astype(np.uint8)
        grey[9:12, 15:18, 16:104] = 220
        source = tmp_path / "cell.tif"
        write_stack(grey, source, voxel_size=SIZE)
        stack = read_stack(source)
        command = Command("run", str(source), "vit3d-dtt")
        settings = {"segment": {}, "trace": {}}
        made = Provenance(
            str(source), hash_path(source), model_name="vit3d-dtt", model_sha256="0" * 64, device="cpu",
            settings=settings, command=command,
        )  # fmt: skip
        write_outputs(Tree.joined(trees or [drawn()]), stack, made, tmp_path / "cell.swc", single_file=single_file)
        if kept:
            write_stack(Probability(grey, SIZE), tmp_path / "cell_prob.ome.zarr")
        return tmp_path / "cell.json"

    return make


@pytest.fixture(scope="session")
def viewer_model():
    """The class of napari's viewers without a window; its tests are skipped, with the reason, where napari is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of napari's own imports
        pytest.importorskip("napari", reason=WAY)
        from napari.components import ViewerModel

        ViewerModel()
    return ViewerModel


@pytest.fixture
def viewer(viewer_model):
    """A viewer of napari without a window."""
    return viewer_model()


@pytest.fixture
def put():
    """Put layers into a viewer, as napari does with what a reader gives; returns the layers."""

    def add(viewer, layers):
        return [getattr(viewer, f"add_{kind}")(data, **arguments) for data, arguments, kind in layers]

    return add


@pytest.fixture
def saved():
    """Read a file of verdicts as JSON."""
    return lambda path: json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def grey_stack():
    """A stack in memory."""
    return Stack(np.arange(8 * 20 * 24, dtype=np.uint16).reshape(8, 20, 24), SIZE)


@pytest.fixture(scope="session")
def qt_application(viewer_model):
    """The application of Qt, without a screen; its tests are skipped, with the reason, where no binding is installed."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of imports
        try:
            from qtpy.QtWidgets import QApplication
        except ImportError as error:  # qtpy's own error for a missing binding is one
            pytest.skip(f"no binding of Qt is installed ({error}): pip install PyQt6 runs the tests of the docks")
        yield QApplication.instance() or QApplication([])
