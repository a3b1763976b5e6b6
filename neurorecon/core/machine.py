"""Facts about the machine and the installation that several packages need: cores, packages, and a quick way to load these."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["PACKAGES", "cores", "seldom_collected"]

# Set by hand; not tuned, unless a line says more.
LOADING = 200_000  # objects between two collections: PyTorch, numba and SciPy make a million, which all stay

# Distributions that affect the numbers of a result: the record lists their versions, `doctor` checks each.
# A test compares them with the dependencies of pyproject.toml.
PACKAGES = (
    "dijkstra3d", "h5py", "imagecodecs", "monai", "navis", "nibabel", "numba", "numcodecs", "numpy", "pillow", "psutil",
    "pynrrd", "safetensors", "scikit-image", "scipy", "tifffile", "timm", "torch", "tqdm", "v3d-py-helper", "zarr",
)  # fmt: skip


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Let Python look for garbage seldom while libraries are loaded, which make none: 0.3 of 1.65 s of processor time."""
    former = gc.get_threshold()
    gc.set_threshold(LOADING, *former[1:])
    try:
        yield
    finally:
        gc.set_threshold(*former)


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
