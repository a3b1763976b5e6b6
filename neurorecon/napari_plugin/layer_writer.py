"""Writer of napari: the nodes of a tree, as they stand in their layer, become SWC that passes the validator.

Points may have been moved, resized or deleted in napari; the children of a deleted node become trees of their own. A point that
was added in napari has no parent, so it is refused: joins belong into the review.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import FormatError, InputError
from neurorecon.core.files import write_text
from neurorecon.core.forest import renumbered
from neurorecon.core.tree import Tree
from neurorecon.napari_plugin.layer_data import KEY
from neurorecon.swc import format_swc
from neurorecon.swc.rules import judge
from neurorecon.swc.scan import scan_bytes
from neurorecon.swc.structure import order_parents_first

__all__ = ["tree_of_layer", "write_tree_layer"]

COLUMNS = ("id", "type", "parent")


def write_tree_layer(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write the points of a tree as SWC; an existing file is replaced, since napari has asked before.

    Raises:
        InputError: if the layer is no tree.
        FormatError: if the tree would be no valid SWC.
        OutputError: if the file cannot be written.
    """
    name = str(attributes.get("name", "the layer"))
    text = format_swc(tree_of_layer(data, attributes, name), header=["written by: napari with neurorecon"])
    if found := judge(scan_bytes(text.encode(), path)):
        raise FormatError(f"{name}: would be no valid SWC ({found[0].what}); nothing was written")
    write_text(Path(path), text, overwrite=True)
    return [path]


def tree_of_layer(data: Any, attributes: Mapping[str, Any], name: str) -> Tree:
    """Return the tree that a layer of points shows.

    Args:
        data: (N, 3) zyx, in the unit of the tree.
        attributes: of the layer; `size` is twice the radius, `features` has id, type and parent of each node.
        name: of the layer, for messages.

    Raises:
        InputError: if it is no tree, or a point was added to one.
    """
    about = attributes.get("metadata", {}).get(KEY, {})
    features: Any = attributes.get("features", ())
    before = about.get("tree") if isinstance(about, Mapping) else None
    if not isinstance(before, Tree) or any(column not in features for column in COLUMNS):
        way_out = "choose the layer of the nodes of a tree that neurorecon read or made"
        raise InputError(f"{name}: is no tree, points alone have no parents; {way_out}")
    ids, kinds, parents = (np.asarray(features[column], np.int64) for column in COLUMNS)
    if len(np.unique(ids)) < len(ids):
        raise InputError(f"{name}: a point was added in napari and has no parent; remove it, or join in the review")
    if not len(ids):
        raise InputError(f"{name}: has no points; there is nothing to write")
    parent = _rows(ids, parents)
    order = order_parents_first(parent)
    xyz = np.asarray(data, np.float64)[:, ::-1]
    radius = np.broadcast_to(np.asarray(attributes["size"], np.float64), len(ids)) / 2
    return Tree(xyz[order], radius[order], renumbered(parent, order), kinds[order], before.unit)


def _rows(ids: NDArray[np.int64], parents: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the row of each parent, -1 where it is not there (any more)."""
    order = np.argsort(ids)
    place = np.clip(np.searchsorted(ids, parents, sorter=order), 0, len(ids) - 1)
    rows: NDArray[np.int64] = np.where(ids[order[place]] == parents, order[place], -1)
    return rows
