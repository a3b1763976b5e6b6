"""Fixtures of the command-line tests: a stack on disk, and a way to run the program in the same process."""

import numpy as np
import pytest
from click.testing import CliRunner

from neurorecon.cli import main


@pytest.fixture
def neurorecon():
    """Run the program, and return its result."""

    def run(*arguments):
        return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="neurorecon")

    return run


@pytest.fixture
def y_file(tmp_path, y_stack):
    """The stack `y_stack` as an ImageJ TIFF with its voxel size."""
    import tifffile

    path = tmp_path / "y stack.tif"
    metadata = {"axes": "ZYX", "spacing": 0.5, "unit": "um"}
    tifffile.imwrite(path, np.asarray(y_stack.data), imagej=True, resolution=(2.0, 2.0), metadata=metadata)
    return path


@pytest.fixture
def constant_file(tmp_path):
    """A stack without any structure."""
    import tifffile

    path = tmp_path / "constant.tif"
    tifffile.imwrite(path, np.full((12, 24, 24), 9, np.uint8), imagej=True, metadata={"axes": "ZYX"})
    return path
