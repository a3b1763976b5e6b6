"""Facts about the machine and the installation that several packages need: cores, packages, and quick ways to load these."""

import atexit
import ctypes
import gc
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["PACKAGES", "cores", "keep_loaded", "loading_for_good", "preload_torch", "seldom_collected"]

# Set by hand; not tuned, unless a line says more.
LOADING = 500_000  # objects between two collections: a whole run makes 290,000, which nearly all stay

# Distributions that affect the numbers of a result: the record lists their versions, `doctor` checks each.
# A test compares them with the dependencies of pyproject.toml.
PACKAGES = (
    "dijkstra3d", "h5py", "imagecodecs", "monai", "navis", "nibabel", "numba", "numcodecs", "numpy", "pillow", "psutil",
    "pynrrd", "safetensors", "scikit-image", "scipy", "tifffile", "timm", "torch", "tqdm", "v3d-py-helper", "zarr",
)  # fmt: skip


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Collect garbage seldom while libraries are loaded, which create none; saves 0.3 of 1.65 s of processor time."""
    former = gc.get_threshold()
    gc.set_threshold(LOADING, *former[1:])
    try:
        yield
    finally:
        gc.set_threshold(*former)


@contextmanager
def loading_for_good() -> Iterator[None]:
    """Load libraries inside, PyTorch among them, that a process needs until its end: for a command that owns its process.

    It waits for the thread, after an error too: a process that ends while libraries are being loaded may crash.
    """
    thread = preload_torch()
    try:
        with seldom_collected():
            yield
    finally:
        if thread is not None:
            thread.join()
    keep_loaded()


def keep_loaded() -> None:
    """Exclude all present objects from garbage collection, and skip the collection at the end of the process.

    Only for a command that owns its process: libraries stay until its end, and taking them apart there took 0.5 of 5.3 s of
    processor time. In a program that imports neurorecon, its own garbage would never be collected.
    """
    gc.freeze()
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)


def preload_torch() -> threading.Thread | None:
    """Load the machine code of PyTorch in a thread, and return it: Python goes on meanwhile, and `import torch` finds it there.

    Loading takes 0.2 s, in which Python's own import would hold the interpreter. The order is that of torch/__init__.py. A
    failure is ignored here, because it occurs again, with a message, when PyTorch is imported. Returns None if PyTorch is
    loaded already, or on any system but Linux, where its files are not known.
    """
    if sys.platform != "linux" or "torch" in sys.modules:
        return None
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "lib"
    thread = threading.Thread(target=_load_code, args=(folder,), name="neurorecon-preload", daemon=True)
    thread.start()
    return thread


def _load_code(folder: Path) -> None:
    """Load the libraries of PyTorch that know nothing of Python: the first one for all to see, as PyTorch does."""
    try:
        ctypes.CDLL(str(folder / "libtorch_global_deps.so"), mode=ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(folder / "libtorch.so"))
    except OSError:
        return


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
