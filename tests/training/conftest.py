"""What the tests of training share."""

import importlib
import logging
import sys
from pathlib import Path

import numpy as np
import pytest

from neurorecon.io import write_stack
from neurorecon.swc import write_swc
from neurorecon.synth import SynthSettings, random_tree, synthesize


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Two small synthetic stacks with their truth, as a user would lay them out."""
    folder = tmp_path_factory.mktemp("pairs")
    for k in (1, 2):
        tree = random_tree(np.random.default_rng(k), (10.0, 30.0, 30.0), neurites=3, branchings=2)
        made = synthesize(tree, SynthSettings(seed=k, voxel_size=(1.0, 0.7, 0.7)))
        write_stack(np.asarray(made.stack.data), folder / f"{k}.tif")
        write_swc(made.truth, folder / f"{k}.swc")
    return folder


@pytest.fixture(scope="module")
def imported():
    """Import a module of the examples by its name, as their scripts do, until the tests of a file end."""
    folder = str(Path(__file__).resolve().parents[2] / "examples")
    sys.path.insert(0, folder)
    scorer = logging.getLogger("neurorecon.evaluate")  # the scripts silence it, which other tests would not hear of
    level = scorer.level
    yield importlib.import_module
    sys.path.remove(folder)
    scorer.setLevel(level)
