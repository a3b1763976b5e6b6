"""Small stacks, and a look at errors, shared by the tests of reading and writing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from neurorecon.core.errors import InputError
from neurorecon.io import read_stack


@pytest.fixture
def stack() -> NDArray[np.uint8]:
    """A stack (6, 10, 12) of random uint8: no two axes alike, no two planes alike."""
    return np.random.default_rng(7).integers(0, 256, (6, 10, 12)).astype(np.uint8)


@pytest.fixture
def two(stack: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two channels (2, 6, 10, 12)."""
    return np.stack([stack, stack[::-1]])


@pytest.fixture
def refusal() -> Callable[..., str]:
    """Read a path that has to be refused, return the message: one line that opens with the path."""

    def read(path: Path, kind: type[Exception] = InputError, **options: object) -> str:
        with pytest.raises(kind) as caught:
            read_stack(path, **options)
        message = str(caught.value)
        assert "\n" not in message
        return message

    return read


@pytest.fixture
def write_map():
    """Return a function that writes a stack as a map of neurorecon, sharded, certain from 0.6 on; mirrored as somata."""
    from neurorecon.io.formats.zarr.sharded import ShardedImage

    def write(path, stack, size, planes=1):
        image = ShardedImage.of(stack.shape, size, (32, 32, 32))
        image.write_block(path, (0, 0, 0), stack)
        image.write_block(path / "soma", (0, 0, 0), stack[::-1])
        about = {
            "map": "neurite",
            "soma": "soma",
            "planes": planes,
            "voxels_as_one": [1, 1, 1],
            "faint": 0.7,
            "certain": 0.6,
        }
        image.write_metadata(path / "soma", name="soma", about={"map": "soma"})
        image.write_metadata(path, name="map", about=about)
        return path

    return write
