"""The evidence of a grey stack itself, for tracing without a network.

    response = Gaussian(stack, SIGMA) - box mean(stack, BOX)
    evidence = response / (response + half)

A neurite's width is kept, its surroundings are taken off. `half` is where the evidence is one half: the border that Otsu
(1979) draws among the voxels that rise above the noise, or a multiple of the noise where that is more. The noise is
1.4826 times the median absolute deviation, so neurites do not count as noise.
"""

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError, NoNeuronError
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.trace.settings import TraceSettings

__all__ = ["evidence_of"]

SIGMA_PX, BOX_PX = 1.2, 15.0  # the box reaches that far to each side
SURE = 4.0  # times the noise: voxels that take part in finding `half`
BORDER, LEAST = 0.75, 8.0  # `half` is at least BORDER of Otsu's border, and LEAST times the noise
SAMPLE = 4_000_000  # voxels from which noise and border are found
SLAB_VOXELS = 1 << 25
FULL_SCALE = 1000.0  # brightest voxel while computing: well inside a float16, which keeps 3 digits


def evidence_of(stack: Stack, settings: TraceSettings = TraceSettings()) -> Probability:
    """Return how clearly each voxel rises above its surroundings, as a probability map.

    Works slab by slab; besides the result it holds two bytes a voxel.

    Args:
        stack: any grey stack.
        settings: nothing of them is used yet; they are asked for so that a later method may be chosen by them.

    Returns:
        (Z, Y, X) uint8; the soma map is None.

    Raises:
        InputError: if the stack holds NaN or infinite values.
        NoNeuronError: if the stack is constant.
    """
    del settings
    response = respond(stack)
    step = max(1, response.size // SAMPLE)
    half = half_level(response.ravel()[::step].astype(np.float32))
    if half <= 0:
        raise NoNeuronError(f"{stack.source or 'the stack'}: no neuron found: nothing rises above its surroundings")
    evidence = np.empty(response.shape, np.uint8)
    for z in range(len(response)):
        risen = np.maximum(response[z].astype(np.float32), 0)
        evidence[z] = 255 * risen / (risen + half)
    return Probability(evidence, stack.voxel_size, None, stack.source)


def value_range(stack: Stack, slab: int) -> tuple[float, float]:
    """Return the lowest and the highest value of a stack.

    Raises:
        InputError: if one is NaN or infinite.
        NoNeuronError: if they are the same.
    """
    what = stack.source or "the stack"
    blocks = [np.asarray(stack.data[z : z + slab]) for z in range(0, stack.shape[0], slab)]
    low, high = min(float(b.min()) for b in blocks), max(float(b.max()) for b in blocks)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(f"{what} holds NaN or infinite values; replace them first")
    if low == high:
        raise NoNeuronError(f"{what}: no neuron found: every voxel has the value {low:g}")
    return low, high


def respond(stack: Stack) -> NDArray[np.float16]:
    """Return the response (Z, Y, X), the range of the stack scaled to FULL_SCALE."""
    from scipy.ndimage import gaussian_filter, uniform_filter

    planes, height, width = stack.shape
    spacing = np.ones(3) if stack.voxel_size is None else stack.voxel_size.relative_zyx
    sigma = SIGMA_PX / spacing
    reach = np.maximum(np.round(BOX_PX / spacing), 2).astype(int)
    slab = max(int(reach[0]), SLAB_VOXELS // (height * width))
    low, high = value_range(stack, slab)
    response = np.empty(stack.shape, np.float16)
    for z in range(0, planes, slab):
        start = max(0, z - 2 * int(reach[0]))
        block = np.asarray(stack.data[start : z + slab + 2 * int(reach[0])], np.float32)
        block = (block - np.float32(low)) * np.float32(FULL_SCALE / (high - low))
        difference = gaussian_filter(block, sigma, truncate=3.0, mode="nearest")
        difference -= uniform_filter(block, 2 * reach + 1, mode="nearest")
        response[z : z + slab] = difference[z - start : z - start + slab]
    return response


def half_level(sample: NDArray[np.float32]) -> float:
    """Return the response at which the evidence is one half; 0 if no value rises above the noise."""
    from skimage.filters import threshold_otsu

    middle = float(np.median(sample))
    noise = 1.4826 * float(np.median(np.abs(sample - middle)))
    risen = sample[sample > middle + SURE * noise + 1e-3]
    if len(risen) < 2:
        return 0.0
    flat = risen.min() == risen.max()
    border = float(risen[0]) if flat else float(threshold_otsu(risen))  # type: ignore[no-untyped-call]  # skimage
    return max(BORDER * border, LEAST * noise)
