"""Count the voxels of a PBD code without decoding it (compression of Vaa3D: Peng et al. 2010).

The code is a row of tokens, a count byte each and what follows: literal values, small differences of 2 bits (8-bit
stacks) or 3, 4, 5 bits (16-bit stacks), or one value repeated.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["decoded_length", "token_tables"]

# Facts of the format, or limits set by hand; not tuned.
COMPILE_BYTES = 1 << 22  # below, plain Python is done before numba has compiled (about 0.5 s)


def token_tables(voxel_bytes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, for each count byte, the bytes that its token takes and the voxels that it gives, (256,) each."""
    count = np.arange(256)
    if voxel_bytes == 1:
        voxels = np.select([count < 33, count < 128], [count + 1, count - 32], count - 127)
        taken = np.select([count < 33, count < 128], [voxels, (voxels + 3) // 4], 1)
    else:
        kinds = [count < 32, count < 80, count < 183, count < 223]
        voxels = np.select(kinds, [count + 1, count - 31, count - 79, count - 182], count - 222)
        bits = np.select(kinds, [16, 3, 4, 5], 0)
        taken = np.where(count < 223, (voxels * bits + 7) // 8, 2)
    return (taken + 1).astype(np.int64), voxels.astype(np.int64)


def add_up(code: Any, taken: Any, voxels: Any) -> int:
    """Return the sum of the voxels of all whole tokens."""
    position, total = 0, 0
    while position < len(code):
        count = code[position]
        position += taken[count]
        if position <= len(code):
            total += voxels[count]
    return total


def decoded_length(code: NDArray[np.uint8], voxel_bytes: int) -> int:
    """Return the number of voxels that a code of 1 or 2 bytes a voxel gives; a token that is cut off gives none."""
    taken, voxels = token_tables(voxel_bytes)
    if len(code) < COMPILE_BYTES:
        return add_up(code.tobytes(), taken.tolist(), voxels.tolist())
    import numba

    return int(numba.njit(add_up)(code, taken, voxels))
