"""Effects of scanners and programs on a stack after detection: jitter, resampling, filters, deconvolution."""

import numpy as np
from numpy.typing import NDArray

from neurorecon.synth.settings import SynthSettings
from neurorecon.synth.tissue import jitter

__all__ = ["reworked"]

Float = NDArray[np.float32]

# Set by hand with real stacks in view (docs/synthesis.md); not tuned.
SMOOTHED_PX = 0.6  # sigma before a deconvolution: programs hold the noise down
HALO_PX = (1.6, 2.0, 2.0)  # sigma (zyx) of the point spread that a deconvolution takes away too much of


def reworked(counts: Float, rate: Float, rng: np.random.Generator, settings: SynthSettings) -> Float:
    """Return the counts (Z, Y, X) after scan and processing; `rate` is the light without noise."""
    from scipy.ndimage import gaussian_filter, median_filter

    sigma = (settings.noise_planes, settings.noise_length_px, settings.noise_length_px)
    if max(sigma) > 0:
        noise = counts - rate
        smooth = gaussian_filter(noise, sigma, truncate=3)
        counts = rate + smooth * np.float32(float(noise.std()) / max(float(smooth.std()), 1e-9))
    if settings.jitter_px > 0:
        counts = jitter(counts, rng, most_px=settings.jitter_px)
    if settings.median > 1:
        counts = median_filter(counts, (1, settings.median, settings.median))
    if settings.ringing > 0:
        sharp = gaussian_filter(counts, (0, SMOOTHED_PX, SMOOTHED_PX))
        counts = np.maximum(sharp + np.float32(settings.ringing) * (sharp - gaussian_filter(sharp, HALO_PX)), 0)
    return np.asarray(counts, np.float32)
