"""OME-TIFF, plane by plane: deflated, with an OME-XML that states size, type and voxel size.

After the OME model 2016-06, https://www.openmicroscopy.org/Schemas/Documentation/Generated/OME-2016-06/ome.html.
"""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.geometry import VoxelSize

__all__ = ["TiffSink", "certain_in", "ome_xml"]

NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
LOCATION = "http://www.w3.org/2001/XMLSchema-instance"
PIXEL_TYPE = {"uint8": "uint8", "uint16": "uint16", "float32": "float"}
# Facts of the format, or limits set by hand; not tuned.
CLASSIC_BYTES = (1 << 32) - (1 << 25)  # above, offsets of 32 bit may not reach: planes that deflate badly grow a little
LEVEL = 6  # zlib's own default
CERTAIN = "neurorecon/certain"  # namespace of the annotation that says which probability makes a neurite certain


def ome_xml(
    shape: tuple[int, int, int], dtype: np.dtype[Any], voxel_size: VoxelSize | None, certain: float | None = None
) -> bytes:
    """Return the OME-XML of a grey stack (Z, Y, X) whose planes are the pages of one file, in order.

    `certain` is that of a Probability.
    """
    ET.register_namespace("xsi", LOCATION)
    root = ET.Element("OME", {"xmlns": NAMESPACE, "Creator": "neurorecon"})
    root.set(f"{{{LOCATION}}}schemaLocation", f"{NAMESPACE} {NAMESPACE}/ome.xsd")
    image = ET.SubElement(root, "Image", ID="Image:0")
    z, y, x = (str(n) for n in shape)
    pixels = ET.SubElement(
        image, "Pixels", ID="Pixels:0", DimensionOrder="XYZCT", Type=PIXEL_TYPE[dtype.name],
        SizeX=x, SizeY=y, SizeZ=z, SizeC="1", SizeT="1", BigEndian="false", Interleaved="false",
    )  # fmt: skip
    if voxel_size is not None:
        for axis, value in zip("XYZ", voxel_size.zyx[::-1], strict=True):
            pixels.set(f"PhysicalSize{axis}", repr(float(value)))
            pixels.set(f"PhysicalSize{axis}Unit", "\u00b5m")
    ET.SubElement(pixels, "Channel", ID="Channel:0:0", SamplesPerPixel="1")
    ET.SubElement(pixels, "TiffData", IFD="0", PlaneCount=z)
    if certain is not None:
        notes = ET.SubElement(root, "StructuredAnnotations")
        note = ET.SubElement(notes, "DoubleAnnotation", ID="Annotation:0", Namespace=CERTAIN)
        ET.SubElement(note, "Value").text = repr(float(certain))
    xml: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return xml


def certain_in(description: str) -> float | None:
    """Return `certain` of a Probability from the description of a TIFF by `ome_xml`, None if it is not there."""
    found = re.search(rf'Namespace="{CERTAIN}"><Value>(0\.[0-9]{{1,20}})</Value>', description)
    return None if found is None else float(found[1])


class TiffSink:
    """Writes planes as the pages of one OME-TIFF; the same planes give the same bytes."""

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        voxel_size: VoxelSize | None,
        certain: float | None = None,
    ) -> None:
        import tifffile

        big = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize > CLASSIC_BYTES
        self._file = tifffile.TiffWriter(path, bigtiff=big, byteorder="<", ome=False)
        self._description: bytes | None = ome_xml(shape, dtype, voxel_size, certain)
        self._pixels_per_cm = None if voxel_size is None else (1e4 / voxel_size.x, 1e4 / voxel_size.y)

    def append(self, block: NDArray[Any]) -> None:
        """Add planes (n, Y, X), a page each."""
        for plane in block:
            self._file.write(
                np.ascontiguousarray(plane),
                photometric="minisblack",
                compression="zlib",
                compressionargs={"level": LEVEL},
                description=self._description,
                metadata=None,
                software="neurorecon",
                resolution=self._pixels_per_cm,
                resolutionunit=None if self._pixels_per_cm is None else "CENTIMETER",
            )
            self._description = None

    def finish(self) -> None:
        """Nothing is held back: each page is complete."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()
