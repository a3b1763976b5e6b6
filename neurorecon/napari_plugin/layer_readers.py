"""Readers of napari: a tree, a result with all that belongs to it, a stack or a probability.

Each takes a path and gives None if the file is not its own, else the function that reads it.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError, NeuroreconError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Stack
from neurorecon.io import open_file, read_probability, read_stack, stack_of_file
from neurorecon.io.formats.zarr.ome_zarr import own_attributes
from neurorecon.mend.evidence import KEPT, Sources, open_stack
from neurorecon.mend.listed import Listed, list_of, read_listed
from neurorecon.napari_plugin.layer_data import Frame3, LayerData, TreeSource, map_layers, stack_layer, tree_layers
from neurorecon.report.manifest import FORMAT
from neurorecon.swc import ids_in_file, read_swc

__all__ = [
    "ReadLayers",
    "confidence_of",
    "listed_confidence",
    "read_result",
    "read_tree",
    "result_files",
    "result_reader",
    "stack_reader",
    "swc_reader",
]

log = logging.getLogger(__name__)

Given = str | Path | list[str]
ReadLayers = Callable[[Any], list[LayerData]]

# Set by hand; not tuned, unless a line says more.
LARGEST_RECORD = 20_000_000  # bytes: an OUT.json has some 10 kB; a larger file of JSON is something else
VERDICTS = ".verdicts.json"


def swc_reader(path: Given) -> ReadLayers | None:
    """Return what reads SWC files."""
    paths = _paths(path)
    if not all(one.suffix.lower() == ".swc" for one in paths):
        return None
    return lambda _: [layer for one in paths for layer in read_tree(one)]


def result_reader(path: Given) -> ReadLayers | None:
    """Return what reads OUT.json; None for any other JSON."""
    paths = _paths(path)
    if not all(_is_record(one) for one in paths):
        return None
    return lambda _: [layer for one in paths for layer in read_result(one)]


def stack_reader(path: Given) -> ReadLayers | None:
    """Return what reads stacks and probabilities; None for what has no header that is known."""
    paths = _paths(path)
    try:
        for one in paths:
            open_file(one)
    except NeuroreconError as error:
        log.info("%s", error)
        return None
    return lambda _: [layer for one in paths for layer in _volume_layers(one)]


def read_tree(
    swc: Path, *, confidence: NDArray[np.float64] | None = None, voxel_size: VoxelSize | None = None
) -> list[LayerData]:
    """Return the layers of an SWC file.

    Args:
        swc: the file.
        confidence: (N,) of the edge above each node, where it is known.
        voxel_size: of its stack, for a tree in voxels.

    Raises:
        InputError, FormatError: as `read_swc`.
    """
    tree = read_swc(swc)
    source = TreeSource(swc.absolute(), ids_in_file(swc), confidence)
    return tree_layers(tree, swc.stem, frame=Frame3.of_tree(tree, voxel_size), source=source)


def read_result(path: Path) -> list[LayerData]:
    """Return all that belongs to an OUT.json: stack, kept map, and each tree with the confidence of its review list.

    A stack or a list that is gone is left out, with a warning.

    Raises:
        InputError: if the record is damaged, or a tree cannot be read.
    """
    swcs = result_files(path)
    stack, layers = _stack_of(path, swcs[0]), []
    if stack is not None:
        layers.append(stack_layer(stack, Path(stack.source).name))
    kept = Sources(swcs[0]).kept_map()
    if kept is not None:
        layers += [_hidden(layer) for layer in map_layers(read_probability(kept), kept.name)]
    size = _voxel_size(path) if stack is None else stack.voxel_size
    for swc in swcs:
        layers += read_tree(swc, confidence=listed_confidence(swc), voxel_size=size)
    return layers


def result_files(path: Path) -> list[Path]:
    """Return the SWC files that an OUT.json names.

    Raises:
        InputError: if it is no record of neurorecon, names no tree, or one that is gone.
    """
    table = _record(path)
    if table is None:
        raise InputError(f"{path}: is no record of neurorecon; give the OUT.json beside an OUT.swc")
    names = [name for name in table["outputs"] if name.lower().endswith(".swc") and Path(name).name == name]
    if not names:
        raise InputError(f"{path}: names no SWC file; the record is damaged")
    files = [path.with_name(name) for name in names]
    if gone := [file for file in files if not file.is_file()]:
        raise InputError(f"{gone[0]}: is named by {path.name} and is gone; make the result again by `neurorecon rerun`")
    return files


def listed_confidence(swc: Path) -> NDArray[np.float64] | None:
    """Return the confidence (N,) of the edge above each node, from the review list beside a tree; None without one."""
    try:
        tree, ids = read_swc(swc), ids_in_file(swc)
        listed = read_listed(list_of(swc), swc, tree, ids)
    except InputError as error:
        log.warning("%s", error)
        return None
    return confidence_of(listed, len(tree))


def confidence_of(listed: Sequence[Listed], nodes: int) -> NDArray[np.float64] | None:
    """Return the confidence (N,) of the edge above each of so many nodes, from stretches; None where one does not know."""
    if not listed or any(one.confidence is None for one in listed):
        return None
    confidence = np.full(nodes, np.nan)
    for one in listed:
        confidence[list(one.rows)] = one.confidence
    return confidence


def _volume_layers(path: Path) -> list[LayerData]:
    """Return a probability as its maps, and any other stack as a layer for each channel."""
    if own_attributes(path).get("map") == "neurite" or path.name.endswith(KEPT):
        return map_layers(read_probability(path), path.name)
    opened = open_file(path)
    if opened.layout.channels == 1:
        return [stack_layer(read_stack(path), path.name)]
    stacks = [stack_of_file(opened, channel=channel) for channel in range(opened.layout.channels)]
    return [stack_layer(stack, f"{path.name} {_channel(stack)}") for stack in stacks]


def _channel(stack: Stack) -> str:
    """Return the name of a channel."""
    return stack.channel_name or f"channel {stack.channel}"


def _stack_of(path: Path, swc: Path) -> Stack | None:
    """Return the stack that a tree was made from, None with a warning where it is gone."""
    if (_record(path) or {}).get("command") is None:
        log.warning("%s: the tree is shown without its stack, which was no file", path)
        return None
    try:
        return open_stack(Sources(swc))[0]
    except NeuroreconError as error:
        log.warning("the tree is shown without its stack: %s", error)
        return None


def _voxel_size(path: Path) -> VoxelSize | None:
    """Return the voxel size that an OUT.json states."""
    table = (_record(path) or {}).get("input")
    size = table.get("voxel_size_zyx_um") if isinstance(table, Mapping) else None
    return None if size is None else VoxelSize(*map(float, size))


def _hidden(layer: LayerData) -> LayerData:
    """Return a layer that is not shown until it is asked for."""
    data, arguments, kind = layer
    return data, arguments | {"visible": False}, kind


def _is_record(path: Path) -> bool:
    """Say whether a file is an OUT.json."""
    return path.suffix.lower() == ".json" and not path.name.endswith(VERDICTS) and _record(path) is not None


def _record(path: Path) -> Mapping[str, Any] | None:
    """Return the table of an OUT.json, None for anything else."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST_RECORD:
            return None
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(table, Mapping) or table.get("format") != FORMAT:
        return None
    return table if isinstance(table.get("outputs"), Mapping) and "tree" in table else None


def _paths(path: Given) -> list[Path]:
    """Return the paths that napari hands over: one, or a list."""
    return [Path(one) for one in path] if isinstance(path, list) else [Path(path)]
