"""Measurements of a whole stack that every part of it needs before it is segmented; made once."""

import logging
from dataclasses import dataclass, replace
from functools import partial

from neurorecon.core.coarsened import Step
from neurorecon.core.padding import Padding, without_padding
from neurorecon.core.polarity import check_polarity
from neurorecon.core.stack import Stack
from neurorecon.nets.model_registry import Model, load_model
from neurorecon.segmentation.adapt.inspect_tiles import adaptation_of, levels_at_sight
from neurorecon.segmentation.fit_memory import shrunk_to_memory
from neurorecon.segmentation.normalise import Levels
from neurorecon.segmentation.runner import Runner
from neurorecon.segmentation.settings import SegmentSettings
from neurorecon.segmentation.tiles import cut_stack

__all__ = ["Survey", "survey_by", "take_survey"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Survey:
    """The measurements of a stack.

    Attributes:
        levels: grey levels of the voxels that the network sees.
        planes: number of planes that the network gets for one of the stack (core/filled.py).
        voxels_as_one: (z, y, x) voxels that are then averaged into one (core/coarsened.py).
        sampled: the stack was not read whole for it (segmentation/adapt/sample.py).
        padding: padding of the stack, which the network does not get (core/padding.py).
        shift: added to the logit of neurites (segmentation/adapt/ground_noise.py).
        contrast: weight of the contrast of the picture in that logit (segmentation/fine_contrast.py).
    """

    levels: Levels
    planes: int = 1
    voxels_as_one: Step = (1, 1, 1)
    sampled: bool = False
    padding: Padding | None = None
    shift: float = 0.0
    contrast: float = 0.0

    def applied_to(self, run: Runner) -> Runner:
        """Return the network with the shift and the contrast of this stack."""
        return replace(run, shift=self.shift, contrast=self.contrast)


def take_survey(stack: Stack, settings: SegmentSettings | None = None, *, model: Model | None = None) -> Survey:
    """Return the measurements of a stack that `segment` needs.

    Args:
        stack: (Z, Y, X); a large one is not read whole.
        settings: see SegmentSettings.
        model: an open model; else `settings.model` is loaded.

    Raises:
        NoNeuronError: if the stack is constant.
        InputError: if it holds NaN or infinity, looks inverted, or the device is not there.
        DeviceMemoryError: if the memory of the device does not even hold a small tile.
        ModelError: if the model is unknown or damaged.
    """
    settings = settings or SegmentSettings()
    run = Runner.make(model or load_model(settings.model), settings)
    return survey_by(run, stack, shrunk_to_memory(run, stack.shape, settings))


def survey_by(run: Runner, stack: Stack, settings: SegmentSettings) -> Survey:
    """Return the survey of `take_survey`, with a network that is ready and settings that fit into its memory."""
    found = levels_at_sight(stack)
    check_polarity(without_padding(stack, found.padding))
    sampled = found.sample is not None
    cut = partial(cut_stack, core=settings.core, halo=settings.halo)
    once = replace(run, half_share=0.0)
    levels, planes, as_one, shift, even = adaptation_of(stack, found, cut, once, fit_voxels=settings.fit_voxels)
    log.info("grey levels: background %.4g, bright neurites %.4g", levels.low, levels.high)
    contrast = settings.contrast * even
    if contrast:
        log.info("the ground has little texture: the contrast of the picture counts with weight %.2f", contrast)
    return Survey(levels, planes, as_one, sampled=sampled, padding=found.padding, shift=shift, contrast=contrast)
