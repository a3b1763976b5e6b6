"""Precomputed skeletons of neuroglancer: a folder with `info` and one binary file a neuron, in nanometres.

A skeleton is uint32 N and E, float32 (N, 3) points xyz, uint32 (E, 2) edges, then the attributes; all little-endian.
"""

import json
from pathlib import Path

import numpy as np

from neurorecon.core.errors import OutputError
from neurorecon.core.forest import rows_within
from neurorecon.core.tree import Tree
from neurorecon.export.scale import NM_IN_UM, Scale

__all__ = ["check_skeletons", "write_precomputed"]

KIND = "neuroglancer_skeletons"  # the word of its `info`


def check_skeletons(folder: Path) -> None:
    """Raise OutputError if a folder holds anything but skeletons: it would go with all that is in it."""
    if not folder.is_dir():
        return
    try:
        content = json.loads((folder / "info").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("@type") != KIND:
        raise OutputError(f"{folder}: is a folder of something else than skeletons; give another name")


def write_precomputed(tree: Tree, scale: Scale, folder: Path) -> None:
    """Write the skeletons of all neurons of a forest, with ids 1, 2, 3 ..., into a folder, which is made.

    Raises:
        InputError: if the tree is in voxels, and their size is not known.
    """
    xyz, radius = scale.in_um(tree)
    folder.mkdir()
    info = {
        "@type": KIND,
        "transform": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0],
        "vertex_attributes": [{"id": "radius", "data_type": "float32", "num_components": 1}],
        "segment_properties": "properties",
    }
    neurons = tree.neuron_rows()
    ids = [str(number) for number in range(1, len(neurons) + 1)]
    labels = {"id": "label", "type": "label", "values": [f"neuron {one}" for one in ids]}
    properties = {"@type": "neuroglancer_segment_properties", "inline": {"ids": ids, "properties": [labels]}}
    (folder / "properties").mkdir()
    (folder / "properties" / "info").write_text(json.dumps(properties))
    for one, rows in zip(ids, neurons, strict=True):
        parent = rows_within(rows, tree.parent[rows])
        child = np.flatnonzero(parent >= 0)
        with open(folder / one, "wb") as handle:
            handle.write(np.array([len(rows), len(child)], "<u4").tobytes())
            handle.write((xyz[rows] * NM_IN_UM).astype("<f4").tobytes())
            handle.write(np.stack([parent[child], child], axis=1).astype("<u4").tobytes())
            handle.write((radius[rows] * NM_IN_UM).astype("<f4").tobytes())
    (folder / "info").write_text(json.dumps(info))
