"""What the tests of this room share."""

import pytest


class Planes:
    """Keeps what a writer is given, and in what order."""

    def __init__(self):
        self.blocks = []

    def write(self, z0, block):
        assert z0 == sum(len(b) for b in self.blocks)
        self.blocks.append(block.copy())


@pytest.fixture
def planes():
    return Planes()
