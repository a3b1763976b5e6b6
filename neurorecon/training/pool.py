"""Synthetic crops from a corpus of morphologies, made once and kept in the cache."""

from pathlib import Path

import numpy as np

from neurorecon.training.data import Source, to_8bit
from neurorecon.training.settings import TrainSettings
from neurorecon.training.targets import BACKGROUND, CENTRE, IGNORE, NEURITE, RIM_RADIUS, SOMA, TUBE_RADIUS

__all__ = ["synthetic_sources"]


def read_crop(path: Path) -> Source:
    """Read a stored crop as a source."""
    with np.load(path) as stored:
        image, distance = to_8bit(stored["image"]), stored["distance"]
        neurite, soma, ignore = stored["neurite"], stored["soma"], stored["ignore"]
    low = np.full(image.shape, BACKGROUND, np.uint8)
    low[(distance <= 32 * RIM_RADIUS) | ignore] = IGNORE
    low[neurite | (distance <= 32 * TUBE_RADIUS)] = NEURITE
    low[distance <= 16] = CENTRE
    return Source.make(f"synthetic/{path.stem}", image, low | (soma * np.uint8(SOMA)))


def synthetic_sources(settings: TrainSettings) -> list[Source]:
    """TEMP."""
    return [read_crop(p) for p in sorted(settings.corpus.glob("*.npz"))]
