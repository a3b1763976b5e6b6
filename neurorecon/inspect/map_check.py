"""Whether a map for the tracer is a neurite probability, or a grey stack that took its place."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.findings import StackFinding
from neurorecon.core.probability import BACKGROUND, HALF, Probability
from neurorecon.core.stack import Stack
from neurorecon.io.units import Scale, scale_findings

__all__ = ["check_match", "check_probability"]

# Set by hand; not tuned, unless a line says more.
SAMPLED_VOXELS = 1 << 22  # tell shares within 0.1 %
LOWEST_PEAK = 26  # 10 %: the map of a stack without a neuron has brighter specks
LIT = 0.001  # of the voxels above 10 %: fewer are specks, in a map of a stack without a neuron as well
PER_CENT = 100  # largest value of a map in per cent
SURE = 0.1  # of the voxels above 10 % are above 50 % in the map of a network; light falls off, and has few as bright

# Chosen on 39 stacks with expert tracings: neurites are brighter than pixels beside them in 78 to 98 % of the pairs, and in 42
# to 60 % where the stack was mirrored along y or shifted by 7 pixels (45 to 78 % along z).
PLANES, LEAST_LIT = 12, 20  # planes that are looked at, evenly spread, and voxels of neurite in each
BESIDE_PX, FEWEST_PAIRS = 8, 500  # pixels from a neurite to the pixel that it is compared with; fewer pairs say nothing
BRIGHTER = 0.65  # share of the pairs


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


def check_match(probability: Probability, stack: Stack) -> list[StackFinding]:
    """Return a finding if a grey stack is no brighter where its map shows neurites than beside them: it is another stack."""
    neurite = probability.on_stack.neurite
    if tuple(neurite.shape) != tuple(stack.shape):
        return []  # said where both are traced
    brighter, pairs = 0.0, 0
    for z in np.unique(np.linspace(0, stack.shape[0] - 1, PLANES).astype(int)).tolist():
        lit = np.asarray(neurite[z : z + 1])[0] >= HALF
        if np.count_nonzero(lit) < LEAST_LIT:
            continue
        for above, count in _compared(lit, np.asarray(stack.data[z : z + 1])[0]):
            brighter, pairs = brighter + above, pairs + count
    if pairs < FEWEST_PAIRS or brighter >= BRIGHTER * pairs:
        return []
    text = f"the grey stack is brighter in its neurites than beside them in {brighter / pairs:.0%} of the pixels, as by chance"
    way_out = "give by --stack the stack that the map was made from, in the same orientation (dark neurites: --invert)"
    return [StackFinding("other-stack", "warning", text, way_out)]


def _compared(lit: NDArray[np.bool_], grey: NDArray[np.generic]) -> Iterator[tuple[float, int]]:
    """Give, on each side, how many pixels of neurite are brighter than the one BESIDE_PX aside, and how many there are."""
    from scipy.ndimage import uniform_filter

    smooth = uniform_filter(grey.astype(np.float32), 3)
    for axis in (0, 1):
        if lit.shape[axis] <= BESIDE_PX:
            continue
        low = tuple(slice(None, -BESIDE_PX) if k == axis else slice(None) for k in (0, 1))
        high = tuple(slice(BESIDE_PX, None) if k == axis else slice(None) for k in (0, 1))
        for here, there in ((low, high), (high, low)):
            taken = lit[here] & ~lit[there]
            a, b = smooth[here][taken], smooth[there][taken]
            yield float(np.count_nonzero(a > b)) + np.count_nonzero(a == b) / 2, int(a.size)
