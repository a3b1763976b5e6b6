"""Stacks with voxel labels on some planes only, as TRAILMAP publishes them: all other voxels are ignored by the loss.

Labels: 0 not labelled, 1 background, 2 axon, 3 artefact (background that is bright), 4 rim of an axon (ignored).
The last labelled plane of each stack is never trained on: it is kept back for the report.
Data: Friedmann, Pun et al. 2020 (TRAILMAP), github.com/AlbertPun/TRAILMAP.
"""

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError
from neurorecon.segmentation.normalise import BRIGHT_SHARE
from neurorecon.training.sources.labels import BACKGROUND, IGNORE, NEURITE, UNSURE_SOMA
from neurorecon.training.sources.pairs import Source, count, encode

__all__ = ["load_sparse"]

log = logging.getLogger(__name__)

# of each label of the file; a section through an axon does not show its centre line, and somata are not labelled
MEANING = np.array([IGNORE, BACKGROUND, NEURITE, BACKGROUND, IGNORE], np.uint8) | np.uint8(UNSURE_SOMA)


def load_sparse(folder: Path, *, leave_out: frozenset[str] = frozenset(), kept_back: bool = False) -> list[Source]:
    """Load every NAME_volume.tif of `folder` with NAME_label.tif beside it, but the names in `leave_out`.

    Args:
        folder: holds the files.
        leave_out: names that must not be seen.
        kept_back: False keeps the labels of all labelled planes but the last of each stack, for training; True those of the
            last alone, for the report. A stack with one labelled plane cannot be used for training.

    Returns:
        Sources whose labels are IGNORE and UNSURE_SOMA wherever nothing is known. Every crop of them holds a labelled voxel,
        as often of an axon as of background.

    Raises:
        InputError: if no stack is left, or labels do not fit their stack.
    """
    sources = []
    for path in sorted(folder.glob("*_volume.tif")):
        name = path.name.removesuffix("_volume.tif")
        truth = path.with_name(f"{name}_label.tif")
        if name in leave_out or not truth.exists():
            continue
        made = _load(f"{folder.name}/{name}", path, truth, kept_back=kept_back)
        if len(made.centre):
            sources.append(made)
        else:
            log.warning("%s: fewer than two labelled planes, and the last is kept back; left out", truth)
    if not sources:
        raise InputError(f"{folder}: holds no NAME_volume.tif with NAME_label.tif of at least two labelled planes")
    return sources


def _load(name: str, path: Path, truth: Path, *, kept_back: bool) -> Source:
    """Return one stack with the labels that the loss may use."""
    from neurorecon.io import read_stack

    image, marks = np.asarray(read_stack(path).data), np.asarray(read_stack(truth).data)
    if image.shape != marks.shape:
        raise InputError(f"{truth}: is {marks.shape}, its stack {path.name} is {image.shape}; the shapes must agree")
    if marks.max() >= len(MEANING):
        raise InputError(f"{truth}: holds the label {marks.max():g}; labels are 0 to {len(MEANING) - 1}")
    planes = np.flatnonzero(marks.any((1, 2)))
    chosen = planes[-1:] if kept_back else planes[:-1]
    labels = np.full(marks.shape, IGNORE | UNSURE_SOMA, np.uint8)
    labels[chosen] = MEANING[marks[chosen].astype(np.intp)]
    codes, grey = encode(image)
    low = labels[chosen] & 3
    filled = float((low == NEURITE).sum() / max(1, (low != IGNORE).sum()))
    bright = min(max(filled, BRIGHT_SHARE), 0.4)
    return Source(
        name,
        codes,
        labels=labels,
        histogram=count(codes),
        centre=_anchors(labels),
        grey=grey,
        on_centre=1.0,
        bright=bright,
    )


def _anchors(labels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return flat indices of labelled voxels: all of axons, and about as many of background, evenly picked."""
    low = labels.ravel() & 3
    axon, other = np.flatnonzero(low == NEURITE), np.flatnonzero(low == BACKGROUND)
    if len(axon):
        other = other[:: max(1, len(other) // len(axon))]
    return np.concatenate([axon, other])
