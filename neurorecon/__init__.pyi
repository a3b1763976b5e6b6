"""Types of the public names, which `__init__.py` loads when they are first used."""

from neurorecon.core.errors import NeuroreconError, NoNeuronError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree
from neurorecon.evaluate import score_masks, score_trees
from neurorecon.io import read_probability, read_stack, write_stack
from neurorecon.nets import list_models, load_model
from neurorecon.pipeline import Reconstruction, ReconstructSettings, reconstruct
from neurorecon.report import morphometrics
from neurorecon.segmentation import SegmentSettings, segment
from neurorecon.swc import read_swc, validate_swc, write_swc
from neurorecon.synth import SynthSettings, synthesize
from neurorecon.tracing import TraceSettings, evidence_of, trace, with_kinds

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

__version__: str
