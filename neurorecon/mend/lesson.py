"""Training data from a review: stack, mended tree, and a mask of voxels to ignore, as `neurorecon train --data` takes them.

The loss counts the surroundings of every stretch with a verdict. There the mended tree is neurite, and all else is background,
dropped stretches included. The loss ignores voxels further away, and stretches that nobody looked at.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError, OutputError
from neurorecon.core.files import check_output
from neurorecon.core.geometry import xyz_to_zyx, zyx_to_xyz
from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree
from neurorecon.evaluate import pieces_of
from neurorecon.io import write_stack
from neurorecon.mend.apply import Applied
from neurorecon.mend.evidence import Sources, open_stack
from neurorecon.swc import write_swc

__all__ = ["check_lesson", "teach"]

# Set by hand; not tuned, unless a line says more.
SEEN_PX = 20  # voxels around a stretch that are seen with it: about as far as a stretch is long (report/stretches.py)
UNSEEN_PX = 5  # voxels around a stretch that nobody looked at: the rim of a label (sources/labels.py), twice


def lesson_paths(folder: Path, name: str) -> tuple[Path, Path, Path]:
    """Return stack, tree and mask of a pair."""
    return folder / f"{name}.tif", folder / f"{name}.swc", folder / f"{name}_ignore.tif"


def check_lesson(folder: Path, mended: Path, swc: Path, *, stack: Path | None = None, overwrite: bool = False) -> None:
    """Make the folder of a pair, and check before any work that the stack is there and the files can be written.

    Raises:
        InputError: if the stack of `swc` is not known.
        OutputError: if a file of the pair cannot be written, or is the mended tree itself.
    """
    open_stack(Sources(swc, stack=stack))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: no folder can be made there: {error.strerror or error}") from error
    paths = lesson_paths(folder, mended.stem)
    if mended.resolve() in [path.resolve() for path in paths]:
        raise OutputError(f"{mended}: named twice; give --training another folder")
    for path in paths:
        check_output(path, overwrite=overwrite)


def teach(
    swc: Path, applied: Applied, folder: Path, name: str, *, stack: Path | None = None, overwrite: bool = False
) -> Path:
    """Write stack, tree and mask of a review as a pair for training, and return the path of the tree.

    Args:
        swc: the tree that was looked at; OUT.json beside it names the stack.
        applied: what came of the verdicts.
        folder: takes NAME.tif, NAME.swc (in voxels of it) and NAME_ignore.tif.
        name: of the pair.
        stack: where the stack lies now.
        overwrite: take the place of files that exist.

    Raises:
        InputError: if the stack is not known, or no verdict looked at anything.
        OutputError: if a file cannot be written.
    """
    mended = applied.mended
    if mended is None or not (mended.looked.any() or len(mended.dropped)):
        raise InputError(f"{applied.verdicts.path}: looks at no stretch; there is nothing to learn from")
    grey, _ = open_stack(Sources(swc, stack=stack))
    image, tree, mask = lesson_paths(folder, name)
    before, after = (in_voxels(one, grey) for one in (applied.before, mended.tree))
    mask_voxels = ignored_voxels(before, after, mended.looked, mended.dropped, grey.shape)
    write_stack(Stack(np.asarray(grey.data[...]), grey.voxel_size), image, overwrite=overwrite)
    write_stack(Stack(mask_voxels.astype(np.uint8), grey.voxel_size), mask, overwrite=overwrite)
    about = [f"reviewed: {swc.name}", f"verdicts sha256: {applied.verdicts.sha256}"]
    write_swc(after, tree, header=about, overwrite=overwrite)
    return tree


def in_voxels(tree: Tree, stack: Stack) -> Tree:
    """Return a tree in voxels of its stack."""
    if tree.unit == "voxel":
        return tree
    size = stack.voxel_size
    if size is None:
        raise InputError(f"{stack.source}: has no voxel size, and the tree is in um; a pair cannot be made of them")
    points = zyx_to_xyz(xyz_to_zyx(tree.xyz, size))
    return Tree(points, tree.radius / np.sqrt(size.y * size.x), tree.parent, tree.type, "voxel")


def ignored_voxels(
    before: Tree, after: Tree, looked: NDArray[np.bool_], dropped: NDArray[np.int64], shape: tuple[int, int, int]
) -> NDArray[np.bool_]:
    """Return the voxels that the loss ignores, (Z, Y, X) bool.

    Args:
        before: the tree that was looked at, in voxels.
        after: the mended one.
        looked: (N,) whether a verdict looked at the edge above each node of `after`.
        dropped: rows of `before` whose edge above was dropped.
        shape: of the stack.
    """
    own, _, child = pieces_of(after)
    former, _, row = pieces_of(before)
    seen = np.concatenate([own[looked[child]], former[np.isin(row, dropped)]])
    return ~around(seen, shape, SEEN_PX) | around(own[~looked[child]], shape, UNSEEN_PX)


def around(xyz: NDArray[np.float64], shape: tuple[int, int, int], reach: int) -> NDArray[np.bool_]:
    """Return the voxels (Z, Y, X) within a cube of `reach` voxels to each side of any point (M, 3), xyz."""
    from scipy.ndimage import maximum_filter1d

    mark = np.zeros(shape, np.uint8)
    zyx = np.rint(xyz_to_zyx(xyz)).astype(np.int64)
    inside = ((zyx >= 0) & (zyx < shape)).all(axis=1)
    mark[tuple(zyx[inside].T)] = 1
    for axis in range(3):
        mark = maximum_filter1d(mark, 2 * reach + 1, axis=axis, mode="constant")
    return mark > 0
