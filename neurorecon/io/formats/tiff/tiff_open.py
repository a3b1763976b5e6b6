"""TIFFs opened by their chain of directories, with harmless oddities of the metadata corrected."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import FormatError, InputError
from neurorecon.core.files import check_regular
from neurorecon.io.formats.tiff.tiff_check import DOCTYPE, check_entities, walk_chain
from neurorecon.io.units import Scale, scale_from

__all__ = ["Interleaved", "Mixed", "interleaved", "micromanager_turns", "mixed", "opened"]

# Facts of the format, or limits set by hand: a tag, and pages that tell whether several channels stand in turn.
MM_TAG, MM_PAGES = 51123, 16
XML_BYTES = 1 << 26  # of a file of metadata, at most; set by hand: a plane takes some 300
SAVED_CHANNELS = re.compile(r"channels?Save\s*=\s*(\[[^\]\n]*\]|\d+)")  # ScanImage 4 and later
CHANNELS_OLD = re.compile(r"state\.acq\.numberOfChannelsSave\s*=\s*(\d+)")  # ScanImage 3
COUNTS = {
    "slices": re.compile(r"(?:hStackManager\.actualNumSlices|stackNumSlices|state\.acq\.numberOfZSlices)\s*=\s*(\d+)"),
    "asked": re.compile(r"hStackManager\.numSlices\s*=\s*(\d+)"),
    "frames": re.compile(r"(?:hStackManager\.framesPerSlice|acqNumFrames|state\.acq\.numberOfFrames)\s*=\s*(\d+)"),
    "averaged": re.compile(r"(?:logAverageFactor|acqNumAveragedFrames)\s*=\s*(\d+)"),
}
FOV = re.compile(r"imagingFovUm\s*=\s*\[([^\]\n]*)\]")  # corners of the field, um: "x y;x y;x y;x y"
Z_STEP = re.compile(r"(?:stackZStepSize|state\.acq\.zStepSize)\s*=\s*(-?[\d.]+)")


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Give an open `tifffile.TiffFile`.

    Of a ScanImage file tifffile takes the first directories for the pattern of all the others, and reads wrong voxels where
    that does not hold: it has to follow the chain. An OME-XML without a size of an axis gets it: 1.
    """
    import tifffile

    with tifffile.TiffFile(path, is_scanimage=False) as tif:
        mended = _mended(path, tif) if tif.is_ome else None
        if mended is None:
            yield tif
            return
    options = {"omexml": mended} if mended else {"is_ome": False}
    with tifffile.TiffFile(path, is_scanimage=False, **options) as tif:
        yield tif


def _mended(path: Path, tif: Any) -> str | None:
    """Return an OME-XML in which every Pixels has five axes with their sizes; None where it has them already.

    One that only names the file with the metadata (BinaryOnly) gives those; "" where that file is not there: then the
    planes are read without it.
    """
    check_entities(path, tif)
    root = ET.fromstring(str(tif.ome_metadata))
    elsewhere = [child.get("MetadataFile", "") for child in root if child.tag.rpartition("}")[2] == "BinaryOnly"]
    changed = bool(elsewhere)
    if elsewhere:
        uuid, master = root.get("UUID"), _master(path, elsewhere[0])
        if master is None or uuid is None:
            return ""
        root = master
        root.set("UUID", uuid)  # planes without the name of a file are those of this one
    for node in root.iter():
        if node.tag.rpartition("}")[2] != "Pixels":
            continue
        order = node.get("DimensionOrder", "XYZCT")
        whole = order + "".join(axis for axis in "XYZCT" if axis not in order)
        for axis in "ZCT":
            if node.get(f"Size{axis}") is None:
                node.set(f"Size{axis}", "1")
                changed = True
        if node.get("DimensionOrder") != whole and sorted(whole) == sorted("XYZCT"):
            node.set("DimensionOrder", whole)
            changed = True
    return ET.tostring(root, encoding="unicode") if changed else None


def _master(path: Path, name: str) -> ET.Element | None:
    """Return the OME-XML of the file `name` beside a TIFF, another TIFF or XML alone, None if it is not there.

    Raises:
        FormatError, InputError: if it is damaged, or no regular file.
    """
    import tifffile

    beside = path.with_name(Path(name).name)
    check_regular(beside)
    if not beside.is_file() or beside == path:
        return None
    with open(beside, "rb") as file:
        alone = file.read(1) == b"<"
    if alone:
        if beside.stat().st_size > XML_BYTES:
            raise FormatError(f"{beside}: is no OME-XML: it has {beside.stat().st_size} bytes")
        text = beside.read_text(encoding="utf-8", errors="replace")
        if DOCTYPE.search(text):
            raise FormatError(
                f"{beside}: is damaged: its OME-XML declares a document type or entities; export it again"
            )
    else:
        walk_chain(beside)
        with tifffile.TiffFile(beside, is_scanimage=False) as tif:
            check_entities(beside, tif)
            text = str(tif.ome_metadata) if tif.is_ome else ""
    root = ET.fromstring(text) if text else None
    pixels = root is not None and any(node.tag.rpartition("}")[2] == "Pixels" for node in root.iter())
    return root if pixels else None


@dataclass(frozen=True, slots=True)
class Interleaved:
    """How ScanImage put frames into one file: of each plane all channels, one after the other.

    Attributes:
        channels: that were saved.
        planes: of one channel.
        frames: of each plane, or volumes.
        z_um: distance of the planes, None where it is not stated.
        field_um: lengths (y, x) of the field, None likewise.
        axes: T, Z and C, outermost first: one volume after the other, or all frames of a plane before the next plane.
    """

    channels: int
    planes: int
    frames: int
    z_um: float | None
    field_um: tuple[float, float] | None
    axes: str = "TZC"

    @property
    def lengths(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return tuple({"T": self.frames, "Z": self.planes, "C": self.channels}[axis] for axis in self.axes)

    def scale(self, y: int, x: int) -> Scale:
        """Return the voxel size of planes of `y` times `x` pixels."""
        field = (None, None) if self.field_um is None else (self.field_um[0] / y, self.field_um[1] / x)
        return replace(scale_from([self.z_um, *field], "um"), origin="the ScanImage header")


def interleaved(path: Path, tif: Any, pages: int) -> Interleaved | None:
    """Return the order of the pages of a ScanImage file, None for another file.

    Raises:
        FormatError: if its header does not fit the number of pages.
    """
    tags = tif.pages.first.tags
    text = f"{tags.valueof('Software', '')}\n{tags.valueof('ImageDescription', '')}"
    saved, old = SAVED_CHANNELS.search(text), CHANNELS_OLD.search(text)
    if saved is None and old is None:
        return None
    channels = len(re.findall(r"\d+", saved.group(1))) if saved else int(old.group(1)) if old else 1
    said = {name: int(match.group(1)) for name, rule in COUNTS.items() if (match := rule.search(text))}
    slices = said.get("slices", said.get("asked", 0))
    kept = max(1, said.get("frames", 1) // max(1, said.get("averaged", 1)))
    step = Z_STEP.search(text)
    z_um = abs(float(step.group(1))) or None if step else None
    where = FOV.search(text)
    corners = [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", where.group(1))] if where else []
    xs, ys = corners[::2], corners[1::2]
    field = (max(ys) - min(ys), max(xs) - min(xs)) if len(corners) >= 4 and len(xs) == len(ys) else None
    told = (z_um, field)
    if channels < 1 or pages % channels:
        what = f"its ScanImage header says {channels} channels, which {pages} pages do not divide into"
        raise FormatError(f"{path}: is cut off or damaged: {what}; export it again")
    planes = pages // channels
    if slices > 1 and planes % slices == 0:
        frames = planes // slices
        if 1 < frames != kept > 1:
            what = f"holds {slices} slices of {kept} frames, {planes} in all: a series of volumes with frames in turn"
            raise FormatError(f"{path}: {what}; export one volume")
        return Interleaved(channels, slices, frames, *told, axes="TZC" if kept == 1 else "ZTC")
    if slices > 1 and kept > 1:
        what = f"its ScanImage header says {slices} slices of {kept} frames, of which {planes} are there"
        raise FormatError(f"{path}: is cut off or damaged: {what}; export it again")
    return Interleaved(channels, 1, planes, *told) if slices == 1 else Interleaved(channels, planes, 1, *told)


def micromanager_turns(path: Path, series: Any) -> None:
    """Raise InputError if the pages of a file without axes are of several channels, positions or times (NDTiff).

    Micro-Manager writes of each page what it shows into a tag of its own.
    """
    if series.kind not in ("generic", "uniform") or len(series) < 2 or MM_TAG not in series.keyframe.tags:
        return
    abouts = [series[k].aspage().tags.valueof(MM_TAG) for k in range(min(len(series), MM_PAGES))]
    tables = [
        table for about in abouts if isinstance(about, dict) and isinstance(table := about.get("Axes", about), dict)
    ]
    for axis, keys in (("channels", ("channel", "ChannelIndex")), ("positions", ("position", "PositionIndex"))):
        found = {str(table[key]) for table in tables for key in keys if key in table}
        if len(found) > 1:
            listed = ", ".join(sorted(found)[:5])
            what = (
                f"holds {axis} in turn ({listed}) by the metadata of Micro-Manager, without a header that orders them"
            )
            raise InputError(f"{path}: {what}; save it as OME-TIFF (Micro-Manager, or Fiji: Plugins > Bio-Formats)")


def mixed(series: Sequence[Any]) -> "Mixed | None":
    """Return planes that differ in their packing alone as one series in the order of the file, else None.

    Planes that tifffile wrote one by one are each a series with a description of its own; they count if they are alike.
    """
    keys = [(s.kind, s.keyframe.shape, np.dtype(s.dtype), s.keyframe.axes, int(s.keyframe.photometric)) for s in series]
    single = keys[0][0] == "shaped" and all(len(s) == 1 for s in series)
    if len(set(keys)) > 1 or not (single or keys[0][0] == "generic"):
        return None
    pages = sorted((page for s in series for page in s), key=lambda page: int(page.index))
    whole = all(isinstance(page.index, int) for page in pages) and max(Counter(p.index for p in pages).values()) == 1
    return Mixed(tuple(pages)) if whole else None


@dataclass(frozen=True, slots=True)
class Mixed:
    """Planes of one size and type that are packed in several ways, with the interface of a `tifffile.TiffPageSeries`."""

    pages: tuple[Any, ...]
    kind: str = "generic"
    dataoffset: None = None
    transform: None = None
    is_multifile: bool = False

    @property
    def keyframe(self) -> Any:
        """The first plane."""
        return self.pages[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels."""
        found: np.dtype[Any] = np.dtype(self.pages[0].dtype)
        return found

    @property
    def size(self) -> int:
        """Number of voxels."""
        return len(self.pages) * int(self.pages[0].size)

    def get_axes(self, squeeze: bool = False) -> str:
        """Return the letters of the axes."""
        return "I" + str(self.pages[0].axes)

    def get_shape(self, squeeze: bool = False) -> tuple[int, ...]:
        """Return their lengths."""
        return (len(self.pages), *self.pages[0].shape)

    def __len__(self) -> int:
        """Return the number of planes."""
        return len(self.pages)

    def __iter__(self) -> Iterator[Any]:
        """Give the planes."""
        return iter(self.pages)

    def __getitem__(self, number: int) -> Any:
        """Return a plane."""
        return self.pages[number]

    def asarray(self) -> NDArray[Any]:
        """Decode all planes."""
        return np.stack([page.asarray() for page in self.pages])
