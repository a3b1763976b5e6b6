"""Morphometrics of a tree, as navis counts them: the one file that knows navis."""

import contextlib
import dataclasses
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurorecon.core.errors import expected
from neurorecon.core.tree import Tree, Unit
from neurorecon.swc import read_swc

__all__ = ["Morphometrics", "morphometrics"]


@dataclass(frozen=True, slots=True)
class Morphometrics:
    """What navis measures on a morphology; for a forest the sum over its trees, unless said.

    Attributes:
        trees: number of trees.
        nodes: number of nodes.
        cable_length: length of all edges, in `unit`.
        tips: nodes without children; a root counts as the start of its tree, not as a tip.
        branch_points: nodes with two or more children, roots left out.
        strahler: largest Strahler index of all trees (Strahler 1952); 0 without nodes.
        tortuosity: path by distance, mean over the unbranched stretches of all trees (Stepanyants et al. 2004);
            None where there is no stretch.
        unit: "um" or "voxel".
    """

    trees: int
    nodes: int
    cable_length: float
    tips: int
    branch_points: int
    strahler: int
    tortuosity: float | None
    unit: Unit

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values, in the order of the fields."""
        return dataclasses.asdict(self)


def morphometrics(tree: Tree | str | Path) -> Morphometrics:
    """Measure a tree, or a forest, or an SWC file, with navis.

    Raises:
        MissingExtraError: if navis cannot be imported.
        InputError: if it is none of them.
    """
    found = read_swc(tree) if isinstance(tree, str | Path) else tree
    tree = expected(found, Tree, "morphometrics takes a Tree or the path of an SWC file")
    trees = tree.split()
    with _quiet():
        rows = [_measure(single) for single in trees]
    stretches = sum(count for *_, count in rows)
    bent = sum(ratio for *_, ratio, _ in rows)
    return Morphometrics(
        trees=len(trees),
        nodes=len(tree),
        cable_length=float(sum(row[0] for row in rows)),
        tips=sum(row[1] for row in rows),
        branch_points=sum(row[2] for row in rows),
        strahler=max((row[3] for row in rows), default=0),
        tortuosity=bent / stretches if stretches else None,
        unit=tree.unit,
    )


def _measure(tree: Tree) -> tuple[float, int, int, int, float, int]:
    """Return cable length, tips, branch points, Strahler index, summed tortuosity and number of stretches.

    The tortuosity is that of `navis.tortuosity`, on navis's own stretches. Its table look-up for each stretch costs
    half a millisecond (navis 1.12), more than all else together on a tree of a thousand branches; arrays cost 10 us.
    """
    if len(tree) < 2:  # navis 1.12 has no tortuosity for a point
        return 0.0, 0, 0, 1, 0.0, 0
    import navis

    neuron = tree.to_navis()
    navis.strahler_index(neuron)
    bent = [ratio for stretch in neuron.small_segments if (ratio := _tortuosity(tree, stretch)) is not None]
    index = int(neuron.nodes["strahler_index"].max())
    return float(neuron.cable_length), int(neuron.n_leafs), int(neuron.n_branches), index, sum(bent), len(bent)


def _tortuosity(tree: Tree, stretch: list[int]) -> float | None:
    """Return the path length of a stretch (node ids from 1) by the distance of its ends; None where they coincide."""
    points = tree.xyz[np.asarray(stretch) - 1]
    path, apart = np.linalg.norm(np.diff(points, axis=0), axis=1).sum(), np.linalg.norm(points[-1] - points[0])
    return float(path / apart) if apart > 0 else None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep navis from showing progress bars, and its and pandas' notices away from the user; put all back after."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import navis

        hidden, logger = navis.config.pbar_hide, logging.getLogger("navis")
        level = logger.level
        navis.config.pbar_hide = True
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            navis.config.pbar_hide = hidden
            logger.setLevel(level)
