"""Facts about the machine and the installation that several packages need: cores, and the packages that affect results."""

import os

__all__ = ["PACKAGES", "cores"]

# Distributions that affect the numbers of a result: the record lists their versions, `doctor` checks each.
# A test compares them with the dependencies of pyproject.toml.
PACKAGES = (
    "dijkstra3d", "h5py", "imagecodecs", "monai", "navis", "nibabel", "numba", "numcodecs", "numpy", "pillow", "psutil",
    "pynrrd", "safetensors", "scikit-image", "scipy", "tifffile", "timm", "torch", "tqdm", "v3d-py-helper", "zarr",
)  # fmt: skip


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
