"""Whether a map for the tracer is a neurite probability, or a grey stack that took its place."""

import numpy as np

from neurorecon.core.findings import StackFinding
from neurorecon.core.probability import BACKGROUND, HALF, Probability
from neurorecon.io.units import Scale, scale_findings

__all__ = ["check_probability"]

# Set by hand; not tuned, unless a line says more.
SAMPLED_VOXELS = 1 << 22  # tell shares within 0.1 %
LOWEST_PEAK = 26  # 10 %: the map of a stack without a neuron has brighter specks
LIT = 0.001  # of the voxels above 10 %: fewer are specks, in a map of a stack without a neuron as well
PER_CENT = 100  # largest value of a map in per cent
SURE = 0.1  # of the voxels above 10 % are above 50 % in the map of a network; light falls off, and has few as bright


def check_probability(probability: Probability) -> list[StackFinding]:
    """Return the findings that a map looks like grey values, and that its voxel size is odd."""
    size = probability.voxel_size
    found = [] if size is None else list(scale_findings(Scale(size), size))
    grey = _looks_grey(probability)
    return found if grey is None else [*found, grey]


def _looks_grey(probability: Probability) -> StackFinding | None:
    planes = probability.shape[0]
    step = max(1, round((probability.voxels / SAMPLED_VOXELS) ** (1 / 3)))
    rows = [np.asarray(probability.neurite[z])[::step, ::step] for z in range(0, planes, step)]
    values = np.concatenate([row.ravel() for row in rows])
    median = float(np.median(values))
    lit, sure = int(np.count_nonzero(values > 25)), int(np.count_nonzero(values >= HALF))
    way_out = "trace a grey stack by --raw, or give it to `neurorecon run`"
    highest = int(values.max())
    if 0 < highest < LOWEST_PEAK:
        text = (
            f"nothing in it is above {highest / 255:.0%}: numbers of labels, or a mask of other values than 0 and 255?"
        )
        way_out = "bring it to 0 to 255: 255 where a neurite is certain"
    elif median > BACKGROUND:
        text = f"half of its voxels are at {median / 255:.0%} or above, as in a grey stack, or in the class of the background"
        way_out = f"{way_out}; of a probability by classes choose the neurites by --channel"
    elif lit >= LIT * values.size and sure < SURE * lit:
        text = f"{1 - sure / lit:.0%} of its bright voxels are below 50 %, as in a grey stack and not in a probability"
        if highest <= PER_CENT:
            way_out = f"{way_out}; of a probability in per cent multiply the values by 2.55"
    else:
        return None
    return StackFinding("looks-grey", "warning", text, way_out)
