"""All checks of a stack, one after the other."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from neurorecon.core.findings import LATER, StackFinding, refuse_if_strict, warnings_of
from neurorecon.core.stack import Stack
from neurorecon.inspect.blended_plane import check_blended
from neurorecon.inspect.burnt import check_burnt
from neurorecon.inspect.drawn import check_drawn, check_stamps
from neurorecon.inspect.dropped_rows import check_rows
from neurorecon.inspect.echoes import check_echoes
from neurorecon.inspect.exchanged_halves import check_halves
from neurorecon.inspect.glimpse import Glimpse, glimpse_of
from neurorecon.inspect.hot_pixels import check_hot
from neurorecon.inspect.kind_checks import check_bytes, check_labels, check_overflow, check_signed
from neurorecon.inspect.level_step import check_level_step
from neurorecon.inspect.light_change import check_light
from neurorecon.inspect.lines import check_lines, check_mirrored, check_seams
from neurorecon.inspect.missing_blocks import check_blocks
from neurorecon.inspect.one_plane import check_patches
from neurorecon.inspect.overlays import check_overlays
from neurorecon.inspect.plane_breaks import check_breaks, check_change, check_projection
from neurorecon.inspect.plane_checks import (
    check_blank,
    check_flicker,
    check_order,
    check_pairs,
    check_periods,
    check_repeats,
    check_shifts,
)
from neurorecon.inspect.raw_numbers import check_enlarged, check_widths
from neurorecon.inspect.stripes import check_stripes
from neurorecon.inspect.views import check_views
from neurorecon.inspect.voxel_checks import check_negative, check_saturation, check_values, check_zeros

__all__ = ["CHECKS", "checked", "examined"]

log = logging.getLogger(__name__)

Check = Callable[[Glimpse], Iterator[StackFinding]]

CHECKS: tuple[Check, ...] = (
    check_zeros,
    check_negative,
    check_values,
    check_labels,
    check_bytes,
    check_signed,
    check_overflow,
    check_widths,
    check_enlarged,
    check_saturation,
    check_drawn,
    check_stamps,
    check_overlays,
    check_patches,
    check_blended,
    check_hot,
    check_blocks,
    check_views,
    check_blank,
    check_repeats,
    check_flicker,
    check_level_step,
    check_light,
    check_periods,
    check_shifts,
    check_order,
    check_pairs,
    check_lines,
    check_stripes,
    check_rows,
    check_echoes,
    check_seams,
    check_mirrored,
    check_breaks,
    check_halves,
    check_change,
    check_projection,
    check_burnt,
)
"""Every check of voxels: a function from a glimpse of a stack to its findings."""


def examined(stack: Stack, *, strict: bool = False) -> Stack:
    """Return a stack with its findings; a stack that was examined before is returned unchanged.

    Warnings that reading has not said are logged, notes are not.

    Args:
        stack: of a large one on disk only columns are read.
        strict: refuse what would be warned of.

    Raises:
        InputError: if `strict`, and there is a warning.
    """
    source = stack.source or "the stack"
    if not stack.examined:
        size = "unknown" if stack.voxel_size is None else f"{stack.voxel_size} um"
        shape = " x ".join(map(str, stack.shape))
        channel = "" if stack.channel is None else f", channel {stack.channel}"
        log.info("%s: %s voxels (z, y, x), %s, voxel size %s%s", source, shape, stack.data.dtype, size, channel)
        read, stack = stack.findings, checked(stack)
        unsaid = [finding for finding in read if finding.name in LATER]
        for finding in warnings_of([*unsaid, *stack.findings[len(read) :]]):
            log.warning("%s: %s", source, finding)
    if strict:
        refuse_if_strict(source, stack.findings)
    return stack


def checked(stack: Stack) -> Stack:
    """Return a stack with the findings of all checks behind its own; nothing is logged."""
    seen = glimpse_of(stack)
    with np.errstate(all="ignore"):  # NaN is looked for, and refused, where blocks are read
        new = tuple(finding for check in CHECKS for finding in check(seen))
    return replace(stack, findings=(*stack.findings, *new), examined=True)
