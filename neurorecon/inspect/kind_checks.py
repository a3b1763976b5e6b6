"""Checks for voxels that are no grey values: labels of many bodies, numbers whose bytes are exchanged."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.findings import StackFinding
from neurorecon.inspect.glimpse import Glimpse, Planes
from neurorecon.inspect.voxel_checks import LABELS

__all__ = ["check_bytes", "check_labels"]

# Set by hand; not tuned, unless a line says more.
ROWS = 64  # of a plane that are looked at: whole rows, because neighbours are compared
FEWEST = 1000  # pairs of neighbours: fewer say nothing
FILLED = 0.5  # of the pixels of bodies have a neighbour that is no background either
SAME = 0.97  # of such pairs are of one label; nearest-neighbour scaling by 10 gives 0.9
ROUGH, SMOOTHER = (
    0.15,
    0.5,
)  # steps by their spread: real stacks have 0.04 to 0.13, five times as much with bytes exchanged


def check_labels(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that whole numbers fill bodies evenly: the labels of a segmentation. A few labels are said by `check_values`."""
    rows = _rows(seen)
    if any(finding.name == "labels" for finding in seen.stack.findings):
        return
    if rows.dtype.kind == "f" and not np.array_equal(rows, np.rint(rows)):
        return
    values, counts = np.unique(rows, return_counts=True)
    if len(values) <= LABELS:
        return
    bodies = (rows != values[counts.argmax()]) & (rows != values[-1])  # what is cut off at the top is even, too
    both = bodies[..., 1:] & bodies[..., :-1]
    pairs = int(np.count_nonzero(both))
    if pairs < FEWEST or pairs < FILLED * np.count_nonzero(bodies):
        return
    if np.count_nonzero(both & (rows[..., 1:] == rows[..., :-1])) > SAME * pairs:
        text = f"its values fill bodies evenly ({len(values)} whole numbers), as the labels of a segmentation do"
        yield StackFinding("labels", "warning", text, "give the grey stack; a mask is for `neurorecon trace`")


def check_bytes(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that a stack of 16 bit is smooth if the two bytes of each voxel are exchanged: read in the wrong byte order."""
    rows = _rows(seen)
    if rows.dtype != np.uint16:
        return
    here, other = _roughness(rows), _roughness(rows.byteswap())
    if here > ROUGH and other < SMOOTHER * here:
        text = "its voxels are noise, and a picture if the two bytes of each are exchanged: it was written in the other order"
        way_out = "import it again (Fiji: File > Import > Raw, with or without little-endian byte order)"
        yield StackFinding("byte-order", "warning", text, way_out)


def _rows(seen: Glimpse) -> NDArray[np.generic]:
    """Return some whole rows (n, y', x) of the part with the most light."""
    part = max(seen.parts, key=_spread)
    return part.data[:, :: max(1, part.data.shape[1] // ROWS)]


def _spread(part: Planes) -> float:
    return float(part.thin.std(dtype=np.float64))


def _roughness(rows: NDArray[np.generic]) -> float:
    """Return the usual step between neighbours by the standard deviation of all values, 0 of a constant stack."""
    values = rows.astype(np.float32)
    spread = float(values.std(dtype=np.float64))
    return float(np.abs(np.diff(values, axis=-1)).mean(dtype=np.float64)) / spread if spread else 0.0
