"""Statistics of a block that tell a microscope from a drawing: noise, texture, grey values, spots, axial tails.

The residual is the block minus the mean of 31 x 31 voxels of the same plane; voxels of neurites and of bright bodies take
part in neither. Its autocorrelation is 0 for noise that each voxel has alone.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, gaussian_filter, maximum_filter, uniform_filter

__all__ = ["NAMES", "statistics"]

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

WINDOW = 31  # voxels of the local mean
LAGS = (1, 2, 4)  # voxels
QUANTILES = (0.01, 0.1, 0.25, 0.75, 0.9, 0.99)  # of the grey values
BRIGHT = 0.998  # quantile that stands for 1 on the scale of grey values
CUT = 0.99  # quantile of the smoothed block; above it lies what is cut beside the known neurites
CUT_WIDER = 2  # voxels by which a cut is widened
SPOT_OVER_NOISE = 5.0  # standard deviations that a spot is brighter than the band-passed background
TAIL_FROM, TAIL_TO = 2, 5  # planes beside a spot over which its tails are summed
NAMES = (
    *(f"{axis}{lag}" for axis in "xz" for lag in LAGS), "noise", "zero", *(f"q{100 * q:g}" for q in QUANTILES),
    "spots", "tail", "bands",
)  # fmt: skip


def statistics(block: NDArray[np.generic], neurite: Bool | None = None) -> dict[str, float]:
    """Return the statistics of a block (Z, Y, X) by name.

    `x1` to `z4`: autocorrelation of the residual. `noise`: its standard deviation as a share of the bright level over
    the median. `zero`: share of voxels at the lowest value. `q1` to `q99`: grey quantiles on the same scale. `spots`: per
    million voxels. `tail`: |above - below| over their sum, of the mean profile of spots. `bands`: spread of the planes'
    medians.
    """
    grey = np.asarray(block, np.float32)
    middle, bright = np.quantile(grey, (0.5, BRIGHT))
    scale = max(float(bright - middle), 1e-3)
    ground = _ground(grey, neurite)
    rest = residual(grey, ground)
    spread = float(np.sqrt((rest[ground] ** 2).mean())) if ground.any() else 0.0
    found = {f"{'zyx'[axis]}{lag}": _correlation(rest, ground, axis, lag) for axis in (2, 0) for lag in LAGS}
    found["noise"] = spread / scale
    found["zero"] = float((grey == grey.min()).mean())
    for q, value in zip(QUANTILES, np.quantile(grey, QUANTILES), strict=True):
        found[f"q{100 * q:g}"] = float(np.clip((value - middle) / scale, -3, 3))
    found["spots"], found["tail"] = _spots(grey, ground)
    found["bands"] = float(np.std([np.median(p) for p in grey])) / scale
    return {name: found[name] for name in NAMES}


def residual(grey: Float, ground: Bool) -> Float:
    """Return the block minus the local mean of its planes over `ground`; 0 elsewhere."""
    size = (1, min(WINDOW, grey.shape[1]), min(WINDOW, grey.shape[2]))
    weight = uniform_filter(ground.astype(np.float32), size)
    mean = uniform_filter(np.where(ground, grey, np.float32(0)), size) / np.maximum(weight, 1e-3)
    return np.where(ground, grey - mean, np.float32(0)).astype(np.float32)


def _ground(grey: Float, neurite: Bool | None) -> Bool:
    """Return the voxels of the background: no neurite, no bright body, wide margins."""
    smooth = gaussian_filter(grey, 1.0)
    cut = smooth > np.quantile(smooth, CUT)
    if neurite is not None:
        cut |= neurite
    return ~np.asarray(binary_dilation(cut, iterations=CUT_WIDER))


def _correlation(rest: Float, ground: Bool, axis: int, lag: int) -> float:
    """Return the correlation of the residual with itself `lag` voxels off along `axis`."""
    if rest.shape[axis] <= lag:
        return float("nan")
    low = tuple(slice(0, -lag) if a == axis else slice(None) for a in range(3))
    high = tuple(slice(lag, None) if a == axis else slice(None) for a in range(3))
    both = ground[low] & ground[high]
    a, b = rest[low][both], rest[high][both]
    power = 0.5 * float((a**2).mean() + (b**2).mean()) if both.any() else 0.0
    return float((a * b).mean()) / power if power > 0 else 0.0


def _spots(grey: Float, ground: Bool) -> tuple[float, float]:
    """Return spots per million voxels of background, and the asymmetry of their mean profile along z."""
    band = gaussian_filter(grey, 1.0) - gaussian_filter(grey, 3.0)
    centre = float(np.median(band[ground])) if ground.any() else 0.0
    noise = 1.48 * float(np.median(np.abs(band[ground] - centre))) if ground.any() else 0.0
    peak = (maximum_filter(band, 5) == band) & (band > centre + SPOT_OVER_NOISE * max(noise, 1e-3))
    count = int((peak & ground).sum())
    z, y, x = np.nonzero(peak)
    whole = (z >= TAIL_TO) & (z < len(grey) - TAIL_TO)
    z, y, x = z[whole], y[whole], x[whole]
    if len(z) < 5:
        return count / max(ground.sum(), 1) * 1e6, float("nan")
    smooth = gaussian_filter(grey, (0, 1, 1)) - gaussian_filter(grey, (0, 6, 6))
    profile = np.array([np.clip(smooth[z + k, y, x], -1e9, 1e9).mean() for k in range(-TAIL_TO, TAIL_TO + 1)])
    profile = np.clip(profile, 0, None)
    below, above = profile[: TAIL_TO - TAIL_FROM + 1].sum(), profile[TAIL_TO + TAIL_FROM :].sum()
    return count / max(ground.sum(), 1) * 1e6, float(abs(above - below) / max(above + below, 1e-6))
