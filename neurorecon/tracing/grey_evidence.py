"""The evidence of a grey stack itself, for tracing without a network.

    spark-free = min(stack, max(spark level, second largest of the 26 neighbours))
    response = Gaussian(spark-free, SIGMA) - box mean(spark-free, BOX)
    half here = max(half, SKIRT * largest response within NEAR)
    rise = (response - floor) / (half here - floor)
    evidence = rise ** GAMMA / (rise ** GAMMA + 1)

The width of a neurite is kept, its surroundings are subtracted. `floor` lies above the noise, which is 1.4826 times the median
absolute deviation, so that neurites do not count as noise. At `half` the evidence is one half: a share of the border
that Otsu (1979) draws among the voxels above the floor, or a multiple of the noise where that is more. Near a bright
neurite it is a share of that neurite's response, so that its skirt is no neurite.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.bright_bodies import bright_without_bodies, thinned
from neurorecon.core.errors import InputError, NoNeuronError
from neurorecon.core.geometry import relative_edges
from neurorecon.core.padding import Padding, padding_of, without_padding
from neurorecon.core.polarity import check_polarity
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.io import stack_of
from neurorecon.io.guard import check_room

__all__ = ["evidence_of"]

# Where a line names no other source: chosen by hand on the 39 training neurons (benchmarks/tracer.py); no sweep is recorded.
SIGMA_PX, BOX_PX = 1.2, 15.0  # the box reaches that far to each side
FAINT = 0.5  # see Probability
GAMMA = 0.6  # below 1: a faint neurite is followed further down once it is connected to a bright one
SURE = 4.0  # times the noise: the floor
BORDER, LEAST = 0.25, 8.0  # `half` is at least BORDER of Otsu's border, and LEAST times the noise
BRIGHT, HELD = (
    0.998,
    2.0,
)  # rank of the bright level, and times that level: bodies that outshine all else are held there
SKIRT, NEAR_PX = 0.35, 4.0  # share of the largest response, and distance within which it is taken (see above)
SAMPLE = 4_000_000  # voxels from which noise and border are found
SLAB_VOXELS = 1 << 25  # computed at a time: 128 MB of a float32
FULL_SCALE = 1000.0  # brightest voxel while computing: well inside a float16, which keeps 3 digits


def evidence_of(stack: Any) -> Probability:
    """Return how clearly each voxel rises above its surroundings, as a probability map.

    Works slab by slab; besides the result it holds two bytes a voxel.

    Args:
        stack: any grey stack: a Stack, a path or an array (Z, Y, X).

    Returns:
        (Z, Y, X) uint8; the soma map is None.

    Raises:
        InputError: if the stack holds NaN or infinite values, looks inverted, or memory does not hold the result.
        NoNeuronError: if the stack is constant.
    """
    stack = stack_of(stack, "evidence_of")
    check_room(stack.source, "response and evidence", 3 * stack.voxels)
    padding = padding_of(stack)
    check_polarity(without_padding(stack, padding))
    response = respond(stack, padding)
    step = max(1, response.size // SAMPLE)
    sample = response.ravel()[::step].astype(np.float32)
    floor, half = levels(sample[np.isfinite(sample)])
    if half <= floor:
        raise NoNeuronError(f"{stack.source or 'the stack'}: no neuron found: nothing rises above its surroundings")
    neurite = rise_above(response, floor, half, relative_edges(stack.voxel_size))
    return Probability(neurite, stack.voxel_size, None, stack.source, faint=FAINT, graded=True)


def rise_above(
    response: NDArray[np.float16], floor: float, half: float, edges: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Return the evidence (Z, Y, X) of a response, slab by slab."""
    from scipy.ndimage import maximum_filter

    near = np.maximum(np.round(NEAR_PX / edges), 1).astype(int)
    evidence = np.empty(response.shape, np.uint8)
    slab = max(4 * int(near[0]), SLAB_VOXELS // 8 // response[0].size)
    for z in range(0, len(response), slab):
        start = max(0, z - int(near[0]))
        block = response[start : z + slab + int(near[0])].astype(np.float32)
        here = np.maximum(half, SKIRT * maximum_filter(block, tuple(2 * near + 1), mode="nearest"))
        risen = np.maximum((block - floor) / (here - floor), 0) ** GAMMA
        evidence[z : z + slab] = (255 * risen / (risen + 1))[z - start :][:slab]
    return evidence


def look_over(stack: Stack, slab: int) -> tuple[float, float, NDArray[np.float64]]:
    """Return the lowest and the highest value of a stack, and a sample of its values.

    Raises:
        InputError: if one is NaN or infinite.
        NoNeuronError: if they are the same.
    """
    what = stack.source or "the stack"
    low, high, sample = math.inf, -math.inf, []
    step = max(1, stack.voxels // SAMPLE)
    for z in range(0, stack.shape[0], slab):
        block = np.asarray(stack.data[z : z + slab])
        least, most = float(block.min()), float(block.max())
        if not (math.isfinite(least) and math.isfinite(most)):
            raise InputError(f"{what} holds NaN or infinite values; replace them first")
        low, high = min(low, least), max(high, most)
        sample.append(block.ravel()[::step].astype(np.float64))
        del block
    if low == high:
        raise NoNeuronError(f"{what}: no neuron found: every voxel has the value {low:g}")
    return low, high, np.concatenate(sample)


def highest_of(stack: Stack, sample: NDArray[np.float64]) -> float:
    """Return the grey value at which huge bright bodies are clipped, infinity if the stack has none."""
    ground, bright = (float(q) for q in np.quantile(sample, (0.5, BRIGHT)))
    if bright <= ground:
        return math.inf
    seen = thinned(stack)
    found = bright_without_bodies(seen, ground, bright, lambda voxels: float(np.quantile(voxels, BRIGHT)))
    return math.inf if found is None else ground + HELD * (found - ground)


def spark_level(sample: NDArray[np.float64]) -> float:
    """Return the value above which a lone bright voxel is no noise of the usual kind: 4 deviations of the lower 99 %."""
    usual = sample[sample <= np.quantile(sample, 0.99)]
    return float(usual.mean() + 4 * usual.std())


def respond(stack: Stack, padding: Padding | None = None) -> NDArray[np.float16]:
    """Return the response (Z, Y, X), the range of the stack scaled to FULL_SCALE; -inf at its padding."""
    from scipy.ndimage import gaussian_filter, uniform_filter

    from neurorecon.tracing.kernels.grey_kernels import take_off_sparks

    planes, height, width = stack.shape
    stack, stored = without_padding(stack, padding), stack
    spacing = relative_edges(stack.voxel_size)
    sigma = SIGMA_PX / spacing
    reach = np.maximum(np.round(BOX_PX / spacing), 2).astype(int)
    slab = max(int(reach[0]), SLAB_VOXELS // (height * width))
    low, high, sample = look_over(stack, slab)
    high = min(high, highest_of(stack, sample))
    spark = FULL_SCALE * spark_level((np.minimum(sample, high) - low) / (high - low))
    power = -math.frexp(high - low)[1]  # changes no digit, and keeps what follows within the range of a float32
    low, high = math.ldexp(low, power), math.ldexp(high, power)
    response = np.empty(stack.shape, np.float16)
    for z in range(0, planes, slab):
        start = max(0, z - 2 * int(reach[0]))
        block = np.ldexp(np.asarray(stack.data[start : z + slab + 2 * int(reach[0])], np.float32), power)
        block = (np.minimum(block, np.float32(high)) - np.float32(low)) * np.float32(FULL_SCALE / (high - low))
        clean = np.empty_like(block)
        take_off_sparks(block, spark, clean)
        del block
        difference = gaussian_filter(clean, sigma, truncate=3.0, mode="nearest")
        difference -= uniform_filter(clean, 2 * reach + 1, mode="nearest")
        response[z : z + slab] = difference[z - start : z - start + slab]
        if padding is not None:
            response[z : z + slab][
                np.asarray(stored.data[z : z + slab]) == stored.data.dtype.type(padding.value)
            ] = -np.inf
    return response


def levels(sample: NDArray[np.float32]) -> tuple[float, float]:
    """Return the responses at which the evidence begins and is one half; equal if no value rises above the noise."""
    from skimage.filters import threshold_otsu

    middle = float(np.median(sample))
    noise = 1.4826 * float(np.median(np.abs(sample - middle)))
    floor = middle + SURE * noise + 1e-3
    risen = sample[sample > floor]
    if len(risen) < 2:
        return floor, floor
    flat = risen.min() == risen.max()
    border = float(risen[0]) if flat else float(threshold_otsu(risen))  # type: ignore[no-untyped-call]  # skimage
    return floor, max(BORDER * border, LEAST * noise, floor + 1e-3)
