"""The polarity of a stack (bright on dark, or dark on bright): its detection and its inversion.

With r = Gaussian(stack, 1.2 pixels) - mean of 31 x 31 pixels in some planes, neurites make one tail of r long. A stack looks
inverted if, at both of two ranks,

    median(r) - low tail of r > TIMES * (high tail of r - median(r)),

and the same holds for the grey values themselves without the factor. At rank TAILS[0] the ratio of the tails is 0.20 to 0.81 in
76 stacks of neurons and vessels, and above 1.5 in their negatives except the noisiest. In a dense or noisy stack (neuropil,
vessels) the tails of r are nearly alike, 1.2 to 1.5 in negatives, but those of the grey values are not: 14 and more in
negatives, 0.56 at most in 31 stacks as they are. So with FAR_DARKER in place of 1 for the grey values, JUST is enough for r.

A rank at which the grey values have no tail at all is ignored: if a neuron fills less than that, the ring of r around it is
larger than r on it.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.derived import Derived
from neurorecon.core.errors import InputError
from neurorecon.core.padding import some_boxes
from neurorecon.core.stack import Stack

__all__ = ["Inverted", "check_polarity", "inverted", "looks_inverted"]

# TIMES, JUST and FAR_DARKER lie between the ratios measured above; the others were set by hand and not tuned.
SIGMA_PX, AROUND = 1.2, 31  # a neurite, and its surroundings
TAILS = 0.001, 0.0001  # of the voxels: neurites fill as many, or a tenth of that in a brain
TIMES = 1.5  # twice of what the stacks above have at most
JUST, FAR_DARKER = 1.15, 5.0  # between negatives and stacks as they are, see above
FEWEST = 10_000  # pixels: of fewer the tails are a chance of two or three
KEPT = 1 << 18  # voxels of a place that are ranked


@dataclass(frozen=True, slots=True)
class Inverted(Derived):
    """The negative of a volume: 255 - v, 65535 - v, or -v of floats; computed as it is read."""

    def __getitem__(self, key: Any) -> Any:
        """Return the part that `key` names."""
        return negative(np.asarray(self.data[key]))


def negative(block: NDArray[Any]) -> NDArray[Any]:
    """Return grey values with bright and dark exchanged, of the same type."""
    return np.asarray(-block if block.dtype.kind == "f" else np.invert(block))


def inverted(stack: Stack) -> Stack:
    """Return the negative of a stack: an array of one, else computed as it is read."""
    data = negative(stack.data) if isinstance(stack.data, np.ndarray) else Inverted(stack.data)
    return replace(stack, data=data, inverted=True)


def check_polarity(stack: Stack) -> None:
    """Raise InputError if a stack looks dark on bright and its polarity was not given."""
    if stack.inverted is None and looks_inverted(stack):
        raise InputError(
            f"{stack.source or 'the stack'}: looks inverted: thin structures are darker than their surroundings; "
            "give --invert (invert=True) to trace dark neurites, or --no-invert (invert=False) to trace bright ones"
        )


def looks_inverted(stack: Stack) -> bool:
    """Return whether thin structures of a stack are dark on a bright ground; some planes are read."""
    boxes = list(some_boxes(stack.shape))[::2]
    rises, values = zip(*(tails_of(np.asarray(stack.data[box])[:1]) for box in boxes), strict=True)
    rise, value = np.concatenate(rises), np.concatenate(values)
    if len(rise) < FEWEST:
        return False
    ranks = [(r, v) for r, v in zip(lengths_of(rise), lengths_of(value), strict=True) if max(v) > 0]
    return bool(ranks) and any(
        all(below > times * above and darker > far * brighter for (below, above), (darker, brighter) in ranks)
        for times, far in ((TIMES, 1.0), (JUST, FAR_DARKER))
    )


def tails_of(plane: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the height above the surroundings, and the grey values, of some pixels of a plane (1, Y, X)."""
    from scipy.ndimage import gaussian_filter, uniform_filter

    grey = plane[0].astype(np.float64)  # differences of float32 would drown where the ground is high
    rise = gaussian_filter(grey, SIGMA_PX, mode="nearest") - uniform_filter(grey, AROUND, mode="nearest")
    step = max(1, grey.size // KEPT)
    return rise.ravel()[::step].astype(np.float32), grey.ravel()[::step].astype(np.float32)


def lengths_of(values: NDArray[np.float32]) -> list[tuple[float, float]]:
    """Return how far the lower and the upper tail of values reach from their median, at each rank of TAILS."""
    middle = float(np.median(values))
    return [tuple(abs(float(q) - middle) for q in np.quantile(values, (t, 1 - t))) for t in TAILS]  # type: ignore[misc]
