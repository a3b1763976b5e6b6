"""Synthetic crops from a corpus of morphologies, made once and kept in the cache."""

import hashlib
import logging
import os
import secrets
import shutil
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError
from neurorecon.core.files import hash_path, write_beside
from neurorecon.core.tree import Tree
from neurorecon.swc import read_swc
from neurorecon.synth import Synthetic, random_tree, randomized, synthesize
from neurorecon.training.settings import TrainSettings
from neurorecon.training.sources.labels import BACKGROUND, IGNORE, NEURITE, SOMA, label_tree
from neurorecon.training.sources.pairs import Source, to_8bit

__all__ = ["synthetic_sources"]

log = logging.getLogger(__name__)

# Of crops: another number where the same corpus, seed and number give other voxels, after a change of `synth` or here; a
# test tells (tests/training/test_synthetic.py).
GENERATOR = 3
CROP = (48, 144, 144)  # larger than a training crop, so that one stack gives many
GROWN = 0.1  # share of stacks of grown trees, for shapes that no corpus holds
TURNED = 0.5  # share of morphologies that are turned: any of their axes may be the optical one
FEWEST_NODES = 150  # in the window; fewer, and the window is drawn again
MOST_FILLED = 0.2  # of the voxels being neurite: more is a lump, not an arbour
TRIES = 20  # windows that are drawn for a stack


def synthetic_sources(settings: TrainSettings) -> list[Source]:
    """Return `settings.synthetic` crops made from `settings.corpus`, taking from the cache those already there.

    Raises:
        InputError: if the corpus holds no SWC file.
    """
    if settings.corpus is None:
        return []
    folder = folder_of(settings)
    folder.mkdir(parents=True, exist_ok=True)
    files = unpack(settings.corpus, folder / "corpus")
    sources = []
    for number in range(settings.synthetic):
        if keep_crop(files, folder, settings.seed, number):
            log.info("synthetic crop %d of %d", number + 1, settings.synthetic)
        sources.append(load_crop(path_of(folder, number)))
    return sources


def folder_of(settings: TrainSettings) -> Path:
    """Return the folder of the cache for these crops: another one for another corpus, wherever it lies.

    Raises:
        InputError: if the corpus is not there, or cannot be read.
    """
    corpus = "" if settings.corpus is None else content_of(settings.corpus)
    key = hashlib.sha256(f"{GENERATOR}|{corpus}|{settings.seed}|{CROP}".encode()).hexdigest()[:12]
    return (settings.cache or settings.out) / f"synthetic_{key}"


def content_of(corpus: Path) -> str:
    """Return a hash of a zip, or of the SWC files of a folder with their names in it."""
    if not corpus.is_dir():
        return hash_path(corpus)
    digest = hashlib.sha256()
    for file in sorted(corpus.rglob("*.swc")):
        digest.update(f"{file.relative_to(corpus).as_posix()}\0{hash_path(file)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def path_of(folder: Path, number: int) -> Path:
    """Return the file of a crop."""
    return folder / f"{number:05d}.npz"


def load_crop(path: Path) -> Source:
    """Return the crop that a file of the cache holds."""
    with np.load(path) as stored:
        return Source.make(f"synthetic/{int(path.stem)}", stored["image"], stored["labels"])


def keep_crop(
    files: list[Path], folder: Path, seed: int, number: int, *, crop: tuple[int, int, int] | None = None
) -> bool:
    """Make crop `number` unless the cache has it, and say whether it was made; seed and number decide every voxel."""
    path = path_of(folder, number)
    if path.exists():
        return False
    image, labels = make_crop(files, np.random.default_rng([seed, number]), crop=crop or CROP)
    with write_beside(path, overwrite=True) as beside:
        np.savez_compressed(beside, image=image, labels=labels)
    return True


def unpack(corpus: Path, into: Path) -> list[Path]:
    """Return the SWC files of a folder, or of a zip that is unpacked to `into` first.

    Raises:
        InputError: if there are none, or the zip is damaged.
    """
    if corpus.is_file():
        if not zipfile.is_zipfile(corpus):
            raise InputError(f"{corpus}: a corpus is a folder or a zip of SWC files")
        if not into.is_dir():
            extract(corpus, into)
        corpus = into
    files = sorted(corpus.rglob("*.swc"))
    if not files:
        raise InputError(f"{corpus}: holds no SWC file")
    return files


def extract(archive: Path, into: Path) -> None:
    """Unpack a zip to the folder `into`, whole or not at all; another process may do so at the same time.

    Raises:
        InputError: if it is damaged or locked.
    """
    beside = into.with_name(f".{secrets.token_hex(4)}.part")
    try:
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(beside)
        os.replace(beside, into)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        RuntimeError,
    ) as error:  # RuntimeError: a password, an unknown method
        raise InputError(f"{archive}: cannot be unpacked: {error}; unpack it to a folder and give that") from error
    except OSError:
        if not into.is_dir():  # else another process was first
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def make_crop(
    files: list[Path], rng: np.random.Generator, *, crop: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return (image uint8, labels) of shape `crop`: a window of a morphology of the corpus, imaged at random."""
    for _ in range(TRIES):
        tree = draw_tree(files, rng)
        made = synthesize(tree, randomized(rng, tree, crop_zyx=crop))
        if len(made.truth) >= FEWEST_NODES and made.neurite.mean() < MOST_FILLED:
            break
    return to_8bit(np.asarray(made.stack.data)), low_labels(made) | (made.soma * np.uint8(SOMA))


def low_labels(made: Synthetic) -> NDArray[np.uint8]:
    """Return the two lowest bits of the labels (Z, Y, X) of a synthetic stack, see `labels`; they have no bits of somata."""
    low = label_tree(made.truth, made.stack.shape) & 3
    low[made.ignore & (low == BACKGROUND)] = IGNORE
    low[made.neurite & ((low == BACKGROUND) | (low == IGNORE))] = NEURITE
    return np.asarray(low, np.uint8)


def draw_tree(files: list[Path], rng: np.random.Generator) -> Tree:
    """Draw a morphology: each group (folder) by the root of its size, so that a large one does not drown the rest."""
    if rng.random() < GROWN:
        extent = (float(rng.uniform(20, 80)), 90.0, 90.0)
        return random_tree(rng, extent, neurites=int(rng.integers(2, 9)), branchings=int(rng.integers(1, 5)))
    groups: dict[str, list[Path]] = {}
    for file in files:
        groups.setdefault(file.parent.name, []).append(file)
    names = sorted(groups)
    weight = np.array([len(groups[name]) ** 0.5 for name in names])
    group = groups[names[int(rng.choice(len(names), p=weight / weight.sum()))]]
    tree = read_swc(group[int(rng.integers(len(group)))])
    if rng.random() < TURNED:
        turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        tree = Tree(tree.xyz @ turn, tree.radius, tree.parent, tree.type, tree.unit)
    return tree
