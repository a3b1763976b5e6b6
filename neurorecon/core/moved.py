"""Names of version 0.5 that still work in this one, each with a warning that names the new home; gone in 0.7."""

import importlib
import sys
import warnings
from types import FrameType
from typing import Any

__all__ = ["NAMES", "moved_name"]

# Name that a package gave until 0.5 -> its present home and name.
NAMES = {
    ("neurorecon.batch", "SeamScore"): ("neurorecon.volumes", "SeamScore"),
    ("neurorecon.batch", "TraceVolumeSettings"): ("neurorecon.volumes", "TraceVolumeSettings"),
    ("neurorecon.batch", "TracedVolume"): ("neurorecon.volumes", "TracedVolume"),
    ("neurorecon.batch", "VolumeSettings"): ("neurorecon.volumes", "VolumeSettings"),
    ("neurorecon.batch", "describe_stack"): ("neurorecon.core.voxel_hash", "describe_stack"),
    ("neurorecon.batch", "parse_block"): ("neurorecon.volumes", "parse_block"),
    ("neurorecon.batch", "seam_scores"): ("neurorecon.volumes", "seam_scores"),
    ("neurorecon.batch", "segment_volume"): ("neurorecon.volumes", "segment_volume"),
    ("neurorecon.batch", "traced_volume"): ("neurorecon.volumes", "traced_volume"),
}


def moved_name(package: str, name: str) -> Any:
    """Return what `package` called `name` until 0.5, and warn; AttributeError where there was no such name."""
    if (package, name) not in NAMES:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    home, new = NAMES[package, name]
    warn(f"{package}.{name}", f"{home}.{new}")
    return getattr(importlib.import_module(home), new)


INNER = ("importlib", "neurorecon.batch", "neurorecon.io", __name__)


def warn(old: str, new: str) -> None:
    """Warn of an old name, at the line outside of neurorecon's shims and of the import system that uses it."""
    message = f"{old} is called {new} now; the old name goes in version 0.7"
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and (_is_importing(frame) or frame.f_globals.get("__name__") in INNER):
        level += not _is_importing(frame)  # `warnings` does not count these
        frame = frame.f_back
    warnings.warn(message, DeprecationWarning, stacklevel=level)


def _is_importing(frame: FrameType) -> bool:
    """Say whether a frame is of the import system itself, as `warnings` tells it."""
    name = frame.f_code.co_filename
    return "importlib" in name and "_bootstrap" in name
