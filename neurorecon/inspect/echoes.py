"""Checks by the autocorrelation of planes: a picture that is shown twice, and rows that were cut at the wrong width.

The autocorrelation of a picture falls off from its middle. A second exposure aside by one step gives a peak at that step.
Rows that lie aside of one another by one step, as in raw voxels read with a wrong width, give a first row with a peak aside.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.findings import StackFinding
from neurorecon.inspect.drawn import check_drawn, check_stamps
from neurorecon.inspect.glimpse import Glimpse, Planes
from neurorecon.inspect.views import check_views

__all__ = ["check_echoes"]

Float = NDArray[np.float32]

# Chosen on 29 public stacks and 90 made from real projections: there the highest peak aside is 0.075, and the first row always
# peaks at its middle. Doubled stacks (0.8 of the light, or halves of both) have 0.1 to 0.7, slanted rows of 7 pixels and
# more 1.5 to 30 times as much at the peak as at the middle.
PLANES, SIDE = 6, 192  # planes, evenly spread, and pixels along y and x of their middle
BRIGHT = 0.999  # rank above which light is cut off, so that a soma alone decides nothing
COARSE_PX = 8.0  # structures above it are light that falls off, and no neurites
LIVELY = 0.2  # of the sum of squares is alike from row to row: less is noise
NEAREST, FARTHEST, RING = 6, 48, 4  # pixels from the middle to a peak, and around a peak where all is lower
PEAK = 0.15  # height of a peak aside above its ring, in parts of that of the middle
# A thin neurite aslant (a standard deviation of 0.7 pixels across) gives 1.7.
SLANT, SLANTED = 3, 2.0  # pixels from row to row, and times as much as at the middle


def check_echoes(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that all structures are shown twice, or that rows lie aside of one another by one step."""
    part = seen.liveliest
    alike = _autocorrelation(part)
    if alike is None or alike[1].max() < LIVELY * alike[0, 0]:
        return
    row = alike[1]
    step = int(row.argmax())
    step -= len(row) if step > len(row) // 2 else 0
    if abs(step) >= SLANT and row.max() > SLANTED * max(float(row[0]), 0.0):
        text = f"each row lies {abs(step)} pixels aside of the one before it: rows of another length?"
        way_out = "import the voxels again, with width and height as they were recorded (Fiji: File > Import > Raw)"
        if row.max() > SLANTED * float(row[-step]):  # every second line aside, there and back, has both sides alike
            yield StackFinding("slanted-rows", "warning", text, way_out)
        return
    place, height = _peak(alike)
    if height < PEAK or any(any(check(seen)) for check in (check_drawn, check_stamps, check_views)):
        return
    y, x = place
    aside = f"{abs(y)} pixels aside along y and {abs(x)} along x"
    text = f"everything is shown twice, {aside}: two exposures, views or channels in one?"
    way_out = "give one of them, or align them before they are added; neurites are traced twice"
    yield StackFinding("double-picture", "warning", text, way_out)


def _autocorrelation(part: Planes) -> Float | None:
    """Return the mean autocorrelation (y, x) of the middle of some planes, its middle at 0, 0; None of a few or even pixels."""
    from scipy import fft

    _, y, x = part.data.shape
    high, wide = min(SIDE, y), min(SIDE, x)
    if min(high, wide) < 2 * (NEAREST + RING + 2):
        return None
    top, left = (y - high) // 2, (x - wide) // 2
    planes = part.data[part.spread(PLANES), top : top + high, left : left + wide].astype(np.float32)
    if len(planes) > 1:
        planes -= planes.min(0)  # what stands still: drawings, and the pattern of a camera
    thin = planes[:, ::3, ::3].ravel()
    planes = np.minimum(planes, np.partition(thin, int(BRIGHT * (thin.size - 1)))[int(BRIGHT * (thin.size - 1))])
    power = (np.abs(fft.rfft2(planes)) ** 2).sum(0)
    across = np.exp(-((fft.fftfreq(high)[:, None] * COARSE_PX) ** 2) * 2 * np.pi**2)
    along = np.exp(-((fft.rfftfreq(wide)[None] * COARSE_PX) ** 2) * 2 * np.pi**2)
    alike = fft.irfft2(power * np.asarray((1 - across * along) ** 2, np.float32), (high, wide))
    return np.asarray(alike, np.float32) if np.isfinite(alike[0, 0]) and alike[0, 0] > 0 else None


def _peak(alike: Float) -> tuple[tuple[int, int], float]:
    """Return the place (y, x) of the peak that rises most above a ring around it, and how much, by the height of the middle."""
    from scipy.ndimage import maximum_filter

    reach = min(FARTHEST, min(alike.shape) // 2 - RING - 1)
    near = np.roll(alike, (reach + RING, reach + RING), (0, 1))[: 2 * (reach + RING) + 1, : 2 * (reach + RING) + 1]
    rise = near - maximum_filter(near, footprint=_disc(RING, RING) & ~_disc(RING, RING - 1.1))
    size = reach + RING
    rise[~_disc(size, reach) | _disc(size, NEAREST - 0.1)] = 0
    at = int(rise.argmax())
    y, x = divmod(at, rise.shape[1])
    middle: Any = max(alike[1, 0], alike[0, 1])  # beside the middle, which noise adds to
    return (y - size, x - size), float(rise.flat[at] / middle) if middle > 0 else 0.0


def _disc(size: int, radius: float) -> NDArray[np.bool_]:
    """Return which pixels of a square of 2 * `size` + 1 lie within a radius of its middle."""
    along = np.arange(-size, size + 1)
    return np.asarray(np.hypot(along[:, None], along[None]) <= radius)
