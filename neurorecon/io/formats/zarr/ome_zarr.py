"""OME-Zarr 0.4 and 0.5, read lazily with zarr, wherever it lies (`zarr_place`). After the NGFF specification, https://ngff.openmicroscopy.org.

Blocks are read on request, so a stack may be larger than the memory. A bare zarr array of three axes is
taken as zyx without a voxel size.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from neurorecon.core.errors import FormatError, InputError
from neurorecon.core.findings import StackFinding
from neurorecon.io.formats.zarr.zarr_place import Place, place_of
from neurorecon.io.guard import decoding
from neurorecon.io.header import OpenedFile, own_map
from neurorecon.io.layout import Layout, axes_findings
from neurorecon.io.lazy import LazyVolume
from neurorecon.io.units import WAY_OUT, Scale, scale_from

__all__ = ["open_zarr", "own_attributes", "file_inside"]

# Facts of the format, or limits set by hand; not tuned.
AXIS_NAMES = {
    "DEPTH": "Z",
    "HEIGHT": "Y",
    "WIDTH": "X",
    "CHANNEL": "C",
    "CHANNELS": "C",
    "TIME": "T",
}  # of xarray and dask
AXIS_WORD = re.compile(r"([TCZYX])[-_ ]?(AXIS|DIM|DIMENSION)$")  # Z-axis, dim names of converters
STRETCH, LONG = 1.5, 8  # extents of two levels that differ more are another scale; shorter axes round by more than that
SPARSE = 1000  # times as many chunks as files: no image is as empty; files are listed no further than that
MOST_CHUNKS = 200_000  # more are not counted: to list a million files takes ten seconds on a local disk


def open_zarr(path: Path) -> OpenedFile:
    """Read the metadata of an OME-Zarr image, its largest level: a folder, a ZIP archive or an address of the net.

    Raises:
        FormatError: if the metadata are damaged.
        InputError: if it is no single image (a plate, several images), or is 2D; if an archive or a server does not give it.
        MissingExtraError: if it is an address, and the extra `remote` is not there.
    """
    place = place_of(path)
    if place is None:
        raise FormatError(f"{path}: is damaged or incomplete: it holds no zarr metadata; copy it again")
    return open_image(place)


def open_image(place: Place, *, inside: bool = False) -> OpenedFile:
    """Read the metadata of an OME-Zarr image; `inside` a collection no further one is searched; errors as `open_zarr`."""
    import zarr

    from neurorecon.io.formats.zarr.zarr_bounds import bounded

    path = place.path
    with decoding(path):
        node = place.node()
        attributes = dict(node.attrs)
        if isinstance(node, zarr.Array):
            bare = bounded(path, node)
            return level_of_image(place, bare) or bare_array(path, bare)
    ome = attributes.get("ome", attributes)
    if not isinstance(ome, Mapping):
        raise FormatError(f"{path}: is damaged: its OME metadata are no table")
    if "multiscales" not in ome:
        return nested(place, ome, inside=inside)
    with decoding(path):
        multiscale = ome["multiscales"][0]
        check_levels(path, node, multiscale["datasets"])
        level = largest_of(node, multiscale["datasets"])
        array: Any = bounded(path, node[level["path"]])
        axes, units = axes_of(multiscale, array.ndim)
        scale = scale_of(axes, units, multiscale, level)
        shapes = [tuple(node[table["path"]].shape) for table in multiscale["datasets"]]
        scale = doubted(scale, axes, multiscale, level, shapes)
        names = names_of(ome)
        own = isinstance(attributes.get("neurorecon"), Mapping)  # leaves out empty shards, and says so
        levels = tuple((level["path"], node[level["path"]].shape) for level in multiscale["datasets"])
        chunks = chunks_of(array)
        findings = tuple(odd_metadata(ome, attributes))
    listed = ", ".join(f"{name} of {' x '.join(map(str, shape))}" for name, shape in levels)
    about = (("levels", f"{len(levels)}: {listed}; {level['path']} is read"), ("chunks", chunks))
    opened = replace(file_of(path, array, axes, scale, names), about=about, findings=findings)
    return with_chunks(opened, array, own=own)


def with_chunks(opened: OpenedFile, array: Any, *, own: bool = False) -> OpenedFile:
    """Return the opened file with findings on missing chunks; files of neurorecon (`own`) leave out empty ones."""
    if array.store.supports_listing:
        return opened if own else replace(opened, findings=(*opened.findings, *chunk_findings(opened.path, array)))
    from neurorecon.io.formats.zarr.zarr_remote import counted

    return counted(opened, array, own=own)


def chunks_of(array: Any) -> str:
    """Return the size of the chunks of an array in words."""
    return f"{array.nchunks} of {' x '.join(map(str, array.chunks))}"


def check_levels(path: Path, node: Any, levels: Sequence[Mapping[str, Any]]) -> None:
    """Raise FormatError if a level that the metadata name is not there."""
    missing = [str(level["path"]) for level in levels if level["path"] not in node]
    if missing:
        listed = f"{', '.join(missing[:5])} {'is' if len(missing) == 1 else 'are'}"
        text = f"its metadata name {len(levels)} levels, of which {listed} not there"
        raise FormatError(f"{path}: is incomplete: {text}; copy it again")


def largest_of(node: Any, levels: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the level of a pyramid with the most voxels: they should stand from large to small, and do not always."""
    return max(levels, key=lambda level: math.prod(node[level["path"]].shape))


def chunk_findings(path: Path, array: Any) -> tuple[StackFinding, ...]:
    """Return a finding on the chunks of an array that are not on the disk; they count as empty.

    Raises:
        FormatError: if none is there.
    """
    from neurorecon.io.formats.zarr.zarr_bounds import PlainFiles

    with decoding(path):
        due = int(array.nchunks)
        there = min(due, int(array.nchunks_initialized)) if due <= MOST_CHUNKS else due
    if due > MOST_CHUNKS and isinstance(array.store, PlainFiles) and getattr(array, "shards", None) is None:
        check_claim(path, Path(str(array.store.root)) / array.path, due)
    if there == due:
        return ()
    if there == 0:
        hint = ""
        plain = isinstance(array.store, PlainFiles)
        if plain and (folder := Path(str(array.store.root)) / array.path).is_dir():
            array.store.check_below(array.path)
            held = sum(1 for child in folder.iterdir() if child.name[:1] not in (".", "z"))
            hint = "; its metadata look for them elsewhere (dimension_separator, chunk_key_encoding)" if held else ""
        raise FormatError(f"{path}: is incomplete: none of its {due} chunks is there{hint}; copy it again")
    text = f"{due - there} of its {due} chunks are not there and count as empty"
    return (
        StackFinding("missing-chunks", "warning", text, "copy it again, unless its writer leaves out empty chunks"),
    )


def check_claim(path: Path, folder: Path, due: int) -> None:
    """Raise FormatError if metadata claim far more chunks than a folder holds: empty ones would be read for ever."""
    least = due // SPARSE
    held = sum(1 for _ in islice((file for file in folder.rglob("*") if file.is_file()), least))
    if held < least:
        raise FormatError(f"{path}: is damaged: its metadata claim {due} chunks, {held} files are there; copy it again")


def odd_metadata(ome: Mapping[str, Any], attributes: Mapping[str, Any]) -> Iterator[StackFinding]:
    """Say that an image holds labels, or that a group holds several images, of which the first is read."""
    about = attributes.get("neurorecon")
    if isinstance(about, Mapping) and about.get("map"):
        yield own_map()
    if "image-label" in ome or "image-label" in attributes:
        yield StackFinding(
            "labels", "warning", "its metadata call it a label image", "give the image that it belongs to"
        )
    if (count := len(ome["multiscales"])) > 1:
        names = ", ".join(str(image.get("name", k)) for k, image in enumerate(ome["multiscales"][:5]))
        text = f"its metadata list {count} images in one group ({names}); the first is read"
        yield StackFinding("several-images", "warning", text, "give the level of another one by its own path")


def level_of_image(place: Place, array: Any) -> OpenedFile | None:
    """Return one level of an OME-Zarr image that was given by its own folder, with the axes and scale of the image."""
    import zarr

    path, image = place.path, place.above
    if image is None:
        return None
    above = image.path
    with decoding(path):
        node = image.node()
        attributes = dict(node.attrs)
        ome = attributes.get("ome", attributes)
        scales: Any = ome.get("multiscales") if isinstance(ome, Mapping) else None
        levels = scales[0]["datasets"] if scales else ()
        own = next((level for level in levels if level["path"] == path.absolute().name), None)
        if own is None or isinstance(node, zarr.Array):
            return None
        axes, units = axes_of(scales[0], array.ndim)
        scale = scale_of(axes, units, scales[0], own)
        names = names_of(ome)
        largest = largest_of(node, levels)
    opened = file_of(path, array, axes, scale, names)
    text = f"is level {own['path']} of the image {above.name}, whose largest level is {largest['path']}"
    smaller = largest["path"] != own["path"]
    finding = StackFinding("pyramid-level", "warning" if smaller else "note", text, f"give {above}" if smaller else "")
    return with_chunks(replace(opened, findings=(finding,)), array)


def names_of(ome: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the channels."""
    return tuple(str(c.get("label", "")) for c in (ome.get("omero") or {}).get("channels", ()))


def own_attributes(path: Path) -> Mapping[str, Any]:
    """Return the attributes that neurorecon wrote into a zarr, none if it is of another program, or no zarr."""
    place = place_of(path)
    if place is None:
        return {}
    with decoding(path):
        about = dict(place.node().attrs).get("neurorecon")
    return about if isinstance(about, Mapping) else {}


def file_inside(path: Path, name: str) -> OpenedFile:
    """Return an image that lies in another one, as the soma map in that of the neurites; errors as `open_zarr`."""
    place = place_of(path)
    if place is None or not place.inner(name).is_node:
        raise FormatError(f"{path}: is incomplete: {name} is not there; copy it again")
    return open_image(place.inner(name))


def nested(place: Place, ome: Mapping[str, Any], *, inside: bool) -> OpenedFile:
    """Open the only image of a group of images (as bioformats2raw writes), or raise an error that names the kind of group."""
    path = place.path
    if "plate" in ome or "well" in ome:
        raise InputError(f"{path}: is a plate or a well of many images; give one of the images in it")
    images = [] if inside else place.images()  # a link may lead back to the collection
    if len(images) == 1:
        return open_image(place.inner(images[0]), inside=True)
    if images:
        listed = ", ".join(images[:9])
        one = place.inner(images[0]).path
        way_out = f"give one of them, for example {one}" if one != path else "unpack it, and give one of them"
        raise InputError(f"{path}: holds {len(images)} images ({listed}); {way_out}")
    raise FormatError(f"{path}: is a zarr group without multiscales metadata; give an image in OME-Zarr 0.4 or 0.5")


def bare_array(path: Path, array: Any) -> OpenedFile:
    """Take an array by the names of its axes, if it has them (zarr 3, xarray); else one of three axes as zyx."""
    names = dimension_names(array)
    if names is not None:
        return with_chunks(file_of(path, array, names, Scale(), ()), array)
    if array.ndim != 3:
        way_out = "give an OME-Zarr image, or an array (z, y, x)"
        raise InputError(f"{path}: is a bare zarr array of {array.ndim} axes; {way_out}")
    opened = file_of(path, array, "ZYX", Scale(), ())
    return with_chunks(replace(opened, findings=axes_findings(opened.layout, rows=True)), array)


def dimension_names(array: Any) -> str | None:
    """Return the letters of the axes of a bare array, None where it does not name z, y and x."""
    named = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    if not isinstance(named, list | tuple) or len(named) != array.ndim:
        return None
    letters = "".join(letter({"name": name}) for name in named)
    return letters if {"Z", "Y", "X"} <= set(letters) and len(set(letters)) == len(letters) else None


def file_of(path: Path, array: Any, axes: str, scale: Scale, names: tuple[str, ...]) -> OpenedFile:
    """Return a zarr array as an `OpenedFile`."""
    layout = Layout.parse(axes, array.shape, str(path))

    def load(volume: int) -> LazyVolume:
        return LazyVolume(array, layout, volume, path)

    return OpenedFile(path, layout, dtype=np.dtype(array.dtype), load=load, scale=scale, names=names, lazy=True)


def axes_of(multiscale: Mapping[str, Any], ndim: int) -> tuple[str, list[str | None]]:
    """Return the letters of the axes and their units; without axes (before 0.4) the order was tczyx."""
    systems: Any = multiscale.get("coordinateSystems") or ({},)  # of OME-Zarr 0.6, in place of axes
    axes = multiscale.get("axes") or systems[0].get("axes") or [{"name": name} for name in "tczyx"[-ndim:]]
    tables = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in axes]
    return "".join(letter(table) for table in tables), [table.get("unit") for table in tables]


def letter(axis: Mapping[str, Any]) -> str:
    """Return Z, Y, X, C or T for an axis of the metadata, another letter for any other one."""
    kind = {"channel": "C", "time": "T"}.get(str(axis.get("type")))
    name = str(axis["name"]).upper()
    word = AXIS_WORD.match(name)
    return kind or AXIS_NAMES.get(name) or (word.group(1) if word else name if len(name) == 1 else "O")


def scale_of(axes: str, units: list[str | None], multiscale: Mapping[str, Any], level: Mapping[str, Any]) -> Scale:
    """Return the voxel size: the product of the scales of the level and of the whole."""
    total = np.ones(len(axes))
    found = False
    for table in (level, multiscale):
        for transform in steps_of(table):
            kind = str(transform.get("type"))
            if kind == "scale" and np.shape(transform.get("scale", ())) == total.shape:
                total = total * np.asarray(transform["scale"], dtype=np.float64)
                found = True
            elif kind not in ("translation", "identity"):
                named = (
                    f"a {kind!s:.40} that does not fit its axes"
                    if kind == "scale"
                    else f"a transformation ({kind!s:.40})"
                )
                return Scale(None, f"the voxel size stands in {named}, which is not read; {WAY_OUT}")
    if not found or not set("ZYX") <= set(axes):
        return Scale()
    where = [axes.index(axis) for axis in "ZYX"]
    return scale_from([float(total[i]) for i in where], [units[i] for i in where])


def steps_of(table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the transformations of a level or of the whole; those of a sequence (OME-Zarr 0.6) one by one."""
    found: list[dict[str, Any]] = []
    for transform in table.get("coordinateTransformations") or ():
        inner = transform.get("transformations") if transform.get("type") == "sequence" else None
        found.extend(inner if isinstance(inner, list) else [transform])
    return found


def scales_of(table: Mapping[str, Any], count: int) -> list[list[float]]:
    """Return the scales of `count` axes that a level or the whole states."""
    stated = [step["scale"] for step in steps_of(table) if np.shape(step.get("scale", ())) == (count,)]
    return [[float(value) for value in scale] for scale in stated]


def doubted(
    scale: Scale, axes: str, multiscale: Mapping[str, Any], level: Mapping[str, Any], shapes: Sequence[tuple[int, ...]]
) -> Scale:
    """Return a scale with a note where it stands twice, or where the levels of an image (`shapes`) reach differently far.

    By the specification the scale of the whole is multiplied by that of the level; some writers put the voxel size into both.
    """
    if scale.size is None or scale.note:
        return scale
    every = [*scales_of(level, len(axes)), *scales_of(multiscale, len(axes))]
    twice = next((one for k, one in enumerate(every) if one in every[:k] and set(one) != {1.0}), None)
    if twice is not None:
        said = ",".join(f"{twice[axes.index(axis)]:g}" for axis in "ZYX")
        return replace(scale, note=f"its metadata state the scale {said} twice; both are multiplied; {WAY_OUT}")
    levels = multiscale["datasets"]
    lengths = [_lengths(table, axes, shape) for table, shape in zip(levels, shapes, strict=True)]
    own = lengths[levels.index(level)]
    for other, table in zip(lengths, levels, strict=True):
        axis = next(
            (axis for axis in axes if axis in own and axis in other and _contradict(own[axis], other[axis])), None
        )
        if axis is not None:
            words = [f"level {one['path']} is {n[axis]:g} long" for one, n in ((level, own), (table, other))]
            what = f"along {axis.lower()} {' and '.join(words)} by its scale"
            return replace(scale, note=f"its levels contradict one another: {what}; {WAY_OUT}")
    return scale


def _lengths(table: Mapping[str, Any], axes: str, shape: tuple[int, ...]) -> dict[str, float]:
    """Return how long a level is along z, y and x by its own scale; short axes, of which the levels round, are left out."""
    stated = scales_of(table, len(axes))[:1]
    every = ((axis, abs(edge) * n, n) for scale in stated for axis, edge, n in zip(axes, scale, shape, strict=True))
    return {axis: length for axis, length, n in every if axis in "ZYX" and n >= LONG}


def _contradict(here: float, there: float) -> bool:
    """Say whether two lengths of one image are too different."""
    return max(here, there) > STRETCH * min(here, there)
