"""Small trees whose nodes are known by id, and files of verdicts about them."""

import json

import numpy as np
import pytest

from neurorecon.core.files import hash_path
from neurorecon.core.tree import Tree
from neurorecon.swc import write_swc


@pytest.fixture(scope="session")
def fork():
    """A soma at (0, 0, 0); a trunk along x to a fork at x = 10; arms along +y and -y, 10 each; in voxels, 1 apart.

    Ids: soma 1, trunk 2 to 11 (fork), arm up 12 to 21, arm down 22 to 31. All is axon (2) but the soma.
    """
    trunk = [(x, 0, 0) for x in range(11)]
    up = [(10, y, 0) for y in range(1, 11)]
    down = [(10, -y, 0) for y in range(1, 11)]
    parent = [*range(-1, 10), 10, *range(11, 20), 10, *range(21, 30)]
    kind = np.full(31, 2)
    kind[0] = 1
    return Tree(np.array(trunk + up + down, float), np.ones(31), np.array(parent), kind, "voxel")


@pytest.fixture
def fork_file(fork, tmp_path):
    """`fork` as cell.swc."""
    path = tmp_path / "cell.swc"
    write_swc(fork, path, header=["made by: hand"])
    return path


@pytest.fixture
def verdicts_file():
    """Write a file of verdicts beside a tree; each verdict is (do, node, and what else is not null)."""

    def write(swc, *verdicts, by="", name=None, **others):
        listed = [
            {"at": "2026-11-29T12:00:00Z", "do": do, "node": node, "from": None, "to": None, "kind": None, "note": ""}
            | more
            for do, node, more in verdicts
        ]
        table = {
            "format": "neurorecon-verdicts", "version": 1, "tree": {"file": swc.name, "sha256": hash_path(swc)},
            "made": "2026-11-29T12:00:00Z", "by": by, "verdicts": listed,
        }  # fmt: skip
        path = swc.with_name(name or f"{swc.stem}.verdicts.json")
        path.write_text(json.dumps(table | others))
        return path

    return write
