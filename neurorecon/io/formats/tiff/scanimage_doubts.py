"""Doubts about a ScanImage file whose header and pages do not agree, or whose frames hold several fields."""

import json
import re
from collections.abc import Iterator
from typing import Any

from neurorecon.core.errors import InputError
from neurorecon.core.findings import StackFinding

__all__ = ["scanimage_doubts"]

SLICES = re.compile(r"(?:hStackManager\.actualNumSlices|stackNumSlices|state\.acq\.numberOfZSlices)\s*=\s*(\d+)")
FLYBACK = re.compile(r"numDiscardFlybackFrames\s*=\s*(\d+)")
SEVERAL_ROIS = re.compile(r"mroiEnable\s*=\s*(?:1|true)\b", re.IGNORECASE)


def scanimage_doubts(path: object, tif: Any, planes: int) -> Iterator[StackFinding]:
    """Say that a file holds other planes than its header counts, or several fields in each frame.

    Args:
        path: opens messages.
        tif: the open `tifffile.TiffFile`.
        planes: of one channel and time point, as they are read.

    Raises:
        InputError: if these are several volumes, with frames of the way back between them.
    """
    tags = tif.pages.first.tags
    text = f"{tags.valueof('Software', '')}\n{tags.valueof('ImageDescription', '')}"
    said, back = SLICES.search(text), FLYBACK.search(text)
    slices, flyback = int(said.group(1)) if said else 0, int(back.group(1)) if back else 0
    if 1 < slices != planes:
        volumes = planes // (slices + flyback)
        if flyback and volumes > 1 and planes % (slices + flyback) == 0:
            what = f"holds {volumes} volumes of {slices} slices, and {flyback} frames of the way back behind each"
            raise InputError(
                f"{path}: {what}; save the slices of one volume (Fiji: Image > Stacks > Tools > Make Substack)"
            )
        counted = f"its ScanImage header counts {slices} slices, {planes} planes are there"
        if flyback and planes == slices + flyback:
            counted += f": the last {flyback} were taken on the way back"
        yield StackFinding("scanimage-planes", "warning", counted, "leave out planes that are no slices")
    if SEVERAL_ROIS.search(text) and (count := _rois(tags.valueof("Artist", ""))) != 1:
        several = f"{count} fields" if count else "several fields"
        what = f"its ScanImage header says that each frame holds {several} (mROI), one below the other"
        yield StackFinding("views-side-by-side", "warning", what, "cut out one of them (Fiji: Image > Crop)")


def _rois(text: object) -> int:
    """Return the number of fields that the JSON of the tag Artist lists, 0 where it lists none."""
    try:
        rois = json.loads(str(text).strip("\0 "))["RoiGroups"]["imagingRoiGroup"]["rois"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return 0
    return len(rois) if isinstance(rois, list) else 1
