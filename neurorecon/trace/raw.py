"""The evidence of a grey stack itself, for tracing without a network."""

import numpy as np

from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.trace.settings import TraceSettings

__all__ = ["evidence_of"]


def evidence_of(stack: Stack, settings: TraceSettings = TraceSettings()) -> Probability:
    """Return how far each voxel rises above its surroundings, as a probability."""
    from scipy.ndimage import gaussian_filter, uniform_filter

    data = np.asarray(stack.data, np.float32)
    spacing = np.ones(3) if stack.voxel_size is None else stack.voxel_size.relative_zyx
    response = gaussian_filter(data, 1.2 / spacing, truncate=3) - uniform_filter(data, (13, 31, 31))
    sample = response.ravel()[:: max(1, response.size // 2_000_000)]
    noise = 1.4826 * float(np.median(np.abs(sample - np.median(sample))))
    noise = max(noise, 0.01 * float(np.percentile(sample, 99.9)), 1e-6)
    z = (response - np.median(sample)) / noise
    return Probability(np.clip(z * (255 / 12), 0, 255).astype(np.uint8), stack.voxel_size, None, stack.source)
