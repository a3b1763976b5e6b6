"""Reconstruct neurons from 3D light-microscope stacks: raw stack in, SWC out.

Public names are loaded when they are first used, so that `import neurorecon` costs nothing: see `__all__`. Arrays are
indexed [z, y, x]; points of trees are (x, y, z), in micrometres where the voxel size is known and in voxels otherwise.
"""

import importlib
from typing import Any

__version__ = "0.13.0"

# Public name -> the floor it comes from. `neurorecon/__init__.pyi` declares the same names with their types.
_HOMES = {
    "NeuroreconError": "neurorecon.core.errors",
    "NoNeuronError": "neurorecon.core.errors",
    "Probability": "neurorecon.core.probability",
    "ReconstructSettings": "neurorecon.pipeline",
    "Reconstruction": "neurorecon.pipeline",
    "SegmentSettings": "neurorecon.segmentation",
    "Stack": "neurorecon.core.stack",
    "SynthSettings": "neurorecon.synth",
    "TraceSettings": "neurorecon.tracing",
    "Tree": "neurorecon.core.tree",
    "VoxelSize": "neurorecon.core.geometry",
    "evidence_of": "neurorecon.tracing",
    "list_models": "neurorecon.nets",
    "load_model": "neurorecon.nets",
    "morphometrics": "neurorecon.report",
    "read_probability": "neurorecon.io",
    "read_stack": "neurorecon.io",
    "read_swc": "neurorecon.swc",
    "reconstruct": "neurorecon.pipeline",
    "score_masks": "neurorecon.evaluate",
    "score_trees": "neurorecon.evaluate",
    "segment": "neurorecon.segmentation",
    "synthesize": "neurorecon.synth",
    "trace": "neurorecon.tracing",
    "validate_swc": "neurorecon.swc",
    "with_kinds": "neurorecon.tracing",
    "write_stack": "neurorecon.io",
    "write_swc": "neurorecon.swc",
}

__all__ = [
    "NeuroreconError",
    "NoNeuronError",
    "Probability",
    "ReconstructSettings",
    "Reconstruction",
    "SegmentSettings",
    "Stack",
    "SynthSettings",
    "TraceSettings",
    "Tree",
    "VoxelSize",
    "__version__",
    "evidence_of",
    "list_models",
    "load_model",
    "morphometrics",
    "read_probability",
    "read_stack",
    "read_swc",
    "reconstruct",
    "score_masks",
    "score_trees",
    "segment",
    "synthesize",
    "trace",
    "validate_swc",
    "with_kinds",
    "write_stack",
    "write_swc",
]


def __getattr__(name: str) -> Any:
    """Import the floor that holds a public name, and return the name from it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'neurorecon' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Return the public names, for completion and help."""
    return sorted(__all__)
