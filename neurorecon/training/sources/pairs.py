"""Crops for training: real stacks with a tracing beside them, and synthetic ones; turned, dimmed, blurred at random.

A stack is kept as 8 bit codes with its histogram. So any change of grey values is a table of 256 entries, and it changes the
histogram and the levels of the whole stack as well.
"""

import dataclasses
import hashlib
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError
from neurorecon.core.files import hash_path, write_beside
from neurorecon.core.stack import Stack
from neurorecon.segmentation.normalise import (
    BRIGHT_SHARE,
    KNEE,
    compress,
    levels_of_histogram,
    levels_of_stack,
    normalise,
)
from neurorecon.swc import stated_unit
from neurorecon.training.sources.disturb_crop import (
    Greys,
    disturb_mildly,
    disturb_widely,
    err_in_levels,
    shuffle_ground,
)
from neurorecon.training.sources.dress_crop import lay_tissue, pad_blank
from neurorecon.training.sources.labels import CENTRE, SOMA
from neurorecon.training.sources.labels_visible import ignore_invisible
from neurorecon.training.sources.rescale_crop import SAME, Window, cut_image, cut_labels, draw_steps
from neurorecon.training.sources.truth import find_pairs, ignored_beside, labels_of_pair, name_of

__all__ = ["Drawable", "Source", "count", "crops", "encode", "in_even_steps", "load_pairs", "to_8bit"]

log = logging.getLogger(__name__)

# Set by hand; not tuned, unless a line says more.
ON_NEURITE = 0.7  # share of crops around a point of the centre line; the others fall anywhere
RULES = 2  # of labels: another number where the same files give other labels
LEAST_RANGE = 1e-3  # least range of the grey values: a block may have one value only
RESCALED = 0.3  # share of crops with another zoom or planes further apart than their stack has
SHUFFLED = 0.1  # share of crops whose background is speckle alone
PADDED = 0.06  # share of crops with a blank border, among those that may get tissue
FOREIGN = 0.3  # share of crops as from another microscope


@dataclass(frozen=True, slots=True)
class Source:
    """One stack to cut crops from.

    Attributes:
        name: for logs.
        image: (Z, Y, X) uint8 codes of grey values.
        labels: (Z, Y, X) uint8, see `labels`.
        histogram: (256,) voxels of each code in the whole stack.
        centre: (N,) flat indices of the voxels that crops are laid around: centre lines, or all labelled voxels.
        grey: (256,) ascending grey value that each code stands for.
        on_centre: share of the crops that hold a voxel of `centre`.
        bright: share of the voxels that a cut of the background to zero leaves at least: about what neurites fill.
    """

    name: str
    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    histogram: NDArray[np.int64]
    centre: NDArray[np.int64]
    grey: NDArray[np.float64] = field(default_factory=lambda: np.arange(256.0))
    on_centre: float = ON_NEURITE
    bright: float = BRIGHT_SHARE

    @classmethod
    def make(
        cls, name: str, image: NDArray[np.uint8], labels: NDArray[np.uint8], grey: NDArray[np.float64] | None = None
    ) -> "Source":
        """Count the histogram and find the centre lines; without `grey`, the codes are the grey values."""
        centre = np.flatnonzero((labels.ravel() & 3) == CENTRE)
        return cls(
            name,
            image,
            labels=labels,
            histogram=count(image),
            centre=centre,
            grey=np.arange(256.0) if grey is None else grey,
        )

    def around_bodies(self) -> "Source":
        """Return the same stack with crops that all hold a voxel of a cell body."""
        return dataclasses.replace(self, centre=np.flatnonzero(self.labels.ravel() & SOMA), on_centre=1.0)

    def source(self, rng: np.random.Generator) -> "Source":
        """Return itself: a stack from a file does not depend on chance."""
        return self


class Drawable(Protocol):
    """A source of crops, or an object that makes one on demand."""

    @property
    def name(self) -> str:
        """For logs."""

    def source(self, rng: np.random.Generator) -> Source:
        """Return a source for the next crop."""


def count(image: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the voxels of each of the 256 codes, (256,)."""
    total = np.zeros(256, np.int64)
    for plane in image:  # by planes: numpy counts int64 copies
        total += np.bincount(plane.ravel(), minlength=256)
    return total


def to_8bit(image: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Return `image` as uint8: as it is, or stretched between its least and its 99.99th percentile."""
    if image.dtype == np.uint8:
        return image.astype(np.uint8, copy=False)
    values = image.astype(np.float32)
    low, high = float(values.min()), float(np.percentile(values, 99.99))
    stretched = np.clip((values - low) / max(high - low, 1e-6), 0, 1) * 255
    return np.asarray(stretched.round(), np.uint8)


def encode(image: NDArray[np.generic]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return codes uint8 and the grey value of each, (256,): 8 bit as it is, more bits on the scale of `compress`, from 0.

    If 16 bits were scaled linearly, the background of a stack with bright somata would get a handful of codes. On the scale of
    the network, noise and neurites get most of the codes.
    """
    if image.dtype == np.uint8:
        return image.astype(np.uint8, copy=False), np.arange(256.0)
    levels = levels_of_stack(Stack(image))
    if levels.flat:
        return np.zeros(image.shape, np.uint8), np.arange(256.0)
    codes, values = in_even_steps(normalise(image, levels))
    return codes, np.asarray((values - values[0]) / KNEE * (levels.high - levels.low))


def in_even_steps(seen: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return codes uint8 of values as the network sees them, in even steps, and KNEE times the value of each, (256,)."""
    low = float(seen.min())
    high = max(float(seen.max()), low + LEAST_RANGE)
    codes = np.rint((seen - low) * (255 / (high - low)))
    return np.asarray(codes, np.uint8), np.sinh(np.linspace(low, high, 256) * math.asinh(KNEE))


def load_pairs(folder: Path, *, leave_out: frozenset[str], cache: Path | None, rooted: bool = False) -> list[Source]:
    """Load every stack of `folder` with its truth beside it (see `truth`), but the ids in `leave_out`.

    Labels are kept in `cache`. `rooted`: every tracing begins at a cell body.

    Raises:
        InputError: if the folder holds no pair, or a truth does not fit its stack.
    """
    from neurorecon.io import read_stack

    sources = []
    for path, truth in sorted(find_pairs(folder)):
        name = name_of(path)
        if name in leave_out:
            continue
        stack = read_stack(path)
        image, grey = encode(np.asarray(stack.data))
        sources.append(Source.make(f"{folder.name}/{name}", image, _labels(stack, truth, cache, rooted=rooted), grey))
    if not sources:
        raise InputError(
            f"{folder}: holds no pair of stack and truth that is not left out; there is nothing to train on"
        )
    log.info("%s: %d stacks", folder, len(sources))
    return sources


def _labels(stack: Stack, truth: Path, cache: Path | None, *, rooted: bool) -> NDArray[np.uint8]:
    """Draw the labels of a stack, or take them from the cache."""
    if cache is None:
        return labels_of_pair(stack, truth, rooted=rooted)
    file = cache / f"labels_{_label_key(stack, truth, rooted=rooted)}.npz"
    if file.exists():
        with np.load(file) as stored:
            return np.asarray(stored["labels"], np.uint8)
    labels = labels_of_pair(stack, truth, rooted=rooted)
    file.parent.mkdir(parents=True, exist_ok=True)
    with write_beside(file, overwrite=True) as beside:  # several runs may share a cache
        np.savez_compressed(beside, labels=labels)
    return labels


def _label_key(stack: Stack, truth: Path, *, rooted: bool) -> str:
    """Return a name for the labels that changes with all of their inputs."""
    scale = str(stack.voxel_size) if truth.suffix.lower() == ".swc" and stated_unit(truth) == "um" else ""
    key = hashlib.sha256(f"{RULES} {hash_path(truth)} {stack.shape} {scale}{' rooted' * rooted}".encode())
    key.update(np.asarray(stack.data).tobytes())
    if (ignored := ignored_beside(truth)) is not None:
        key.update(hash_path(ignored).encode())
    return key.hexdigest()[:24]


def crops(
    sources: Sequence[Drawable],
    shape: tuple[int, int, int],
    rng: np.random.Generator,
    *,
    augment: bool = True,
    tissue: float = 0.0,
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.uint8]]]:
    """Give (normalised image, label bits) crops of `shape` for ever; every source equally often.

    About half of the augmented crops look much like their stack; the others are rescaled, or as from another
    microscope, or both; a share `tissue` of them gets tissue around its neurites.
    """
    while True:
        source = sources[int(rng.integers(len(sources)))].source(rng)
        axes = rng.permutation(3) if augment and rng.random() < 0.3 else np.array([0, *(rng.permutation(2) + 1)])
        window = _window(source, tuple(int(shape[int(np.flatnonzero(axes == a)[0])]) for a in range(3)), rng, augment)
        table, greys = _greys(source, rng, augment=augment)
        grey = cut_image(source.image, table.astype(np.float32), window)
        labels = cut_labels(source.labels, source.centre, window)
        if augment:
            if rng.random() < SHUFFLED:
                grey = shuffle_ground(grey, labels, rng)
            if rng.random() < tissue:
                grey = lay_tissue(grey, greys, rng)
            grey = disturb_widely(grey, greys, rng) if rng.random() < FOREIGN else disturb_mildly(grey, rng)
            labels = ignore_invisible(grey, labels)
            if rng.random() < PADDED * (tissue > 0):
                grey, labels = pad_blank(grey, labels, rng)
            grey = err_in_levels(grey, rng)
        image, labels = np.transpose(compress(grey), axes), np.transpose(labels, axes)
        for axis in range(3):
            if rng.random() < 0.5:
                image, labels = np.flip(image, axis), np.flip(labels, axis)
        yield np.ascontiguousarray(image), np.ascontiguousarray(labels)


def _window(source: Source, shape: tuple[int, ...], rng: np.random.Generator, augment: bool) -> Window:
    """Lay a window, mostly around a neurite."""
    full = source.image.shape
    step = draw_steps(rng, shape, full) if augment and rng.random() < RESCALED else SAME
    if len(source.centre) and rng.random() < source.on_centre:
        point = np.array(np.unravel_index(int(rng.choice(source.centre)), full))
    else:
        point = rng.integers(0, full)
    return Window.around(point, shape, full, rng, step=step)


def _greys(source: Source, rng: np.random.Generator, *, augment: bool) -> tuple[NDArray[np.float64], Greys]:
    """Return the value of each code on the network's straight scale (256,), and how often the stack has them."""
    table = _grey_table(source, rng) if augment else source.grey
    values, counts = _sorted(table, source.histogram)
    levels = levels_of_histogram(values, counts)
    scale = 1.0 / max(levels.high - levels.low, 1e-3)
    return (table - levels.low) * scale, Greys((values - levels.low) * scale, counts / counts.sum())


def _sorted(table: NDArray[np.float64], histogram: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Order a table of new grey values and merge equal ones, as a histogram wants it."""
    values, index = np.unique(table, return_inverse=True)
    return values, np.bincount(index, weights=histogram).astype(np.int64)


def _grey_table(source: Source, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a monotone change of grey values: a background cut to zero, a gamma, a saturation."""
    table = np.maximum(source.grey, 0)
    share = np.cumsum(source.histogram) / source.histogram.sum()
    if rng.random() < 0.25:  # pre-processed stacks have a background of exactly 0
        kept = 10 ** rng.uniform(math.log10(source.bright), -0.3)
        table = np.maximum(table - table[min(int(np.searchsorted(share, 1 - kept)), 255)], 0)
    if rng.random() < 0.5:
        top = max(table[min(int(np.searchsorted(share, 0.9995)), 255)], 1.0)
        table = top * (table / top) ** np.exp(rng.normal(0.1, 0.4))
    if rng.random() < 0.15:
        table = np.minimum(table, table[min(int(np.searchsorted(share, rng.uniform(0.99, 0.9995))), 255)])
    return np.asarray(table, np.float64)
