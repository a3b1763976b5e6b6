"""Formats that are not read, and the way from each to one that is."""

import re
from pathlib import Path

__all__ = ["KINDS", "advice_for", "kind_of"]

FIJI = "open it in Fiji (Plugins > Bio-Formats > Bio-Formats Importer) and save it as OME-TIFF"
PLANES = "import the pictures in Fiji (File > Import > Image Sequence) and save them as TIFF"
UNPACK = "unpack it, and give what is in it"

# Suffix -> kind of file, and the way out. Compared with the end of the name, the longest first.
KINDS: dict[str, tuple[str, str]] = {
    ".zip": ("a ZIP archive without an OME-Zarr", UNPACK),
    ".gz": ("packed by gzip", "unpack it (gunzip), and give what is in it"),
    ".bz2": ("packed by bzip2", "unpack it (bunzip2), and give what is in it"),
    ".xz": ("packed by xz", "unpack it (unxz), and give what is in it"),
    ".zst": ("packed by Zstandard", "unpack it (unzstd), and give what is in it"),
    ".tar": ("an archive", UNPACK),
    ".tgz": ("an archive", UNPACK),
    ".7z": ("an archive", UNPACK),
    ".rar": ("an archive", UNPACK),
    ".oib": ("an Olympus file", FIJI),
    ".oib, .zvi or .cxd": ("a file of an old microscope program", FIJI),
    ".oif": ("an Olympus file", f"give the folder {'NAME.oif.files'} of its planes, or {FIJI}"),
    ".oir": ("an Olympus file", FIJI),
    ".vsi": ("an Olympus file", FIJI),
    ".zvi": ("an old Zeiss file", FIJI),
    ".lei": ("an old Leica file", FIJI),
    ".xlef": ("a Leica project", FIJI),
    ".lof": ("a Leica file", FIJI),
    ".sld": ("a SlideBook file", FIJI),
    ".sldy": ("a SlideBook file", FIJI),
    ".dv": ("a DeltaVision file", FIJI),
    ".r3d": ("a DeltaVision file", FIJI),
    ".mvd2": ("a Volocity library", FIJI),
    ".nd": ("a MetaMorph list of files", "give the folder of its planes, or " + FIJI),
    ".ics": ("an ICS file", FIJI),
    ".ids": ("an ICS file", FIJI),
    ".mrc": ("an MRC file", FIJI),
    ".mha": ("a MetaImage file", "save it as NRRD or TIFF (Fiji, ITK-SNAP, 3D Slicer)"),
    ".mhd": ("a MetaImage file", "save it as NRRD or TIFF (Fiji, ITK-SNAP, 3D Slicer)"),
    ".klb": ("a KLB file", "save it as OME-Zarr or OME-TIFF (Fiji with its KLB plugin)"),
    ".n5": ("an N5 container", "save it as OME-Zarr or OME-TIFF (Fiji with its N5 plugin)"),
    ".xml": (
        "a list of files (BigStitcher, BigDataViewer, Prairie View?)",
        "give the image itself, or export it as OME-TIFF",
    ),
    ".companion.ome": ("OME metadata without planes", "give the OME-TIFF, or the folder of the OME-TIFFs"),
    ".h5": (
        "HDF5, perhaps of BigDataViewer or BigStitcher",
        "save the stack as OME-TIFF or OME-Zarr (Fiji: BigStitcher > I/O > Export)",
    ),
    ".hdf5": ("HDF5", "save the stack as OME-TIFF or OME-Zarr"),
    ".npz": ("several NumPy arrays in one archive", "save the one that you want: numpy.save('stack.npy', array)"),
    ".mat": (
        "a MATLAB file",
        "save the array as TIFF, or in Python: numpy.save('stack.npy', scipy.io.loadmat(...)[...])",
    ),
    ".pkl": ("pickled Python", "save the array: numpy.save('stack.npy', array)"),
    ".raw": ("bare voxels without a header", "open it in Fiji (File > Import > Raw) and save it as TIFF"),
    ".bin": ("bare voxels without a header", "open it in Fiji (File > Import > Raw) and save it as TIFF"),
    ".dat": ("bare voxels without a header", "open it in Fiji (File > Import > Raw) and save it as TIFF"),
    ".avi": ("a film", "open it in Fiji and save its frames as one TIFF, if they are planes"),
    ".mp4": ("a film", "open it in Fiji and save its frames as one TIFF, if they are planes"),
    ".png": ("a picture of one plane", PLANES),
    ".jpg": ("a picture of one plane", PLANES),
    ".jpeg": ("a picture of one plane", PLANES),
    ".bmp": ("a picture of one plane", PLANES),
    ".gif": ("a picture", PLANES),
    ".jp2": ("a picture of one plane", PLANES),
    ".pdf": ("a document", "give the stack that it shows"),
    ".marker": ("a list of points, not a stack", "give the stack"),
    ".apo": ("a list of points, not a stack", "give the stack"),
    ".ano": ("a list of files (Vaa3D)", "give the stack"),
    ".csv": ("a table", "give the stack"),
    ".txt": ("text", "give the stack"),
    ".dcm": ("a DICOM file", "save the stack as NRRD or TIFF (Fiji, 3D Slicer)"),
    ".jpx": ("a JPEG 2000 stack (Neurolucida)", "export it as TIFF"),
    ".svs": ("a slide of one plane", "give a 3D stack"),
    ".scn": ("a slide of one plane", "give a 3D stack"),
    ".ndpi": ("a slide of one plane", "give a 3D stack"),
    ".lifext": ("the pyramid beside a Leica file", "give the .lif"),
    ".swc": ("a tree, not a stack", "give the stack; trees are for `neurorecon validate` and `neurorecon evaluate`"),
    ".eswc": ("a tree, not a stack", "give the stack; trees are for `neurorecon validate` and `neurorecon evaluate`"),
    ".xlif": ("a Leica project", FIJI),
    ".xlcf": ("a Leica project", FIJI),
    ".dcimg": ("a Hamamatsu file", "export it as TIFF from its program (HCImage, HoKaWo)"),
    ".ets": (
        "a part of an Olympus file",
        "give the .vsi beside it to Fiji (Plugins > Bio-Formats), and save it as OME-TIFF",
    ),
    ".cxd": ("a SimplePCI file", FIJI),
    ".ipw": ("an Image-Pro file", FIJI),
    ".seq": ("an Image-Pro sequence", FIJI),
    ".ipl": ("an IPLab file", FIJI),
    ".pic": ("a Bio-Rad file", FIJI),
    ".sif": ("an Andor file", FIJI),
    ".spe": ("a Princeton Instruments file", FIJI),
    ".dm3": ("a Gatan file", FIJI),
    ".dm4": ("a Gatan file", FIJI),
    ".map": ("an MRC file", FIJI),
    ".hdr": ("a header without its voxels (Analyze, ENVI?)", "save both as one NIfTI, NRRD or TIFF (Fiji, 3D Slicer)"),
    ".img": ("voxels without their header (Analyze, ENVI?)", "save both as one NIfTI, NRRD or TIFF (Fiji, 3D Slicer)"),
    ".mnc": ("a MINC file", "save it as NIfTI (mnc2nii)"),
    ".mgz": ("a FreeSurfer volume", "save it as NIfTI (mri_convert)"),
    ".mgh": ("a FreeSurfer volume", "save it as NIfTI (mri_convert)"),
    ".am": ("an Amira file", "save it as TIFF or NRRD (Amira, Avizo, Fiji)"),
    ".hx": ("an Amira project", "save the stack in it as TIFF or NRRD"),
    ".vtk": ("a VTK file", "save it as NRRD or TIFF (3D Slicer, ParaView)"),
    ".vti": ("a VTK file", "save it as NRRD or TIFF (3D Slicer, ParaView)"),
    ".inr": ("an INRIMAGE file", "save it as TIFF (Fiji)"),
    ".h5j": ("a Janelia H5J file, packed as a film", "save it as NRRD or TIFF (VVD Viewer, Fiji)"),
    ".b2nd": ("a Blosc2 array", "save it as TIFF or OME-Zarr, in Python by blosc2"),
    ".psd": ("a picture of one plane", PLANES),
    ".webp": ("a picture of one plane", PLANES),
    ".heic": ("a picture of one plane", PLANES),
    ".jxl": ("a picture of one plane", PLANES),
    ".mrxs": ("a slide of one plane", "give a 3D stack"),
    ".obj": ("a mesh, not a stack", "give the stack"),
    ".ply": ("a mesh, not a stack", "give the stack"),
    ".stl": ("a mesh, not a stack", "give the stack"),
    ".part": ("an unfinished download", "download it again, or wait for its end"),
    ".crdownload": ("an unfinished download", "download it again, or wait for its end"),
    ".download": ("an unfinished download", "download it again, or wait for its end"),
    ".nml": ("a tracing, not a stack", "give the stack"),
    ".asc": ("a tracing, not a stack", "give the stack"),
    ".traces": ("traces of SNT, not a stack", "give the stack"),
}

# First bytes that show the kind of a file whose name does not.
MAGIC: dict[bytes, str] = {
    b"PK\x03\x04": ".zip",
    b"\x1f\x8b": ".gz",
    b"BZh": ".bz2",
    b"\xfd7zXZ": ".xz",
    b"\x28\xb5\x2f\xfd": ".zst",
    b"7z\xbc\xaf": ".7z",
    b"\xd0\xcf\x11\xe0": ".oib, .zvi or .cxd",  # the container that they share
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"%PDF": ".pdf",
}
# Set by hand; not tuned, unless a line says more.
HEAD_BYTES = 256  # that tell a page of the web or a pointer
HTML = re.compile(
    rb"\s*(<!--.*?-->\s*)?<(!doctype\s+html|html|head|\?xml[^>]*>\s*<!doctype\s+html)", re.IGNORECASE | re.DOTALL
)
POINTERS: dict[bytes, str] = {
    b"version https://git-lfs": "is a pointer of Git LFS, not the file; fetch it (git lfs pull)",
    b"/annex/objects/": "is a pointer of git-annex, not the file; fetch it (git annex get, datalad get)",
}


def stand_in(head: bytes) -> str | None:
    """Return what took the place of a file, whatever its name, by its first bytes; None if nothing did."""
    if HTML.match(head):
        return "is a page of the web, of a sign-in or an error perhaps, not the file; download it again"
    return next((text for start, text in POINTERS.items() if head.startswith(start)), None)


def suffix_of(name: str) -> str | None:
    """Return the longest suffix of KINDS that a name ends with."""
    fitting = [suffix for suffix in KINDS if name.lower().endswith(suffix)]
    return max(fitting, key=len) if fitting else None


def kind_of(name: str) -> tuple[str, str] | None:
    """Return the kind of a file and the way out by its name alone, None where the name does not show it."""
    suffix = suffix_of(name)
    return KINDS[suffix] if suffix else None


def advice_for(path: Path) -> str | None:
    """Return the kind of a file and the way out, None if neither its name nor its first bytes show the kind."""
    suffix = suffix_of(path.name)
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    if (text := stand_in(head)) is not None:
        return text
    if suffix is None:
        suffix = next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), None)
    if suffix is None:
        return None
    what, way_out = KINDS[suffix]
    return f"is {what} ({suffix}), which is not read; {way_out}"
