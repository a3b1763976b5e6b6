"""Voxel size and channel names from the dialects of TIFF: OME-XML, ImageJ, LSM, and tifffile's own description.

A plain TIFF gives at most the size of a pixel (and 72 dpi means nothing); the distance of planes stands nowhere, so the
voxel size is unknown.
"""

import math
from dataclasses import replace
from statistics import median
from typing import Any
from xml.etree import ElementTree as ET

from neurorecon.io.units import WAY_OUT, Scale, micrometres, odd_lengths, plain_number, scale_from

__all__ = ["ome_pixels", "tiff_names", "tiff_scale"]

UNIT_OF_TAG = {2: "inch", 3: "cm"}
# Facts of the format, or limits set by hand; not tuned.
FEWEST_STEPS = 3  # between planes, from which positions tell their distance
UNEVEN = 0.1  # of the distance: a stage is more exact
SCREEN_DPI = 72.0  # written by programs that know no resolution


def ome_pixels(xml: str) -> list[ET.Element]:
    """Return the Pixels elements of an OME-XML, one an image."""
    return [node for node in ET.fromstring(xml).iter() if node.tag.rpartition("}")[2] == "Pixels"]


def own_pixels(tif: Any) -> ET.Element | None:
    """Return the Pixels element of an OME-TIFF: of several images the one whose planes lie in this file, else the first.

    Micro-Manager writes the metadata of all positions into the file of each.
    """
    root = ET.fromstring(tif.ome_metadata)
    found = ome_pixels(tif.ome_metadata)
    for pixels in found[1:]:
        for node in pixels.iter():
            here = (node.text or "").strip() == root.get("UUID") or node.get("FileName") == tif.filename
            if node.tag.rpartition("}")[2] == "UUID" and here:
                return pixels
    return found[0] if found else None


def tiff_scale(tif: Any) -> Scale:
    """Return the voxel size that an open `tifffile.TiffFile` states; faulty numbers are ignored, as the voxels are good."""
    try:
        return replace(stated_scale(tif), origin=dialect(tif))
    except (ValueError, TypeError, OverflowError) as error:
        return Scale(None, f"the file's voxel size cannot be read ({error!s:.80}); {WAY_OUT}")


def dialect(tif: Any) -> str:
    """Return the name of the metadata that a TIFF carries."""
    kinds = (("is_ome", "OME-XML"), ("is_lsm", "the LSM header"), ("is_imagej", "the ImageJ header"))
    return next((name for flag, name in kinds if getattr(tif, flag)), "the TIFF description")


def stated_scale(tif: Any) -> Scale:
    """Return the voxel size by the dialect of a TIFF."""
    if tif.is_ome:
        pixels = own_pixels(tif)
        return Scale() if pixels is None else ome_scale(pixels)  # none in a part that names the file with the metadata
    if tif.is_lsm:
        meta = tif.lsm_metadata or {}
        return scale_from([meta.get(f"VoxelSize{axis}") for axis in "ZYX"], "m")
    if tif.is_imagej:
        return imagej_scale(tif, tif.imagej_metadata or {}, default_z=1.0)
    if tif.is_shaped and tif.shaped_metadata:
        meta = tif.shaped_metadata[0]
        stated = meta.get("spacing_um_zyx")
        if isinstance(stated, list) and len(stated) == 3:
            return scale_from(stated, "um")
        if "spacing" in meta:
            return imagej_scale(tif, meta, default_z=None)
    return Scale()


def ome_scale(pixels: ET.Element) -> Scale:
    """Return the voxel size of an OME Pixels element; its unit is the micrometre where none is named."""
    sizes = [plain_number(text) if (text := pixels.get(f"PhysicalSize{axis}")) else None for axis in "ZYX"]
    units = [pixels.get(f"PhysicalSize{axis}Unit", "um") for axis in "ZYX"]
    return by_positions(scale_from(sizes, units), sizes, units, plane_step(pixels))


def plane_step(pixels: ET.Element) -> tuple[float, bool] | None:
    """Return the distance of the planes by their positions, um, and whether it is even; None where they are not stated."""
    places: dict[int, float] = {}
    for node in pixels:
        if node.tag.rpartition("}")[2] == "Plane" and node.get("TheC", "0") == node.get("TheT", "0") == "0":
            factor = micrometres(node.get("PositionZUnit"))
            if factor is not None and node.get("PositionZ"):
                places[int(node.get("TheZ", "0"))] = factor * plain_number(str(node.get("PositionZ")))
    steps = [abs(places[z + 1] - places[z]) for z in sorted(places) if z + 1 in places]
    if len(steps) < FEWEST_STEPS or not all(map(math.isfinite, steps)) or median(steps) <= 0:
        return None
    usual = median(steps)
    return usual, max(abs(step - usual) for step in steps) <= UNEVEN * usual


def by_positions(scale: Scale, sizes: list[float | None], units: list[str], step: tuple[float, bool] | None) -> Scale:
    """Return a voxel size whose planes are compared with their own positions; without a size along z that is theirs."""
    if step is None:
        return scale
    um, even = step
    if sizes[0] is None and None not in sizes[1:]:
        found = scale_from([um, *sizes[1:]], ["um", *units[1:]])
        return replace(found, note=f"the distance of planes, {um:g} um, is that of their positions; {WAY_OUT}")
    if scale.size is None or scale.note:
        return scale
    if not even:
        return replace(scale, note=f"the planes lie unevenly by their positions, usually {um:g} um apart; {WAY_OUT}")
    if abs(um - scale.size.z) > UNEVEN * scale.size.z:
        said = (
            f"its planes lie {um:g} um apart by their positions, {scale.size.z:g} um by PhysicalSizeZ, which is taken"
        )
        return replace(scale, note=f"{said}; {WAY_OUT}")
    return scale


def imagej_scale(tif: Any, meta: dict[str, Any], *, default_z: float | None) -> Scale:
    """Return the voxel size of an ImageJ description: spacing along z, resolution tags along y and x, one unit.

    ImageJ leaves out a spacing of 1, so that `default_z` stands for it where a unit is given.
    """
    if meta.get("scales") and meta.get("axes"):
        return scifio_scale(meta)
    tags = tif.pages.first.tags
    unit_tag = int(tags.valueof("ResolutionUnit", 1))
    of_tag = UNIT_OF_TAG.get(unit_tag)
    unit = str(meta["unit"]) if meta.get("unit") else None
    yx = []
    for name in ("YResolution", "XResolution"):
        up, down = tags.valueof(name, (0, 1))
        if up <= 0 or down <= 0 or (unit_tag == 2 and up / down == SCREEN_DPI):
            return Scale()
        yx.append(down / up)
    if unit is None and of_tag is not None:
        return pixels_alone(yx, of_tag, meta)
    z = meta.get("spacing", default_z if meta.get("unit") else None)
    units = [str(meta.get(key) or unit) if unit else None for key in ("zunit", "yunit")]
    scale = scale_from([plain_number(str(z)) if z is not None else None, *yx], [*units, unit])
    if of_tag is not None and unit is not None and micrometres(of_tag) != micrometres(unit):
        return by_tag(scale, [plain_number(str(z)) if z is not None else None, *yx], [units[0], of_tag, of_tag])
    if scale.size is not None and "spacing" not in meta:
        return Scale(scale.size, f"the ImageJ header names no distance of planes, which means 1 {unit}; {WAY_OUT}")
    return scale


def scifio_scale(meta: dict[str, Any]) -> Scale:
    """Return the voxel size of a description by SCIFIO: a scale and a unit for each axis, in their order."""
    axes, scales, units = (str(meta.get(key, "")).split(",") for key in ("axes", "scales", "units"))
    table = dict(zip(axes, zip(scales, units or [""] * len(axes), strict=False), strict=False))
    found = [table.get(axis) for axis in "ZYX"]
    if None in found:
        return Scale()
    return scale_from([plain_number(pair[0]) for pair in found if pair], [pair[1] for pair in found if pair])


def pixels_alone(yx: list[float], unit: str, meta: dict[str, Any]) -> Scale:
    """Return the doubt of a file whose resolution has a unit of its own and whose distance of planes has none."""
    if "spacing" not in meta:
        return Scale()
    y, x = (length * (micrometres(unit) or 1.0) for length in yx)
    known = f"pixels of {y:g} x {x:g} um, and a distance of planes ({meta['spacing']}) without a unit"
    return Scale(None, f"the file gives {known}; {WAY_OUT}")


def by_tag(scale: Scale, zyx: list[float | None], units: list[str | None]) -> Scale:
    """Return a voxel size whose pixels are counted by the unit of the resolution tag where ImageJ's way is impossible.

    ImageJ writes a resolution per its own unit, and no unit into the tag. Other programs write it per cm all the same.
    """
    other = scale_from(zyx, units)
    if other.size is None or scale.size is None or not odd_lengths(scale.size) or odd_lengths(other.size):
        return scale
    said = f"the resolution counts pixels per {units[1]}, the description names another unit; read as {other.size} um"
    return Scale(other.size, f"{said}; {WAY_OUT}")


def tiff_names(tif: Any) -> tuple[str, ...]:
    """Return the names of the channels, () where the file has none."""
    if tif.is_ome:
        nodes = [] if (pixels := own_pixels(tif)) is None else list(pixels)
        channels = [node for node in nodes if node.tag.rpartition("}")[2] == "Channel"]
        return tuple(node.get("Name", "") for node in channels)
    if tif.is_lsm:
        colours = (tif.lsm_metadata or {}).get("ChannelColors") or {}
        return tuple(str(name) for name in colours.get("ColorNames", ()))
    return ()
