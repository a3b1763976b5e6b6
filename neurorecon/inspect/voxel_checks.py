"""Checks of grey values: zeros, saturation, two values only."""

from collections.abc import Iterator

import numpy as np

from neurorecon.core.findings import StackFinding
from neurorecon.inspect.glimpse import LABELS, Glimpse

__all__ = ["check_negative", "check_saturation", "check_values", "check_zeros"]

# Set by hand; not tuned, unless a line says more.
ZEROS = 0.2  # share from which exact zeros are worth a note: cameras have an offset, so they were cut or padded
# Share at the highest value: contrast buttons saturate 0.35 % (ImageJ's default), which spares the neurites.
SATURATED, SATURATED_NOTE = 0.01, 0.002
LEAST_PLANES = 8  # fewer planes may be alike by chance


def check_zeros(seen: Glimpse) -> Iterator[StackFinding]:
    """Give the share of voxels that are exactly 0."""
    share = seen.share(0)
    if share >= ZEROS:
        text = f"{share:.0%} of the voxels are exactly 0: padded, masked, or cut at a background"
        yield StackFinding("exact-zeros", "note", text)


def check_negative(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that there are values below 0: an offset of the digitizer, or a background that was subtracted. They are taken."""
    if seen.low < 0:
        text = f"its values go down to {seen.low:g}, as of ScanImage, CT or a subtracted background; they are taken as they are"
        yield StackFinding("negative-values", "note", text)


def is_mask(seen: Glimpse) -> bool:
    """Tell whether two values alone stand in a stack."""
    low, high = seen.low, seen.high
    if low == high or seen.share(low) + seen.share(high) < 1:
        return False
    return all(bool(((part.data == low) | (part.data == high)).all()) for part in seen.parts)


def check_values(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that a stack holds two values only, a mask, or a few: labels."""
    if is_mask(seen):
        text = f"only the values {seen.low:g} and {seen.high:g} stand in it, as in a mask or a segmentation"
        yield StackFinding("two-values", "warning", text, "give the grey stack; a mask is for `neurorecon trace`")
        return
    values = np.unique(np.concatenate([part.values for part in seen.parts]))
    if 2 < len(values) <= LABELS and seen.low != seen.high:
        text = f"only {len(values)} grey values stand in it, as in labels of a segmentation"
        yield StackFinding("few-values", "warning", text, "give the grey stack")


def check_saturation(seen: Glimpse) -> Iterator[StackFinding]:
    """Say that many voxels stand at the highest value."""
    share = _moving_share(seen, seen.high)
    if seen.low == seen.high or share < SATURATED_NOTE or is_mask(seen):
        return
    text = f"{share:.1%} of the voxels stand at the highest value, {seen.high:g}, as in a saturated stack"
    way_out = "widths and somata are uncertain; record it with less light or gain"
    cut_off = share >= SATURATED and is_limit(seen.high)
    yield StackFinding("saturated", "warning" if cut_off else "note", text, way_out)


def _moving_share(seen: Glimpse, value: float) -> float:
    """Return the share of the voxels that have a value, without pixels equal in all planes: a scale bar is no light."""
    count = 0
    for part in seen.parts:
        thin = part.thin
        moving = thin.min(0) != thin.max(0) if len(thin) >= LEAST_PLANES else np.ones(thin.shape[1:], bool)
        count += int(np.count_nonzero(thin[:, moving] == value))
    return count / sum(part.thin.size for part in seen.parts)


def is_limit(value: float) -> bool:
    """Tell whether a grey value is the highest of 8 to 16 bits, or 1: where cameras and programs cut off."""
    return value == 1 or value in [2**bits - 1 for bits in range(8, 17)]
