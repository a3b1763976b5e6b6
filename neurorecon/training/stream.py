"""The stream of batches that a training step eats: every source in its share, seeded."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurorecon.training.data import Source, crops, load_pairs
from neurorecon.training.pool import synthetic_sources
from neurorecon.training.settings import TrainSettings

__all__ = ["Crop", "batches", "load_sources", "stacked"]

Crop = tuple[NDArray[np.float32], NDArray[np.uint8]]


def load_sources(settings: TrainSettings) -> tuple[dict[str, list[Source]], list[Source]]:
    """Return the sources to train on, by folder, and those that are only watched."""
    leave_out = frozenset(_ids(settings.leave_out))
    sources: dict[str, list[Source]] = {}
    dev = []
    for folder in settings.pairs:
        pairs = load_pairs(folder, leave_out=leave_out, cache=settings.cache)
        is_dev = [s.name.split("/")[-1] in settings.dev for s in pairs]
        dev += [s for s, d in zip(pairs, is_dev, strict=True) if d]
        sources[folder.name] = [s for s, d in zip(pairs, is_dev, strict=True) if not d]
    if settings.corpus is not None:
        sources["synthetic"] = synthetic_sources(settings)
    return sources, dev


def _ids(path: Path | None) -> list[str]:
    """Return the first word of every line that is not a comment."""
    lines = [] if path is None else path.read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]


def batches(sources: dict[str, list[Source]], settings: TrainSettings, *, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Give (images (B, 1, Z, Y, X), labels (B, Z, Y, X)) for ever; folders of pairs take equal shares."""
    rng = np.random.default_rng(seed)
    streams = {name: crops(group, settings.crop, rng) for name, group in sources.items() if group}
    real = [name for name in streams if name != "synthetic"]
    while True:
        chosen: list[Crop] = []
        for _ in range(settings.batch):
            fake = "synthetic" in streams and (not real or rng.random() < settings.synthetic_share)
            chosen.append(next(streams["synthetic" if fake else real[int(rng.integers(len(real)))]]))
        yield stacked(chosen)


def stacked(chosen: list[Crop]) -> tuple[Tensor, Tensor]:
    """Return crops as one batch: images (B, 1, Z, Y, X) and labels (B, Z, Y, X)."""
    images = torch.from_numpy(np.stack([image for image, _ in chosen]))[:, None]
    return images, torch.from_numpy(np.stack([labels for _, labels in chosen]))
