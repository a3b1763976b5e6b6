"""Stacks, maps and trees as layers of napari: the tuples (data, arguments, type of the layer) that its readers give.

Layers are zyx. One with a known voxel size is in micrometres, one without in voxels ("pixel" is napari's word). The nodes of a
tree are Points with the radius as their size, its edges are Vectors from a node to its parent: a thousand Shapes would be slow.
What was read stands in the layer's metadata under "neurorecon".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack, Volume
from neurorecon.core.tree import Tree
from neurorecon.report.stretches import pixel_of

__all__ = [
    "KEY",
    "Frame3",
    "LayerData",
    "TreeSource",
    "is_image",
    "map_layers",
    "metadata_of",
    "stack_layer",
    "tree_layers",
]

LayerData = tuple[Any, dict[str, Any], str]

KEY = "neurorecon"  # of the metadata of a layer

# Set by hand; not tuned, unless a line says more.
DARK, BRIGHT = 50.0, 99.9  # percentiles that become black and white; as on the page (page/shown.py)
SAMPLED = 2_000_000  # voxels that the percentiles are taken of: 0.02 s
ONE_EDGE = 0.7  # width of an edge in pixels of the stack: a line, with the stack in sight beside it

# Colours that differ for every kind of colour vision (Okabe and Ito 2008), by SWC type; other types have the last.
KIND_COLOURS: Mapping[int, str] = {
    0: "#c8cdd4",
    1: "#ffffff",
    2: "#56b4e9",
    3: "#e69f00",
    4: "#d682b4",
    5: "#f0e442",
    6: "#00be8c",
    -1: "#969fff",
}


@dataclass(frozen=True, slots=True)
class Frame3:
    """How the points of a layer lie in the world of napari.

    Attributes:
        scale: (z, y, x) of the world for 1 of the data.
        unit: of the world: "micrometer" or "pixel".
        others: further arguments of a layer that decide its place: translate, rotate, shear, affine.
    """

    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    unit: str = "pixel"
    others: Mapping[str, Any] | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of a layer."""
        return {"scale": self.scale, "units": (self.unit,) * 3, **(self.others or {})}

    @staticmethod
    def of_voxels(size: VoxelSize | None) -> "Frame3":
        """Return the frame of data in voxels."""
        return Frame3() if size is None else Frame3((size.z, size.y, size.x), "micrometer")

    @staticmethod
    def of_tree(tree: Tree, size: VoxelSize | None) -> "Frame3":
        """Return the frame of a tree; `size` is that of its stack."""
        return Frame3(unit="micrometer") if tree.unit == "um" else Frame3.of_voxels(size)


@dataclass(frozen=True, slots=True)
class TreeSource:
    """Where a tree came from, and what is known of its edges.

    Attributes:
        swc: its file; None for a tree that is in memory alone.
        ids: (N,) id of each node in that file; None: 1 to N.
        confidence: (N,) of the edge above each node; None where unknown.
    """

    swc: Path | None = None
    ids: NDArray[np.int64] | None = None
    confidence: NDArray[np.float64] | None = None


def metadata_of(layer: Any) -> Mapping[str, Any]:
    """Return the entry "neurorecon" in the metadata of a layer; empty where there is none."""
    found = getattr(layer, "metadata", {}).get(KEY)
    return found if isinstance(found, Mapping) else {}


def is_image(layer: Any) -> bool:
    """Say whether a layer of a viewer is an image of three axes or more: a stack, a map; no labels, no surface."""
    return hasattr(layer, "rendering") and hasattr(layer, "contrast_limits") and layer.ndim >= 3


def stack_layer(stack: Stack, name: str) -> LayerData:
    """Return a stack as a layer of type image; a lazy one stays lazy."""
    frame = Frame3.of_voxels(stack.voxel_size)
    arguments = {
        "name": name,
        "colormap": "gray",
        "contrast_limits": _contrast(stack.data),
        "metadata": {KEY: {"stack": stack}},
        **frame.arguments,
    }
    return stack.data, arguments, "image"


def map_layers(probability: Probability, name: str, frame: Frame3 | None = None) -> list[LayerData]:
    """Return a probability as layers: that of neurites, and that of somata where there is one.

    Args:
        probability: with planes between those of the stack, its own voxels are that much closer.
        name: of the layers.
        frame: of the map; None is that of its voxel size.
    """
    if frame is None:
        size, planes = probability.voxel_size, probability.planes
        frame = Frame3((1 / planes, 1.0, 1.0)) if size is None else Frame3.of_voxels(size)
    maps = [(probability.neurite, name, "magenta"), (probability.soma, f"{name} (soma)", "cyan")]
    return [
        (
            data,
            {
                "name": title,
                "colormap": colour,
                "blending": "additive",
                "opacity": 0.5,
                "contrast_limits": (0, 255),
                "metadata": {KEY: {"map": probability.source}},
                **frame.arguments,
            },
            "image",
        )
        for data, title, colour in maps
        if data is not None
    ]


def tree_layers(
    tree: Tree, name: str, *, frame: Frame3 | None = None, source: TreeSource = TreeSource()
) -> list[LayerData]:
    """Return a tree as two layers: its edges (vectors) and its nodes (points).

    Args:
        tree: one tree or a forest.
        name: of the layers; that of the edges gets " edges".
        frame: of the points of the tree; None: micrometres, or voxels, as the tree has them.
        source: where it came from.
    """
    frame = frame or Frame3.of_tree(tree, None)
    ids = np.arange(1, len(tree) + 1) if source.ids is None else source.ids
    up = np.where(tree.parent < 0, -1, ids[tree.parent])
    sure = tree.confidence if source.confidence is None else source.confidence
    zyx = tree.xyz[:, ::-1]
    about = {KEY: {"tree": tree, "ids": ids, "swc": source.swc}}
    nodes = {
        "name": name,
        "size": 2 * tree.radius,
        "face_color": _kind_colours(tree.type),
        "border_width": 0.0,
        "opacity": 0.6,
        "features": {"id": ids, "type": tree.type, "parent": up},
        "metadata": about,
        **frame.arguments,
    }
    rows = np.flatnonzero(tree.parent >= 0)
    features = {"id": ids[rows]} | ({} if sure is None else {"confidence": sure[rows]})
    edges = {
        "name": f"{name} edges",
        "edge_width": ONE_EDGE * pixel_of(tree),
        "vector_style": "line",
        "edge_color": _kind_colours(tree.type[rows]) if sure is None else sure_colours(sure[rows]),
        "features": features,
        "blending": "translucent_no_depth",  # in front of the nodes, which are as thick as the neurite
        "metadata": about,
        **frame.arguments,
    }
    between = np.stack([zyx[rows], zyx[tree.parent[rows]] - zyx[rows]], axis=1)
    return [(zyx.copy(), nodes, "points"), (between, edges, "vectors")]


def sure_colours(confidence: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return a colour (N, 4) for each confidence: orange 0, yellow 0.5, blue 1, as on the page; grey where unknown."""
    known = np.nan_to_num(confidence, nan=0.5)
    colours = [np.interp(known, (0, 0.5, 1), values) / 255 for values in zip(*SURE, strict=True)]
    made = np.stack([*colours, np.ones(len(known))], axis=1).astype(np.float32)
    made[np.isnan(confidence)] = UNKNOWN
    return made


# Set by hand; not tuned, unless a line says more.
SURE = ((255, 98, 0), (255, 214, 120), (74, 168, 255))  # red, green, blue at confidence 0, 0.5, 1; as on the page
UNKNOWN = (0.67, 0.69, 0.73, 1.0)  # where no confidence is known; as on the page


def rgba(colour: str) -> tuple[float, float, float, float]:
    """Return "#rrggbb" as four numbers from 0 to 1."""
    red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    return red, green, blue, 1.0


def _kind_colours(kinds: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the colour (N, 4) of each SWC type."""
    table = {kind: rgba(colour) for kind, colour in KIND_COLOURS.items()}
    rows: Sequence[tuple[float, ...]] = [table.get(kind, table[-1]) for kind in kinds.tolist()]
    return np.array(rows, np.float32).reshape(-1, 4)


def _contrast(data: Volume) -> tuple[float, float]:
    """Return the grey levels that become black and white, from a sample of the voxels."""
    planes = data.shape[0]
    if isinstance(data, np.ndarray):
        step = max(1, round((data.size / SAMPLED) ** (1 / 3)))
        sample = data[::step, ::step, ::step]
    else:  # decoded in blocks: one plane in the middle
        sample = np.asarray(data[planes // 2 : planes // 2 + 1])[:, ::2, ::2]
    low, high = (float(value) for value in np.percentile(sample, (DARK, BRIGHT)))
    return (low, high) if high > low else (float(sample.min()), float(sample.max()) + 1.0)
