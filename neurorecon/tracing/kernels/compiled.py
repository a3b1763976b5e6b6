"""Turn a loop over voxels into machine code, once per installation, by numba (Lam, Pitrou and Seibert 2015).

Only `*_kernels.py` import this file, and they are imported where a step runs: numba takes 0.35 s to
load, the kernels 0.3 s more from disk. Compiling all of them takes 10 s, once.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

__all__ = ["compiled"]

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(kernel: Kernel) -> Kernel:
    """Return a function that compiles itself at its first call, and is read from disk from then on.

    The machine code lies beside the source, or in the user's cache folder where that cannot be written. Where neither
    can be, every process compiles for itself. A kernel may call those of its own file only: numba looks at no other
    file's date.
    """
    try:
        return cast(Kernel, numba.njit(cache=True, error_model="numpy")(kernel))
    except RuntimeError:  # "no locator available": there is no folder to write to
        return cast(Kernel, numba.njit(error_model="numpy")(kernel))
