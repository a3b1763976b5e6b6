"""Neurites of known truth laid into real backgrounds: the light of synthesis, the tissue of a microscope.

    grey = ground + gain * light + noise of that light,

the ground a random block of a real stack on the straight scale of its own levels, the light a synthetic neurite without any
background, blurred by its optics. A ground is one of three:

- a stack with a tracing or a mask beside it: its own neurites stay, and stay labelled;
- a stack without: it may hold neurites, so the loss ignores all voxels that stand out of their surroundings;
- a stack that holds no neurites: all of it is background.

Some blocks get no neurites, and in others the phases of the ground are scrambled (`synth.tissue.surrogate`). They hold texture
only, so that a network learns to find nothing in texture.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError
from neurorecon.core.files import write_beside
from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree
from neurorecon.segmentation.normalise import KNEE, compress, levels_of_histogram
from neurorecon.synth import SynthSettings, randomized, synthesize
from neurorecon.synth.tissue import axial_tail, surrogate
from neurorecon.training.settings import TrainSettings
from neurorecon.training.sources import synthetic as pool
from neurorecon.training.sources.labels import BACKGROUND, CENTRE, IGNORE, NEURITE, SOMA, UNSURE_SOMA
from neurorecon.training.sources.pairs import Source, count, encode, in_even_steps
from neurorecon.training.sources.truth import find_pairs, is_ignored_mask, labels_of_pair, name_of

__all__ = ["Ground", "Laid", "laid_neurites", "load_grounds", "make_laid"]

log = logging.getLogger(__name__)

Float = NDArray[np.float32]
Labels = NDArray[np.uint8]

# Set by hand; not tuned, unless a line says more.
BLOCK = (48, 144, 144)  # of a ground; larger than a training crop, so that a crop may be rescaled
USES = 3  # crops of a block before another one is made
EMPTY = 0.25  # share of the blocks into which nothing is laid
SCRAMBLED = 0.15  # share of the blocks whose phases are scrambled
GAIN = (0.12, 1.5)  # light of a neurite, in shares of the ground's bright level
OUTSTANDING = 3.5  # deviations above its surroundings: may be a neurite
NEAR, WIDE = 1.0, 12.0  # voxels: sigma of a neurite's light, and of its surroundings
MOST_FILLED = 0.1  # of the voxels of a laid neurite's window: more, and crops lie inside of a body altogether
MARGIN = 2  # voxels around what stands out
CODES = 200.0  # codes of a light of 1; brighter light is clipped at 255 / 200
SHAPE_FIELDS = (
    "seed", "voxel_size", "crop_zyx", "crop_at", "wander_px", "calibre", "diameter_px", "thinnest_px", "thickest_px",
    "membrane", "branch_spread", "staining", "staining_length_px", "gaps", "boutons", "spines", "psf_lateral_px",
    "psf_axial_px", "blur_growth",
)  # fmt: skip
DARK = {
    "neighbours": 0, "out_of_focus": 0, "puncta": 0.0, "blobs": 0.0, "attenuation": 0.0, "background": 0.0, "gradient": 0.0,
    "haze": 0.0, "flicker": 0.0, "photons": 1e6, "read_noise": 0.0, "exposure": 0.5, "offset": 0.0, "bit_depth": 16,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Laid:
    """A neurite to be laid into a ground.

    Attributes:
        light: (Z, Y, X) uint8, CODES at the bright level.
        labels: (Z, Y, X) uint8, see `labels`.
    """

    light: NDArray[np.uint8]
    labels: Labels


def make_laid(tree: Tree, rng: np.random.Generator, shape: tuple[int, int, int]) -> Laid:
    """Return the light of a window of `tree` on black, and its labels."""
    for _ in range(pool.TRIES):
        drawn = randomized(rng, tree, crop_zyx=shape)
        made = synthesize(tree, SynthSettings(**{name: getattr(drawn, name) for name in SHAPE_FIELDS}, **DARK))  # type: ignore[arg-type]
        if made.neurite.mean() < MOST_FILLED:
            break
    light = np.asarray(made.stack.data, np.float32) / np.float32(0.5 * 65535) * np.float32(CODES)
    return Laid(
        np.clip(np.rint(light), 0, 255).astype(np.uint8),
        np.asarray(pool.low_labels(made) | made.soma * np.uint8(SOMA), np.uint8),
    )


class Ground:
    """A real stack into which neurites are laid; a few crops come from each block.

    Args:
        name: for logs.
        image: (Z, Y, X) of the stack.
        labels: (Z, Y, X) its own labels.
        laid: neurites to choose from.
    """

    def __init__(self, name: str, image: NDArray[np.generic], labels: Labels, laid: list[Laid]) -> None:
        """Keep the stack on the straight scale of its levels."""
        self.name = name
        self._codes, grey = encode(image)
        histogram = count(self._codes)
        levels = levels_of_histogram(grey, histogram)
        self._value = ((grey - levels.low) / max(levels.high - levels.low, 1e-6)).astype(np.float32)
        self._share = histogram / histogram.sum()
        self._labels, self._laid = labels, laid
        self._made: Source | None = None
        self._uses = 0

    def source(self, rng: np.random.Generator) -> Source:
        """Return a block with neurites laid into it, made anew after every few crops."""
        if self._made is None or self._uses >= USES:
            self._made, self._uses = self._block(rng), 0
        self._uses += 1
        return self._made

    def _block(self, rng: np.random.Generator) -> Source:
        """Lay a neurite into a random block of the stack."""
        box = tuple(
            slice(s, s + n)
            for s, n in (
                (int(rng.integers(max(1, full - side + 1))), min(side, full))
                for side, full in zip(BLOCK, self._codes.shape, strict=True)
            )
        )
        grey, labels = self._value[self._codes[box]], self._labels[box].copy()
        empty = rng.random() < EMPTY or not self._laid
        if rng.random() < SCRAMBLED:
            grey, labels = surrogate(rng, grey), np.full(labels.shape, BACKGROUND, np.uint8)
        if not empty:
            grey, labels = lay(grey, labels, self._laid[int(rng.integers(len(self._laid)))], rng)
        return self._source_of(grey, labels)

    def _source_of(self, grey: Float, labels: Labels) -> Source:
        """Return a block (values on the straight scale) as a source with the grey values of its stack."""
        codes, bent = in_even_steps(compress(grey))
        values = bent / KNEE
        at = np.clip(np.searchsorted(values, self._value), 0, 255)
        inside = count(codes)
        histogram = np.bincount(at, weights=self._share, minlength=256) * 4 * inside.sum() + inside
        centre = np.flatnonzero((labels.ravel() & 3) == CENTRE)
        return Source(
            self.name,
            codes,
            labels=labels,
            histogram=histogram.astype(np.int64),
            centre=centre,
            grey=values - values[0],
        )  # from 0 on


def lay(grey: Float, labels: Labels, laid: Laid, rng: np.random.Generator) -> tuple[Float, Labels]:
    """Return a block and its labels with a neurite laid into it: turned, as bright as chance has it, with noise of its own."""
    light, marks = _turned(laid, grey.shape, rng)
    gain = float(np.exp(rng.uniform(*np.log(GAIN))))
    added = light.astype(np.float32) * np.float32(gain / CODES)
    if rng.random() < 0.4:
        added = axial_tail(added, rng)
    noise = rng.standard_normal(grey.shape, np.float32) * np.sqrt(added) * np.float32(rng.uniform(0, 0.3))
    low, own, own_soma = marks & 3, labels & 3, labels & np.uint8(SOMA | UNSURE_SOMA)
    neurite = (low == NEURITE) | (low == CENTRE)
    rim = (low == IGNORE) & (own == BACKGROUND)
    joined = np.where(neurite, low, np.where(rim, np.uint8(IGNORE), own))
    somata = np.where((marks & SOMA) > 0, np.uint8(SOMA), own_soma)
    return grey + added + noise, np.asarray(joined | somata, np.uint8)


def _turned(laid: Laid, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[NDArray[np.uint8], Labels]:
    """Return light and labels cut to `shape` and mirrored at random, y and x swapped in half of the cases."""
    light, labels = laid.light, laid.labels
    if rng.random() < 0.5 and light.shape[1] >= shape[2] and light.shape[2] >= shape[1]:
        light, labels = light.swapaxes(1, 2), labels.swapaxes(1, 2)
    starts = [int(rng.integers(n - m + 1)) for n, m in zip(light.shape, shape, strict=True)]
    box = tuple(slice(s, s + m) for s, m in zip(starts, shape, strict=True))
    light, labels = light[box], labels[box]
    for axis in range(3):
        if rng.random() < 0.5:
            light, labels = np.flip(light, axis), np.flip(labels, axis)
    return light, labels


def laid_neurites(settings: TrainSettings) -> list[Laid]:
    """Return `settings.laid` neurites made from `settings.corpus`, taking from the cache those already there.

    Raises:
        InputError: if there is no corpus, or it holds no SWC file.
    """
    if settings.corpus is None:
        raise InputError("neurites are laid into `grounds` from a corpus; give `corpus` (SWC files in micrometres)")
    folder = pool.folder_of(settings).with_name(pool.folder_of(settings).name + "_neurites")
    folder.mkdir(parents=True, exist_ok=True)
    files = pool.unpack(settings.corpus, folder / "corpus")
    made = []
    for number in range(settings.laid):
        path = pool.path_of(folder, number)
        if not path.exists():
            log.info("neurite %d of %d", number + 1, settings.laid)
            rng = np.random.default_rng([settings.seed, number, 1])
            fresh = make_laid(pool.draw_tree(files, rng), rng, BLOCK)
            with write_beside(path, overwrite=True) as beside:
                np.savez_compressed(beside, light=fresh.light, labels=fresh.labels)
        with np.load(path) as kept:
            made.append(Laid(kept["light"], kept["labels"]))
    return made


def load_grounds(folder: Path, laid: list[Laid], *, leave_out: frozenset[str], empty: bool) -> list[Ground]:
    """Load every stack of `folder` as a ground, but the ids in `leave_out`.

    Args:
        folder: holds ID.tif (any format), and ID.swc or ID_mask.tif where the truth is known.
        laid: neurites to choose from.
        leave_out: ids that must not be seen.
        empty: stacks without a truth hold no neurites at all; else voxels that stand out are ignored.

    Raises:
        InputError: if the folder holds no stack.
    """
    from neurorecon.io import find_stacks, read_stack

    try:
        truths = dict(find_pairs(folder))
    except InputError:
        truths = {}
    marks = set(truths.values())
    grounds = []
    for path in find_stacks(folder):
        if path in marks or is_ignored_mask(path) or name_of(path) in leave_out:
            continue
        stack = read_stack(path)
        image = np.asarray(stack.data)
        grounds.append(Ground(f"{folder.name}/{name_of(path)}", image, _known(stack, truths.get(path), empty), laid))
    if not grounds:
        raise InputError(
            f"{folder}: holds no stack that is not left out; a ground is a real stack, with or without truth"
        )
    log.info("%s: %d grounds", folder, len(grounds))
    return grounds


def _known(stack: Stack, truth: Path | None, empty: bool) -> Labels:
    """Return the labels (Z, Y, X) of a ground."""
    if truth is not None:
        return labels_of_pair(stack, truth) | np.uint8(UNSURE_SOMA)
    labels = np.full(stack.shape, BACKGROUND, np.uint8)
    if not empty:
        labels |= np.uint8(UNSURE_SOMA)
        labels[outstanding(np.asarray(stack.data))] = IGNORE | UNSURE_SOMA
    return labels


def outstanding(image: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Return the mask of voxels (Z, Y, X) that stand out of their surroundings, and may be neurites."""
    from scipy.ndimage import binary_dilation, gaussian_filter

    values = image.astype(np.float32)
    rise = gaussian_filter(values, NEAR, truncate=3) - gaussian_filter(values, (0.5 * WIDE, WIDE, WIDE), truncate=2)
    middle = float(np.median(rise))
    spread = 1.4826 * float(np.median(np.abs(rise - middle)))
    return np.asarray(binary_dilation(rise > middle + OUTSTANDING * max(spread, 1e-6), iterations=MARGIN))
