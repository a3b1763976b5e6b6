"""The truth beside a stack: a tracing, or a mask of the neurites; and the labels made from each.

A stack may also have ID_ignore beside it, a mask of the voxels that the loss ignores: neurites that were not traced.

A mask shows neurites, not somata, so the loss ignores the soma. Its edge was drawn by hand and is not exact, so the loss
ignores one voxel around it. Its centre line is the skeleton of Lee et al. 1994 where scikit-image finds one: 0.26 deletes bars
of 2x2, 4x4 and 6x6 voxels altogether (its issue 3757), and those are thinned once more after they were thickened by one voxel
on one side, which makes an even bar odd.
"""

import glob
import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError
from neurorecon.core.geometry import xyz_to_zyx, zyx_to_xyz
from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree
from neurorecon.swc import read_swc, stated_unit
from neurorecon.training.sources.labels import CENTRE, IGNORE, NEURITE, UNSURE_SOMA, label_tree
from neurorecon.training.sources.labels_rim import label_dark_rim
from neurorecon.training.sources.labels_soma import label_bodies

__all__ = ["centre_of_mask", "find_pairs", "is_ignored_mask", "label_mask", "labels_of_pair", "name_of"]

Mask = NDArray[np.bool_]

log = logging.getLogger(__name__)

TRACED = (".swc", ".truth.swc")  # the second is what `neurorecon synth` writes
MASKED = ("_mask", ".mask")  # ends of the name before the suffix
IGNORED = ("_ignore", ".ignore")
# Set by hand; not tuned, unless a line says more.
LEAST_INSIDE = 0.8  # share of a tracing's nodes that must lie in the stack; fewer, and the units are wrong
THICKENED = ((0, 1, 2), (0,), (1,), (2,))  # axes along which what was deleted is thickened, one try after the other
AROUND = np.ones((3, 3, 3), bool)


def name_of(path: Path) -> str:
    """Return the id of a stack: its name without the suffix, both parts of .ome.tif and .nii.gz."""
    from neurorecon.io import known_suffix

    suffix = known_suffix(path)
    name = path.name[: -len(suffix)] if suffix else path.name
    return name[:-4] if name.lower().endswith(".ome") else name


def find_pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Return (stack, truth) of every stack in `folder` with ID.swc or ID_mask.tif (any format) beside it.

    Where both are there the tracing is taken: it knows the soma and the centre line.

    Raises:
        InputError: if the folder is not there, or holds no pair.
    """
    from neurorecon.io import find_stacks

    stacks, masks = [], {}
    for path in find_stacks(folder):
        name = name_of(path)
        if is_ignored_mask(path):
            continue
        end = next((end for end in MASKED if name.endswith(end)), None)
        if end is None:
            stacks.append(path)
        else:
            masks[name.removesuffix(end)] = path
    pairs = []
    for path in stacks:
        traced = [path.with_name(name_of(path) + end) for end in TRACED]
        truth = next((file for file in traced if file.is_file()), masks.get(name_of(path)))
        if truth is not None:
            pairs.append((path, truth))
    if not pairs:
        raise InputError(
            f"{folder}: holds no pair of stack and truth to train on; put ID.swc or ID_mask.tif beside each ID.tif"
        )
    return pairs


def labels_of_pair(stack: Stack, truth: Path, *, rooted: bool = False) -> NDArray[np.uint8]:
    """Return the labels (Z, Y, X) of `stack` from the tracing or the mask in the file `truth`; see `labels`.

    A tracing is in voxels of the stack unless its header says `# units: um`; `rooted`, it begins at a cell body, which
    the stack may show (see `labels_soma`).

    Raises:
        InputError: if the truth cannot be read, is empty, or does not lie in the stack.
    """
    if truth.name.lower().endswith(".swc"):
        image, tree = np.asarray(stack.data), _tree_in_voxels(stack, truth)
        labels = label_dark_rim(image, label_tree(tree, stack.shape))
        if rooted:
            label_bodies(labels, image, tree)
    else:
        labels = label_mask(_read_mask(stack, truth))
    _compare_brightness(stack, truth, labels)
    ignored = ignored_beside(truth)
    if ignored is not None:
        labels[_read_same_shape(stack, ignored)] = IGNORE | UNSURE_SOMA
    return labels


def is_ignored_mask(path: Path) -> bool:
    """Return whether a file is the mask ID_ignore.* of a stack, and no stack itself."""
    return name_of(path).endswith(IGNORED)


def ignored_beside(truth: Path) -> Path | None:
    """Return the file ID_ignore.* (any format) of the stack whose truth is the file `truth`, None where there is none."""
    name = name_of(truth)
    for end in (*reversed(TRACED), *MASKED):
        name = name.removesuffix(end)
    return next((p for end in IGNORED for p in sorted(truth.parent.glob(f"{glob.escape(name + end)}.*"))), None)


def _tree_in_voxels(stack: Stack, truth: Path) -> Tree:
    """Read a tracing, and bring it to voxels of its stack."""
    tree = read_swc(truth)
    name = stack.source or "its stack"
    if stated_unit(truth) == "um":
        if stack.voxel_size is None:
            raise InputError(
                f"{truth}: is in micrometres, and {name} does not say its voxel size; write it into the stack, or the "
                "tracing in voxels under `# units: voxel`"
            )
        points = zyx_to_xyz(xyz_to_zyx(tree.xyz, stack.voxel_size))
        radius = tree.radius / np.sqrt(stack.voxel_size.y * stack.voxel_size.x)
        tree = Tree(points, radius, tree.parent, tree.type, "voxel")
    zyx = xyz_to_zyx(tree.xyz)
    inside = ((zyx > -1) & (zyx < stack.shape)).all(axis=1)
    if inside.mean() < LEAST_INSIDE:
        raise InputError(
            f"{truth}: {int((~inside).sum())} of {len(tree)} nodes lie outside {name} of {stack.shape} voxels; "
            "coordinates are voxels of the stack unless a line `# units: um` says otherwise"
        )
    return tree


def _read_mask(stack: Stack, truth: Path) -> Mask:
    """Read a mask, and compare it with its stack."""
    mask = _read_same_shape(stack, truth)
    if not mask.any() or mask.all():
        what = "nothing but 0" if not mask.any() else "no 0"
        raise InputError(f"{truth}: holds {what}; a mask is 0 in the background and anything else in neurites")
    return mask


def _read_same_shape(stack: Stack, path: Path) -> Mask:
    """Return where a file of the shape of a stack is not 0."""
    from neurorecon.io import read_stack

    mask: Mask = np.asarray(read_stack(path).data) != 0
    if mask.shape != stack.shape:
        name = stack.source or "its stack"
        raise InputError(f"{path}: has shape {mask.shape}, {name} has {stack.shape}; a mask has the shape of its stack")
    return mask


def _compare_brightness(stack: Stack, truth: Path, labels: NDArray[np.uint8]) -> None:
    """Warn where the stack is no brighter along the truth than elsewhere: they may not belong together."""
    image = np.asarray(stack.data)
    along = (labels & 3) == CENTRE
    if not along.any() or float(image[along].mean(dtype=np.float64)) <= float(image.mean(dtype=np.float64)):
        log.warning("%s: the stack is no brighter along it than elsewhere; do they belong together?", truth)


def label_mask(mask: Mask) -> NDArray[np.uint8]:
    """Return the labels (Z, Y, X) of a stack whose neurites are `mask`: the tube, a rim of one voxel, the centre line."""
    from scipy.ndimage import binary_dilation

    labels = np.full(mask.shape, UNSURE_SOMA, np.uint8)
    labels[binary_dilation(mask, AROUND)] |= np.uint8(IGNORE)
    labels[mask] = UNSURE_SOMA | NEURITE
    labels[centre_of_mask(mask)] = UNSURE_SOMA | CENTRE
    return labels


def centre_of_mask(mask: Mask) -> Mask:
    """Return a centre line (Z, Y, X) inside `mask`; every piece of it has some."""
    from scipy.ndimage import distance_transform_edt, label, maximum_position

    filled = np.argwhere(mask)
    if not len(filled):
        return np.zeros_like(mask)
    box = tuple(slice(int(a), int(b) + 1) for a, b in zip(filled.min(axis=0), filled.max(axis=0), strict=True))
    inside = np.pad(mask[box], 1)  # the border of the box is background for all that follows
    depth = distance_transform_edt(inside)
    centre = _thinned(inside)
    for axes in THICKENED:
        lost = _lost(inside, centre, depth)
        if lost.any():
            centre |= _thinned(_thickened(lost, axes)) & lost
    pieces, count = label(_lost(inside, centre, depth), AROUND)
    for deepest in maximum_position(depth, pieces, range(1, count + 1)) if count else ():
        centre[deepest] = True
    whole = np.zeros_like(mask)
    whole[box] = centre[1:-1, 1:-1, 1:-1]
    return whole


def _thinned(mask: Mask) -> Mask:
    from skimage.morphology import skeletonize

    thin: Any = skeletonize  # published without types
    return np.asarray(thin(mask)) > 0


def _thickened(mask: Mask, axes: tuple[int, ...]) -> Mask:
    """Return `mask` with one voxel more at the upper side of each of `axes`."""
    out = mask.copy()
    for axis in axes:
        out |= np.roll(out, 1, axis)  # nothing is rolled over: the border is empty
    return out


def _lost(mask: Mask, centre: Mask, depth: NDArray[np.float64]) -> Mask:
    """Return what of `mask` lies too far from the centre line for its thickness there, and whole pieces without one."""
    from scipy.ndimage import distance_transform_edt, label

    if not centre.any():
        return mask
    distance, nearest = distance_transform_edt(~centre, return_indices=True)
    pieces, _ = label(mask, AROUND)
    without = ~np.isin(pieces, pieces[centre])
    lost: Mask = mask & (without | (distance > 2 * depth[tuple(nearest)] + 2))
    return lost
