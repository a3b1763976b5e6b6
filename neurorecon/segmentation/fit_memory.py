"""Tiles that the memory of a GPU holds."""

import logging
from dataclasses import replace

import numpy as np

from neurorecon.core.errors import DeviceMemoryError
from neurorecon.segmentation.runner import Runner
from neurorecon.segmentation.settings import SegmentSettings
from neurorecon.segmentation.tiles import cut_stack

__all__ = ["shrunk_to_memory"]

log = logging.getLogger(__name__)


def shrunk_to_memory(run: Runner, shape: tuple[int, int, int], settings: SegmentSettings) -> SegmentSettings:
    """Return settings with a core that the memory of a GPU holds: halved until the largest tile of the stack runs.

    Tried before anything is written, so that all of a stack is cut alike.
    """
    import torch

    core = settings.core
    full = replace(run, half_share=0.0)  # it does not leave out an empty tile
    while run.device.type == "cuda":
        tile = [max(s.stop - s.start for s in spans) for spans in cut_stack(shape, settings.core, settings.halo)]
        smaller = halved(settings)
        try:
            full(np.zeros(tile, np.float32))
            break
        except DeviceMemoryError:
            if smaller == settings:
                raise
        torch.cuda.empty_cache()  # outside of the handler: until then the error holds on to what the tile had taken
        settings = smaller
    if settings.core != core:
        log.warning(
            "tiles with a core of %s do not fit into the memory of %s: it is %s", core, run.device, settings.core
        )
    return settings


def halved(settings: SegmentSettings) -> SegmentSettings:
    """Return `settings` with half the core, as far as they allow."""
    z, y, x = (max(c // 2, 2 * h, 8) for c, h in zip(settings.core, settings.halo, strict=True))
    return replace(settings, core=(z, y, x))
