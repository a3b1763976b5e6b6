"""Huge bright bodies (saturated somata, a bead, a dead cell) are left out when the brightness of neurites is measured.

Every second plane and fourth pixel is read. A body is a region that exceeds a level in squares of at least SQUARE pixels,
together with its glow. Neurites down to a FAINTERth of the brightness of a body keep the usual level: the network sees the
logarithm of the light, so it finds a neurite with an eighth of the light of a soma as well as others.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.blocks import read_blocks
from neurorecon.core.stack import Stack

__all__ = ["FAINTER", "bright_without_bodies", "thinned"]

# Set by hand; not tuned, unless a line says more.
STEP = 2, 4, 4  # voxels (z, y, x): one of each such block is read
SQUARE = 7  # such pixels, 28 of the stack: more than the thickest neurites that the network gets without averaging
AROUND = 4, 10, 10  # such voxels from its inner ones: its rim and glow, 40 pixels of the stack
FAINTER = 8.0  # in the 76 stacks measured, a soma is up to 6.3 times as bright as the neurites
ROUNDS = 4  # a glow may be left that is brighter than the neurites


def bright_without_bodies(
    seen: NDArray[Any], low: float, high: float, bright_of: Callable[[NDArray[Any]], float]
) -> float | None:
    """Return the bright level of a stack without bodies, None where they do not decide it.

    Args:
        seen: the stack, `thinned`.
        low: its background.
        high: its bright level.
        bright_of: gives the bright level of some voxels.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    left, found = np.ones(seen.shape, bool), high
    for _ in range(ROUNDS):
        middles = minimum_filter(left & (seen > (low + found) / 2), (1, SQUARE, SQUARE))
        if not middles.any():
            break
        left &= ~maximum_filter(middles, [2 * n + 1 for n in AROUND])
        fainter = bright_of(seen[left]) if left.any() else found
        if not low < fainter < found:
            break
        found = fainter
    return found if high - low > FAINTER * (found - low) else None


def thinned(stack: Stack) -> NDArray[Any]:
    """Return some voxels of a stack, (Z, Y, X) / STEP; each chunk is decoded once."""
    some = np.empty([-(-n // step) for n, step in zip(stack.shape, STEP, strict=True)], np.dtype(stack.data.dtype))
    z, y, x = STEP
    for planes, rows, block in read_blocks(stack.data):
        place = slice(-(-planes.start // z), -(-planes.stop // z)), slice(-(-rows.start // y), -(-rows.stop // y))
        some[place] = block[-planes.start % z :: z, -rows.start % y :: y, ::x]
    return some
