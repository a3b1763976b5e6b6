"""What the tests of training share."""

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
