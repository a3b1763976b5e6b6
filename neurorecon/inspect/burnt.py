"""A check for a tracing that was drawn into a stack, in one value above all others, through the planes."""

from collections.abc import Iterator

import numpy as np

from neurorecon.core.findings import StackFinding
from neurorecon.inspect.glimpse import Glimpse
from neurorecon.inspect.plane_checks import noisy

__all__ = ["check_burnt"]

# Set by hand; not tuned, unless a line says more.
GAP = 0.1  # of all grey values lie empty below that of the drawing: light fills them
FEWEST, MOST = 100, 0.02  # voxels of it, and their share at most: more are a mask, or a saturated stack
TOGETHER = 50  # of them side by side: hot pixels stand alone
OFTEN = 0.5  # of the planes in which a pixel is hot, or has a scale bar


def check_burnt(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that a line of one value, far above all light, runs through planes."""
    from scipy import ndimage

    low, high = seen.low, seen.high
    for part in seen.parts:
        top = part.data == part.data.dtype.type(high)
        count = int(np.count_nonzero(top))
        if not FEWEST <= count <= MOST * top.size or part.has_labels or not noisy(part.thin):
            continue
        below = float(part.data[~top].max())
        top &= ~(top.mean(0) > OFTEN)
        if high - below < GAP * (high - low) or int(np.count_nonzero(top)) < FEWEST:
            continue
        label, _ = ndimage.label(top, np.ones((3, 3, 3)))
        sizes = np.bincount(label.ravel())[1:]
        line = np.argwhere(label == 1 + int(sizes.argmax()))
        if len(line) >= TOGETHER and np.ptp(line[:, 0]) > 0:
            z, y, x = (int(n) for n in line[0] + np.array(part.first))
            text = f"{len(line)} voxels of one value far above all others, {high:g}, are connected from z={z}, y={y}, x={x}"
            way_out = "give the stack without the drawing: it is traced as a neurite"
            yield StackFinding("drawn-in", "warning", f"{text}, as a tracing drawn in does", way_out)
            return
