"""A check for rows that were lost in single planes: they hold one value, or the row before once more.

A scanner that misses a trigger, or a disk that is too slow, leaves such rows between good ones. Noise is in every row anew, so
two rows that are alike to the voxel are none by chance.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.findings import StackFinding
from neurorecon.inspect.glimpse import Glimpse, Planes
from neurorecon.inspect.plane_checks import noisy

__all__ = ["check_rows"]

# Set by hand, and tried on 29 public stacks and 15 made from real projections: no alarm, and 33 to 35 of 44
# are told with such rows made; the others are black there.
FEWEST = 3  # rows: fewer harm nothing, and may be a flaw of one read
FILLED = 0.5  # of a row holds something else than the lost row beside it
USUAL = 0.25  # of the planes that lack the same row: more is a dead row of the camera, a mask or padding
THICKEST = 4  # rows lost one after the other
LINES = 0.1  # of all rows repeat the one before: enlarged, or no noise, and said as such
TASTED = 16  # pixels from one to the next of those by which rows are compared first


def check_rows(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that rows of single planes hold one value, or repeat the row before to the voxel."""
    looks = [(part, part.data) for part in seen.parts if not part.has_labels]
    blank = [place for part, data in looks for place in _places(part, _blank(data))]
    again = [place for part, data in looks if noisy(part.thin) for place in _places(part, _again(data))]
    for places, what in ((blank, "hold one value"), (again, "repeat the row before to the voxel")):
        if len(places) >= FEWEST:
            z, y = places[0]
            text = f"{len(places)} rows of single planes {what} (plane {z}, row {y} and others): they were lost"
            way_out = "record or export it again, or fill them from the rows beside; neurites break at them"
            yield StackFinding("dropped-rows", "warning", text, way_out)


def _places(part: Planes, lost: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return plane and row in the stack of rows (n, y) that were lost, without those that most planes lack."""
    if lost.mean() >= LINES:
        return []
    planes, rows = np.nonzero(lost & (lost.mean(0) < USUAL))
    return list(zip((planes + part.first[0]).tolist(), (rows + part.first[1]).tolist(), strict=True))


def _blank(data: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Return which rows (n, y) hold one value, while the nearest others, at most THICKEST away on both sides, hold more."""
    even = np.array([plane.min(1) == plane.max(1) for plane in data])
    lost = np.zeros_like(even)
    for z, y in np.argwhere(even).tolist():
        sides = [_beside(data[z], even[z], y, step) for step in (-1, 1)]
        lost[z, y] = all(row is not None and (row != data[z, y, 0]).mean() >= FILLED for row in sides)
    return lost


def _beside(plane: NDArray[np.generic], even: NDArray[np.bool_], y: int, step: int) -> NDArray[np.generic] | None:
    """Return the nearest row of more than one value on one side of a row, None where there is none near."""
    for k in range(1, THICKEST + 1):
        if 0 <= y + step * k < len(plane) and not even[y + step * k]:
            beside: NDArray[np.generic] = plane[y + step * k]
            return beside
    return None


def _again(data: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Return which rows (n, y) are to the voxel as the row before, and hold much."""
    taste = data[:, :, ::TASTED]
    same = np.zeros(data.shape[:2], bool)
    same[:, 1:] = (taste[:, 1:] == taste[:, :-1]).all(2)
    for z, y in np.argwhere(same).tolist():
        row = data[z, y]
        same[z, y] = np.array_equal(row, data[z, y - 1]) and (row != row.min()).mean() >= FILLED
    return same
