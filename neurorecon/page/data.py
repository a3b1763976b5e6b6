"""The data of a page: nodes as the SWC files hold them, the review list, the stack; JSON and one packed block of arrays.

Nodes are numbered by their place: those of the first SWC file in the order of their ids, then those of the second, and so on.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import neurorecon
from neurorecon.core.files import hash_path
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.tree import NodeType, Tree
from neurorecon.page.shown import Shown
from neurorecon.report import Entry, Follow, ends_of
from neurorecon.swc import written_ids

__all__ = ["Nodes", "PageData", "look_middles", "nodes_of", "page_data"]

Ints = NDArray[np.int64]

VIEWS = ("along_z", "along_x", "along_y")
# Set by hand; not tuned, unless a line says more.
UNKNOWN = 255  # in place of a confidence, which is 0 to 254 for 0 to 1
FINE = 65535  # steps of a coordinate from one end of the trees to the other: below 0.02 um for a millimetre
FORMAT = 2  # raised when a key changes its meaning


@dataclass(frozen=True, slots=True)
class Nodes:
    """All nodes that were written.

    Attributes:
        row: (N,) row of the forest that each came from.
        parent: (N,) place of the parent, -1 for a root.
        kind: (N,) SWC type.
        place: (R,) place of each row of the forest; rows that were merged share one.
        first: place of the first node of each file.
    """

    row: Ints
    parent: Ints
    kind: Ints
    place: Ints
    first: tuple[int, ...]


def nodes_of(tree: Tree, files: Sequence[tuple[Path, Ints]]) -> Nodes:
    """Return the nodes of a forest as its SWC files hold them; `files` are those of `report.file_rows`."""
    place, first, kept = np.zeros(len(tree), np.int64), [0], []
    for _, rows in files:
        ids = written_ids(tree.take(rows))
        place[rows] = first[-1] + ids - 1
        kept.append(rows[np.unique(ids, return_index=True)[1]])
        first.append(first[-1] + len(kept[-1]))
    row = np.concatenate(kept)
    up = tree.parent[row]
    kind = tree.type[row]
    kind[place[tree.type == NodeType.SOMA]] = NodeType.SOMA  # also of what a soma was merged into
    return Nodes(row, np.where(up < 0, -1, place[up]), kind, place, tuple(first[:-1]))


@dataclass(slots=True)
class PageData:
    """JSON values, and arrays that they describe by name, type, shape and place in one block of bytes."""

    values: dict[str, Any]
    _arrays: dict[str, dict[str, Any]] = field(default_factory=dict)
    _parts: list[bytes] = field(default_factory=list)
    _length: int = 0

    def add(self, name: str, array: NDArray[Any]) -> None:
        """Put an array into the block; each begins at a multiple of eight bytes, as typed arrays of a browser have to."""
        raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
        self._arrays[name] = {"type": array.dtype.name, "at": self._length, "shape": list(array.shape)}
        raw += bytes(-len(raw) % 8)
        self._parts.append(raw)
        self._length += len(raw)

    @property
    def described(self) -> Mapping[str, Any]:
        """The JSON values, with the list of the arrays."""
        return self.values | {"arrays": self._arrays}

    @property
    def packed(self) -> bytes:
        """The block, packed by zlib."""
        return zlib.compress(b"".join(self._parts), 6)


def page_data(
    tree: Tree,
    files: Sequence[tuple[Path, Ints]],
    entries: Sequence[Entry],
    stack: Shown | None,
    voxel_size: VoxelSize | None,
) -> PageData:
    """Return all that a page of `tree` shows.

    Args:
        tree: one tree or a forest, in um or voxels.
        files: its SWC files, which are written, with the rows in each.
        entries: the review list.
        stack: None for a page without the stack.
        voxel_size: of the stack, micrometres; None where unknown.
    """
    nodes = nodes_of(tree, files)
    in_um = tree.unit == "um" or voxel_size is not None
    size = np.ones(3) if voxel_size is None else voxel_size.zyx[::-1]  # xyz, in the unit of the page
    page = PageData(
        {
            "format": FORMAT,
            "made_by": f"neurorecon {neurorecon.__version__}",
            "unit": "\u00b5m" if in_um else "voxels",
            "voxel": size.tolist(),
            "files": [
                {"name": path.name, "sha256": hash_path(path), "first": first}
                for (path, _), first in zip(files, nodes.first, strict=True)
            ],
        }
    )
    _add_nodes(page, tree, nodes, size if tree.unit == "voxel" else np.ones(3))
    _add_list(page, tree, nodes, entries)
    _add_ways(page, nodes, entries, size if tree.unit == "voxel" else np.ones(3))
    page.add("look_at", (look_middles(tree, entries) * (size if tree.unit == "voxel" else 1)).astype(np.float32))
    if stack is not None:
        page.values["stack"] = {
            "shape": list(stack.shape[::-1]),  # xyz, as all below
            "factor": list(stack.factor[::-1]),
            "shrunk": [list(pixels[::-1]) for pixels in stack.shrunk],
        }
        page.add("volume", stack.volume)
        for name, view in zip(VIEWS, stack.views, strict=True):
            page.add(name, view)
        if stack.crop_views:
            page.values["crops"] = {"half": stack.crops.half[::-1].tolist()}
            page.add("crop_at", np.ascontiguousarray(stack.crops.centre[:, ::-1].astype(np.float32)))
            for name, view in zip(VIEWS, stack.crop_views, strict=True):
                page.add(f"crop_{name}", view)
    return page


def _add_nodes(page: PageData, tree: Tree, nodes: Nodes, scale: NDArray[np.float64]) -> None:
    """Put the nodes into the page; coordinates are whole steps, FINE along the longest axis."""
    n, row = len(nodes.row), nodes.row
    xyz = tree.xyz[row] * scale
    low, span = xyz.min(axis=0), max(float(np.ptp(xyz, axis=0).max()), 1e-6)
    radius = tree.radius[row] * float(scale.min())
    page.values["nodes"] = {"low": low.tolist(), "step": span / FINE, "radius_step": float(radius.max()) / FINE}
    page.add("xyz", np.round((xyz - low) / span * FINE).astype(np.uint16))
    page.add("radius", np.maximum(np.round(radius / radius.max() * FINE), 1).astype(np.uint16))
    page.add(
        "up", np.where(nodes.parent < 0, 0, np.arange(n) - nodes.parent).astype(np.uint32)
    )  # steps back, 0: a root
    page.add("kind", np.clip(nodes.kind, 0, 255).astype(np.uint8))
    known = tree.confidence is not None
    page.values["confidence_known"] = known
    sure = np.full(n, UNKNOWN) if tree.confidence is None else np.round(np.clip(tree.confidence[row], 0, 1) * 254)
    page.add("sure", sure.astype(np.uint8))
    bridged = np.zeros(n, np.bool_) if tree.bridged is None else tree.bridged[row] & (nodes.parent >= 0)
    page.add("bridged", bridged.astype(np.uint8))


def _add_list(page: PageData, tree: Tree, nodes: Nodes, entries: Sequence[Entry]) -> None:
    """Put the review list into the page: the columns of OUT.review.csv, nodes by their places."""
    reasons: dict[str, int] = {}
    texts = [reasons.setdefault("; ".join(entry.reasons), len(reasons)) for entry in entries]
    page.values["reasons"] = list(reasons)
    page.add("reason", np.array(texts, np.uint16))
    ends = np.array([(e.node, e.top(tree), (e.node, *e.rows)[-1]) for e in entries], np.int64).reshape(-1, 3)
    for name, column in zip(("node", "from", "to"), ends.T, strict=True):
        page.add(name, nodes.place[column].astype(np.uint32))
    looks = [entry.look - 1 for entry in entries]
    page.add("look", np.array(looks, np.uint32))
    joints = Follow([ends_of(tree, e.top(tree), e.rows[-1]) if e.rows else () for e in entries], looks).joints
    page.add("joint", (joints + 1).astype(np.uint32))  # 0: nothing adjoins
    page.add("length", np.array([entry.length for entry in entries], np.float32))
    page.add("doubt", np.array([entry.doubt for entry in entries], np.float32))
    sure = [np.nan if entry.confidence is None else entry.confidence for entry in entries]
    page.add("mean", np.array(sure, np.float32))


def _add_ways(page: PageData, nodes: Nodes, entries: Sequence[Entry], scale: NDArray[np.float64]) -> None:
    """Put the ways on that the tree lacks into the page: by their entries, the tip as the SWC file would have it."""
    ways = [(k, entry.way, entry.meets) for k, entry in enumerate(entries) if entry.way is not None]
    page.values["missing"] = [
        {
            "entry": k,
            "points": len(way),
            "tip": [round(float(v), 4) + 0.0 for v in way[-1]],
            "meets": -1 if meets < 0 else int(nodes.place[meets]),
        }
        for k, way, meets in ways
    ]
    page.add("ways", np.concatenate([np.zeros((0, 3)), *(way * scale for _, way, _ in ways)]).astype(np.float32))


def look_middles(tree: Tree, entries: Sequence[Entry]) -> NDArray[np.float64]:
    """Return the middle of the stretches of each look, (L, 3), xyz in the unit of the tree; `entries` are sorted by looks."""
    points: dict[int, list[NDArray[np.float64]]] = {}
    for entry in entries:
        points.setdefault(entry.look, []).append(entry.points(tree))
    low, high = (np.array([of(np.concatenate(own), axis=0) for own in points.values()]) for of in (np.min, np.max))
    middles: NDArray[np.float64] = ((low + high) / 2).reshape(-1, 3)
    return middles
