"""A check for a stack whose two parts stand in the wrong order: its last plane goes on at its first one.

The first and the last plane of a stack lie farthest from each other, and are least alike. Where they are as like as neighbours,
and two planes in between are not, the planes were rotated: a ring buffer that was saved as it stood, or parts joined in the
wrong order.
"""

from collections.abc import Iterator

import numpy as np

from neurorecon.core.findings import StackFinding
from neurorecon.inspect.glimpse import Glimpse, Planes

__all__ = ["check_halves"]

# Chosen on 31 public stacks and 15 made from real projections, and on all of them from their middle on.
LEAST_PLANES = 12
SHORTEST = 3  # planes of a part: one plane is a projection, or out of order
AROUND = 3  # pairs on either side that tell how alike neighbours are, and at both ends
DIP = 0.03  # of a correlation, by which two planes are less alike than the pairs around
TIMES = 3.0  # the dip of any other pair
# Correlation of the last and the first plane, and share of the dip by which it may fall below usual.
RING, NOT_LOST = 0.3, 0.3
UNLIKE = 0.3  # of the dip, by which planes half a stack apart are less alike than neighbours, at least


def check_halves(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that the last plane goes on at the first one, and between which planes the stack breaks instead."""
    part = seen.liveliest
    place = _break(part)
    if place is not None:
        z = place + part.first[0]
        text = f"the picture breaks from plane {z} to {z + 1}, and its last plane goes on at its first one: parts exchanged?"
        way_out = f"put the planes from {z + 1} on before the others (numpy: numpy.roll(stack, {-place - 1}, axis=0))"
        yield StackFinding("halves-exchanged", "warning", text, way_out)


def _break(part: Planes) -> int | None:
    """Return the plane behind which the stack breaks, None if it does not, or its ends do not fit."""
    count = len(part.data)
    if count < LEAST_PLANES:
        return None
    flat = part.thumbs()
    alike = (flat[1:] * flat[:-1]).sum(1).astype(np.float64)
    usual = np.array([np.median(np.delete(alike, z)[max(0, z - AROUND) : z + AROUND]) for z in range(len(alike))])
    dip = usual - alike
    place = int(np.argmax(dip))
    others = np.delete(dip, slice(max(0, place - 1), place + 2))
    if dip[place] < max(DIP, TIMES * float(others.max(initial=0))) or not SHORTEST - 1 <= place < count - SHORTEST:
        return None
    ring = float(flat[0] @ flat[-1])
    ends = float(np.median(np.concatenate([alike[:AROUND], alike[-AROUND:]])))
    fits = ring >= max(RING, min(ends, usual[place]) - NOT_LOST * dip[place])
    far = float(
        np.median((flat[count // 2 :] * flat[: count - count // 2]).sum(1))
    )  # where all planes are alike, any fit
    return place if fits and far <= usual[place] - UNLIKE * dip[place] else None
