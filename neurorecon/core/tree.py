"""A morphology: one tree a root, parents before children, so that cycles cannot exist."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError, MissingExtraError
from neurorecon.core.forest import children, degree, groups, nearest, root_of, rows_within
from neurorecon.core.left_out import LeftOut

__all__ = ["NodeType", "Tree", "Unit"]

Unit = Literal["um", "voxel"]


class NodeType:
    """Node types of the SWC format (Cannon et al. 1998; INCF SWC+)."""

    UNDEFINED, SOMA, AXON, DENDRITE, APICAL = 0, 1, 2, 3, 4


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """One tree, or a forest of several: the parent of node i is node `parent[i] < i`, that of a root is -1.

    Attributes:
        xyz: (N, 3) float64 points, x first, in `unit`.
        radius: (N,) float64, above 0, in `unit`.
        parent: (N,) int64 row of the parent, -1 for a root.
        type: (N,) int64 SWC node type; undefined (0) if not given.
        unit: "um" or "voxel" (then node (x, y, z) is array[z, y, x]).
        confidence: (N,) float64 in 0 to 1 for the edge from the parent to the node, or None where unknown.
        bridged: (N,) bool, true where the edge from the parent to the node spans a gap; None where unknown.
        promise: mean confidence by length of all traced cable, before doubtful stretches were removed; None where unknown.
        finest: smallest radius that the optics resolve, in `unit`: smaller ones are not measured; None where unknown.
        kind_probability: (N,) float64 in 0 to 1, of the likeliest kind of neurite (axon, dendrite, apical dendrite) at each
            node, whether or not `type` states it; None where kinds were not labelled.
        left_out: neurites that the tree lacks (`TraceSettings.missing`); lost where rows are taken from the tree.
        step_px: distance of neighbouring nodes in pixels, as the tree was traced; None where unknown: the tracer's usual one.

    Raises:
        InputError: if lengths differ, a number is not finite, a radius is not above 0 or a parent does not come first.
    """

    xyz: NDArray[np.float64]
    radius: NDArray[np.float64]
    parent: NDArray[np.int64]
    type: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # none given: undefined
    unit: Unit = "um"
    confidence: NDArray[np.float64] | None = None
    bridged: NDArray[np.bool_] | None = None
    promise: float | None = None
    finest: float | None = None
    kind_probability: NDArray[np.float64] | None = None
    left_out: tuple[LeftOut, ...] = ()
    step_px: float | None = None

    def __post_init__(self) -> None:
        """Convert to the stated types, and check once."""
        n = len(self.xyz)
        given = cast("NDArray[np.int64] | None", self.type)  # if nothing is bridged, None says the same
        kinds = given if given is not None and len(given) else np.zeros(n, np.int64)
        object.__setattr__(self, "xyz", np.ascontiguousarray(self.xyz, np.float64).reshape(n, 3))
        object.__setattr__(self, "radius", np.ascontiguousarray(self.radius, np.float64))
        object.__setattr__(self, "parent", np.ascontiguousarray(self.parent, np.int64))
        object.__setattr__(self, "type", np.ascontiguousarray(kinds, np.int64))
        if self.confidence is not None:
            object.__setattr__(self, "confidence", np.ascontiguousarray(self.confidence, np.float64))
        if self.bridged is not None:
            object.__setattr__(self, "bridged", np.ascontiguousarray(self.bridged, np.bool_))
        if self.kind_probability is not None:
            object.__setattr__(self, "kind_probability", np.ascontiguousarray(self.kind_probability, np.float64))
        self._check(n)

    def _check(self, n: int) -> None:
        given = (self.confidence, self.bridged, self.kind_probability)
        columns = [self.radius, self.parent, self.type, *(column for column in given if column is not None)]
        if any(column.shape != (n,) for column in columns):
            raise InputError(f"a tree of {n} nodes needs {n} values in every column; got {[c.shape for c in columns]}")
        if self.unit not in ("um", "voxel"):
            raise InputError(f"unit {self.unit!r} is not known; a tree is in 'um' or 'voxel'")
        if not (np.isfinite(self.xyz).all() and np.isfinite(self.radius).all()):
            bad = int(np.flatnonzero(~np.isfinite(self.xyz).all(1) | ~np.isfinite(self.radius))[0])
            raise InputError(f"node {bad + 1} has a coordinate or a radius that is not a finite number")
        if n and self.radius.min() <= 0:
            raise InputError(f"node {int(self.radius.argmin()) + 1} has radius {self.radius.min()}; it must be above 0")
        if n and ((self.parent >= np.arange(n)) | (self.parent < -1)).any():
            bad = int(np.flatnonzero((self.parent >= np.arange(n)) | (self.parent < -1))[0])
            raise InputError(f"node {bad + 1} names a parent that does not come before it; order parents first")

    def __len__(self) -> int:
        """Return the number of nodes."""
        return len(self.xyz)

    @property
    def roots(self) -> NDArray[np.int64]:
        """Rows of the roots, (R,)."""
        return np.flatnonzero(self.parent < 0)

    @property
    def children_count(self) -> NDArray[np.int64]:
        """Number of children of every node, (N,)."""
        return children(self.parent)

    @property
    def branch_points(self) -> NDArray[np.int64]:
        """Rows of degree 3 or more (METRICS.md counts the root's edges like any other's)."""
        return np.flatnonzero(degree(self.parent) >= 3)

    @property
    def tips(self) -> NDArray[np.int64]:
        """Rows of degree 1."""
        return np.flatnonzero(degree(self.parent) == 1)

    @property
    def edge_length(self) -> NDArray[np.float64]:
        """Distance from each node to its parent, (N,), in `unit`; 0 for a root."""
        length: NDArray[np.float64] = np.linalg.norm(self.xyz - self.xyz[self.parent], axis=1)
        length[self.parent < 0] = 0.0
        return length

    @property
    def cable_length(self) -> float:
        """Sum of all edges, in `unit`."""
        return float(self.edge_length.sum()) if len(self) else 0.0

    def root_of(self) -> NDArray[np.int64]:
        """Row of the root that each node belongs to, (N,)."""
        return root_of(self.parent)

    def take(self, rows: NDArray[np.int64]) -> "Tree":
        """Return the nodes `rows` (ascending); a node whose parent is left out becomes a root."""
        parent = rows_within(rows, self.parent[rows])
        confidence = None if self.confidence is None else self.confidence[rows]
        bridged = None if self.bridged is None else self.bridged[rows]
        columns = (self.xyz[rows], self.radius[rows], parent, self.type[rows])
        kinds = None if self.kind_probability is None else self.kind_probability[rows]
        known = self.promise, self.finest, kinds
        return Tree(*columns, self.unit, confidence, bridged, *known, step_px=self.step_px)

    @staticmethod
    def joined(trees: "Sequence[Tree]") -> "Tree":
        """Return several trees of one unit as a forest, in their order; a column that one of them lacks is None."""
        first = np.cumsum([0, *(len(tree) for tree in trees)])
        parent = [np.where(t.parent < 0, -1, t.parent + k) for t, k in zip(trees, first[:-1], strict=True)]
        known = [[getattr(tree, name) for tree in trees] for name in ("confidence", "bridged", "kind_probability")]
        confidence, bridged, kinds = (
            None if any(c is None for c in columns) else np.concatenate(columns) for columns in known
        )
        return Tree(
            np.concatenate([np.zeros((0, 3)), *(tree.xyz for tree in trees)]),
            np.concatenate([np.zeros(0), *(tree.radius for tree in trees)]),
            parent=np.concatenate([np.zeros(0, np.int64), *parent]),
            type=np.concatenate([np.zeros(0, np.int64), *(tree.type for tree in trees)]),
            unit=trees[0].unit if trees else "um",
            confidence=confidence if trees else None,
            bridged=bridged if trees else None,
            kind_probability=kinds if trees else None,
        )

    def split(self) -> "list[Tree]":
        """Return one tree a root, in the order of the roots."""
        return [self.take(rows) for rows in groups(self.root_of(), self.roots)]

    def neurons(self) -> "list[Tree]":
        """Return one tree or forest for each neuron of `neuron_rows`."""
        parts = self.neuron_rows()
        return [self] if len(parts) == 1 else [self.take(rows) for rows in parts]

    def neuron_rows(self) -> list[NDArray[np.int64]]:
        """Return the rows of each neuron, ascending; each neuron gets a file of its own.

        Each soma is a neuron. If there are several, a piece without a soma joins the neuron nearest to its root; if there
        is one or none, all pieces are one neuron, because a gap in the staining makes no new cell.
        """
        somata = self.roots[self.type[self.roots] == NodeType.SOMA]
        if len(somata) < 2:
            return [np.arange(len(self))]
        root = self.root_of()
        pieces = self.roots[~np.isin(self.roots, somata)]
        owner = np.arange(len(self))
        if len(pieces):
            whole = np.flatnonzero(np.isin(root, somata))
            owner[pieces] = root[whole][nearest(self.xyz[whole], self.xyz[pieces])]
        return groups(owner[root], somata)

    def to_navis(self, *, name: str = "neuron") -> Any:
        """Return a `navis.TreeNeuron` (a `navis.NeuronList` for a forest), units "um" or "voxel", node ids from 1.

        Raises:
            MissingExtraError: if navis cannot be imported.
        """
        try:
            import navis
            import pandas as pd
        except ImportError as error:
            raise MissingExtraError(f"to_navis needs navis: pip install navis ({error})") from error
        trees = self.split()
        neurons = []
        for k, tree in enumerate(trees):
            table = pd.DataFrame({
                "node_id": np.arange(1, len(tree) + 1),
                "parent_id": np.where(tree.parent >= 0, tree.parent + 1, -1),
                "x": tree.xyz[:, 0], "y": tree.xyz[:, 1], "z": tree.xyz[:, 2],
                "radius": tree.radius, "label": tree.type,
            })  # fmt: skip
            units = "1 micrometer" if self.unit == "um" else None
            label = name if len(trees) == 1 else f"{name}_{k + 1}"
            neurons.append(navis.TreeNeuron(table, units=units, name=label))
        return neurons[0] if len(neurons) == 1 else navis.NeuronList(neurons)
