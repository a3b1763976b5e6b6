"""A reconstruction in neuroglancer: its state, and the volumes beside the skeletons, chunk by chunk.

`info` describes a volume in the precomputed format of neuroglancer, in up to SCALES scales; each takes every second voxel of
the one before. A chunk is raw, x fastest. Nothing is written: a chunk is read from the stack when the viewer requests it.

A voxel of neuroglancer begins at a whole number, and ours has its middle there. So the volumes are moved by half a voxel.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.blocks import slices_between
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Volume
from neurorecon.core.tree import Tree
from neurorecon.export.scale import NM_IN_UM, Scale

__all__ = ["SKELETONS", "Picture", "chunk_of", "info_of", "state_of"]

SKELETONS = "skeletons"  # the path of the exported folder
# Set by hand; not tuned, unless a line says more.
CHUNK = 64  # voxels a side: 0.5 MB of uint16
SCALES, LARGE = 4, 512  # a coarser scale is offered while the longest side is larger: one screen
PERCENTILES = 20.0, 99.8  # what becomes black and white, as in OUT.png
PLANES = 5  # that are asked for these
M_IN_UM = 1e-6  # metres in a micrometre
WANTED = re.compile(r"(\d+)/(\d+)-(\d+)_(\d+)-(\d+)_(\d+)-(\d+)")
GREY = "#uicontrol invlerp normalized\nvoid main() { emitGrayscale(normalized()); }"
RED = "#uicontrol invlerp normalized\nvoid main() { float v = normalized(); emitRGBA(vec4(1.0, 0.3, 0.1, v)); }"


@dataclass(frozen=True, slots=True)
class Picture:
    """A volume that is shown.

    Attributes:
        name: of its layer, and of its path.
        data: (Z, Y, X), uint8, uint16 or float32.
        voxel_size: micrometres.
        over: drawn over the others, in colour.
    """

    name: str
    data: Volume
    voxel_size: VoxelSize
    over: bool = False


def info_of(picture: Picture) -> dict[str, Any]:
    """Return the content of `info` for a volume."""
    shape = np.array(picture.data.shape[::-1], np.int64)
    size = picture.voxel_size.zyx[::-1] * NM_IN_UM
    scales, factor = [], 1
    while True:
        scales.append({
            "key": str(factor), "size": (-(-shape // factor)).tolist(), "resolution": (size * factor).tolist(),
            "voxel_offset": [0, 0, 0], "chunk_sizes": [[CHUNK] * 3], "encoding": "raw",
        })  # fmt: skip
        if len(scales) == SCALES or (-(-shape // factor)).max() <= LARGE:
            break
        factor *= 2
    kind = np.dtype(picture.data.dtype).name
    return {
        "@type": "neuroglancer_multiscale_volume", "type": "image", "data_type": kind, "num_channels": 1,
        "scales": scales,
    }  # fmt: skip


def chunk_of(picture: Picture, wanted: str) -> bytes | None:
    """Return the bytes of a chunk "KEY/x0-x1_y0-y1_z0-z1"; None if there is none of that name."""
    match = WANTED.fullmatch(wanted)
    scale = next((s for s in info_of(picture)["scales"] if match and s["key"] == match[1]), None)
    if match is None or scale is None:
        return None
    start, stop = (np.array([int(match[k]) for k in rows])[::-1] for rows in ((2, 4, 6), (3, 5, 7)))  # zyx
    size = np.array(scale["size"][::-1])
    if (start % CHUNK).any() or (start >= size).any() or (stop != np.minimum(start + CHUNK, size)).any():
        return None
    factor = int(scale["key"])
    corner, end = start * factor, np.minimum(stop * factor, picture.data.shape)
    block = np.asarray(picture.data[slices_between(corner, end)])
    block = block[::factor, ::factor, ::factor]
    return np.ascontiguousarray(block.astype(block.dtype.newbyteorder("<"), copy=False)).tobytes()


def state_of(tree: Tree, scale: Scale, pictures: Sequence[Picture], *, base: str, name: str) -> str:
    """Return the state of a viewer that shows volumes and skeletons: JSON.

    Args:
        tree: one tree or a forest.
        scale: the size of a voxel.
        pictures: volumes, the lowest layer first.
        base: address of the server, without a slash at its end.
        name: of the layer of the skeletons.

    Raises:
        InputError: if the tree is in voxels, and their size is not known.
    """
    xyz, _ = scale.in_um(tree)
    size = scale.voxel_size or (pictures[0].voxel_size if pictures else VoxelSize(1.0, 1.0, 1.0))
    edges = size.zyx[::-1]
    middle = (xyz.min(axis=0) + xyz.max(axis=0)) / 2
    span = max(float(np.ptp(xyz, axis=0).max()), float(edges.max()))
    segments = [str(number) for number in range(1, len(tree.neuron_rows()) + 1)]
    skeletons = {
        "type": "segmentation", "name": name, "source": f"precomputed://{base}/{SKELETONS}", "segments": segments,
        "skeletonRendering": {"mode2d": "lines", "mode3d": "lines"},
    }  # fmt: skip
    state = {
        "dimensions": _dimensions(edges),
        "position": (middle / edges).tolist(),
        "projectionScale": span / float(edges.min()),
        "layers": [*(_layer(picture, base) for picture in pictures), skeletons],
        "layout": "4panel",
    }
    return json.dumps(state, indent=1) + "\n"


def _dimensions(edges: NDArray[np.float64]) -> dict[str, list[Any]]:
    return {axis: [float(edge) * M_IN_UM, "m"] for axis, edge in zip("xyz", edges, strict=True)}


def _layer(picture: Picture, base: str) -> Mapping[str, Any]:
    """Return the layer of a volume."""
    matrix = np.hstack([np.eye(3), np.full((3, 1), -0.5)]).tolist()
    transform = {"matrix": matrix, "outputDimensions": _dimensions(picture.voxel_size.zyx[::-1])}
    return {
        "type": "image", "name": picture.name, "opacity": 0.6 if picture.over else 1.0,
        "source": {"url": f"precomputed://{base}/{picture.name}", "transform": transform},
        "shader": RED if picture.over else GREY,
        "shaderControls": {"normalized": {"range": _range(picture.data)}},
    }  # fmt: skip


def _range(data: Volume) -> list[float]:
    """Return the grey values that become black and white."""
    kind = np.dtype(data.dtype)
    planes = np.unique(np.linspace(0, data.shape[0] - 1, PLANES).astype(np.int64))
    grey = np.stack([np.asarray(data[int(z)]) for z in planes]).astype(np.float32)
    grey = grey[np.isfinite(grey)]
    low, high = (float(v) for v in np.percentile(grey, PERCENTILES)) if len(grey) else (0.0, 1.0)
    return [low, high] if high > low else [low, low + (1.0 if kind.kind == "f" else 1)]
