"""The stream of batches for the training steps: every source in its share, seeded."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurorecon.core.files import read_ids
from neurorecon.training.settings import TrainSettings
from neurorecon.training.sources.labelled_planes import load_sparse
from neurorecon.training.sources.labels import SOMA
from neurorecon.training.sources.pairs import Drawable, Source, crops, load_pairs
from neurorecon.training.sources.projections import load_flat
from neurorecon.training.sources.real_backgrounds import laid_neurites, load_grounds
from neurorecon.training.sources.synthetic import synthetic_sources
from neurorecon.training.sources.synthetic_live import FreshCrops

__all__ = ["Crop", "batches", "left_out", "load_sources", "stacked"]

OTHERS = ("synthetic", "flat", "sparse", "real", "grounds")  # kinds of sources that are no folder of pairs
BODIES = "bodies of "  # ... a folder: its stacks, with crops around their cell bodies
AS_THEY_ARE = ("real", "grounds", "sparse")  # sources that have real tissue already

Crop = tuple[NDArray[np.float32], NDArray[np.uint8]]


def left_out(settings: TrainSettings) -> frozenset[str]:
    """Return the ids of the list `leave_out`, none where there is no list."""
    return frozenset() if settings.leave_out is None else read_ids(settings.leave_out)


def load_sources(settings: TrainSettings) -> tuple[dict[str, list[Drawable]], list[Source]]:
    """Return the sources to train on, by kind, and those that are only watched.

    The kinds are the folders of pairs by name, and `synthetic`, `flat`, `sparse`, `real` and `grounds`; with `bodies_share`
    also the bodies of each.
    """
    leave_out = left_out(settings)
    unseen = leave_out | frozenset(settings.dev)
    sources: dict[str, list[Drawable]] = {}
    dev: list[Source] = []
    for folder in (*settings.pairs, *settings.real):
        kind = "real" if folder in settings.real else _kind(folder)
        for source in load_pairs(folder, leave_out=leave_out, cache=settings.cache, rooted=folder in settings.rooted):
            if source.name.split("/")[-1] in settings.dev:
                dev.append(source)
            else:
                sources.setdefault(kind, []).append(source)
                if settings.bodies_share and (source.labels & SOMA).any():
                    sources.setdefault(BODIES + kind, []).append(source.around_bodies())
    if settings.corpus is not None:
        sources["synthetic"] = [*synthetic_sources(settings)]
    if settings.flat:
        sources["flat"] = [p for folder in settings.flat for p in load_flat(folder, settings.crop, leave_out=unseen)]
    if settings.sparse:
        sources["sparse"] = [s for folder in settings.sparse for s in load_sparse(folder, leave_out=unseen)]
    if settings.grounds or settings.empty:
        laid = laid_neurites(settings)
        sources["grounds"] = [
            ground
            for folder in (*settings.grounds, *settings.empty)
            for ground in load_grounds(folder, laid, leave_out=unseen, empty=folder in settings.empty)
        ]
    return sources, dev


def _kind(folder: Path) -> str:
    """Return the name of a folder of pairs, kept apart from what is no folder of pairs."""
    return f"{folder.name}/" if folder.name in OTHERS else folder.name


def batches(
    sources: Mapping[str, Sequence[Drawable]], settings: TrainSettings, *, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Give (images (B, 1, Z, Y, X), labels (B, Z, Y, X)) for ever; folders of pairs take equal shares.

    With `settings.fresh` a second process makes synthetic crops; it ends with the iterator.
    """
    rng = np.random.default_rng(seed)
    groups = {name: [*group] for name, group in sources.items() if group}
    as_they_are = {*AS_THEY_ARE, *map(_kind, settings.bare)}
    as_they_are |= {BODIES + kind for kind in as_they_are}
    dressed = {name: 0.0 if name in as_they_are else settings.tissue for name in groups}
    streams = {name: crops(group, settings.crop, rng, tissue=dressed[name]) for name, group in groups.items()}
    names, share = _shares(list(streams), settings)
    fresh = FreshCrops(settings, groups["synthetic"]) if settings.fresh > 0 and "synthetic" in groups else None
    try:
        while True:
            if fresh is not None:
                fresh.take()
            yield stacked([next(streams[names[int(rng.choice(len(names), p=share))]]) for _ in range(settings.batch)])
    finally:
        if fresh is not None:
            fresh.close()


def _shares(names: list[str], settings: TrainSettings) -> tuple[list[str], NDArray[np.float64]]:
    """Return the names and the share of crops that each gives: the pairs get the rest."""
    fixed = {
        "synthetic": settings.synthetic_share, "flat": settings.flat_share, "sparse": settings.sparse_share,
        "real": settings.real_share, "grounds": settings.grounds_share,
    }  # fmt: skip
    of_bodies = [name for name in names if name.startswith(BODIES)]
    fixed |= {name: settings.bodies_share / len(of_bodies) for name in of_bodies}
    share = np.array([fixed.get(name, 0.0) for name in names])
    pairs = np.array([name not in fixed for name in names])
    if pairs.any():
        share[pairs] = max(0.0, 1 - share.sum()) / pairs.sum()
    return names, share / share.sum() if share.sum() > 0 else np.full(len(names), 1 / len(names))


def stacked(chosen: list[Crop]) -> tuple[Tensor, Tensor]:
    """Return crops as one batch: images (B, 1, Z, Y, X) and labels (B, Z, Y, X)."""
    images = torch.from_numpy(np.stack([image for image, _ in chosen]))[:, None]
    return images, torch.from_numpy(np.stack([labels for _, labels in chosen]))
