"""Small valid inputs, one folder a format: written by the format's own library where there is one, else byte by byte.

Each entry is a folder; `Sample.target` names in it the path that a reader is given.
"""

import gzip
import shutil
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SHAPE = (6, 10, 12)


@dataclass(frozen=True, slots=True)
class Sample:
    """A valid input.

    Attributes:
        kind: the format, as the table of results names it.
        name: tells samples of a format apart.
        folder: holds the input and nothing else.
        target: what the reader is given.
    """

    kind: str
    name: str
    folder: Path
    target: Path


def stack(dtype=np.uint8) -> np.ndarray:
    """The voxels of every sample, (6, 10, 12): dark with a few bright lines, so that codecs have something to do."""
    rng = np.random.default_rng(11)
    data = rng.integers(0, 12, SHAPE)
    data[:, 4, :] += 150
    data[2, :, 5] += 60
    return data.astype(dtype)


def tiff(folder: Path, **options) -> Path:
    import tifffile

    data = options.pop("data", stack())
    tifffile.imwrite(folder / "a.tif", data, photometric="minisblack", **options)
    return folder / "a.tif"


def planes(folder: Path, name: str = "img_Z{:02d}.tif", **options) -> Path:
    import tifffile

    for z, plane in enumerate(stack()):
        tifffile.imwrite(folder / name.format(z), plane, photometric="minisblack", **options)
    return folder


def split_ome(folder: Path) -> Path:
    """Planes spread over three files that name each other, as Micro-Manager writes them."""
    import tifffile

    pixels = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{me}"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="12" SizeY="10" SizeZ="6" SizeC="1" '
        'SizeT="1" PhysicalSizeZ="2.0" PhysicalSizeY="0.5" PhysicalSizeX="0.5"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
    )
    for part in range(3):
        pixels += "".join(
            f'<TiffData FirstZ="{z}" IFD="{z - 2 * part}" PlaneCount="1"><UUID FileName="p{part}.ome.tif">urn:uuid:{part}'
            "</UUID></TiffData>"
            for z in (2 * part, 2 * part + 1)
        )
    for part in range(3):
        xml = (pixels + "</Pixels></Image></OME>").replace("{me}", str(part)).encode()
        path = folder / f"p{part}.ome.tif"
        tifffile.imwrite(
            path, stack()[2 * part : 2 * part + 2], photometric="minisblack", description=xml, metadata=None
        )
    return folder / "p0.ome.tif"


def v3draw(folder: Path, *, voxel_bytes: int = 1, size_format: str = "i") -> Path:
    z, y, x = SHAPE
    head = b"raw_image_stack_by_hpeng" + b"L" + struct.pack(f"<h4{size_format}", voxel_bytes, x, y, z, 1)
    (folder / "a.v3draw").write_bytes(head + stack({1: "u1", 2: "<u2", 4: "<f4"}[voxel_bytes]).tobytes())
    return folder / "a.v3draw"


def v3dpbd(folder: Path, *, voxel_bytes: int = 1) -> Path:
    """Literal tokens of at most 33 (8 bit) or 32 (16 bit) voxels, runs for the last plane."""
    z, y, x = SHAPE
    head = b"v3d_volume_pkbitdf_encod" + b"L" + struct.pack("<h4i", voxel_bytes, x, y, z, 1)
    voxels, code = stack("u1" if voxel_bytes == 1 else "<u2"), b""
    voxels[-1] = 7
    plain = voxels[:-1].ravel()
    for start in range(0, plain.size, 30):
        part = plain[start : start + 30]
        code += bytes([part.size - 1]) + part.tobytes()
    for start in range(0, x * y, 30):
        run = min(30, x * y - start)
        code += bytes([(127 if voxel_bytes == 1 else 222) + run]) + voxels[-1].ravel()[:1].tobytes()
    (folder / "a.v3dpbd").write_bytes(head + code)
    return folder / "a.v3dpbd"


def ims(folder: Path, **options) -> Path:
    import h5py

    def chars(text: str) -> np.ndarray:
        return np.array(list(text), dtype="S1")

    with h5py.File(folder / "a.ims", "w") as file:
        group = file.create_group("DataSet/ResolutionLevel 0/TimePoint 0/Channel 0")
        group.create_dataset("Data", data=np.pad(stack(), [(0, 2)] * 3), **options)
        image = file.create_group("DataSetInfo/Image")
        image.attrs["Unit"] = chars("um")
        for axis, letter, count in zip("012", "XYZ", SHAPE[::-1], strict=True):
            group.attrs[f"ImageSize{letter}"] = chars(str(count))
            image.attrs[f"ExtMin{axis}"], image.attrs[f"ExtMax{axis}"] = chars("0.0"), chars(f"{count / 2}")
        file.create_group("DataSetInfo/Channel 0").attrs["Name"] = chars("dye")
    return folder / "a.ims"


def nrrd(folder: Path, *, name: str = "a.nrrd", **header) -> Path:
    import nrrd as library

    header = {"spacings": [0.5, 0.5, 2.0], "units": ["um"] * 3, **header}
    library.write(str(folder / name), stack(), header, index_order="C")
    return folder / name


def nifti(folder: Path, *, name: str = "a.nii", version: int = 1) -> Path:
    import nibabel

    kind = nibabel.Nifti1Image if version == 1 else nibabel.Nifti2Image
    image = kind(stack(np.int16).T, np.eye(4))
    image.header.set_xyzt_units("micron")
    content = image.to_bytes()
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder / name


def npy(folder: Path, *, order: str = "C", dtype: str = "u1") -> Path:
    np.save(folder / "a.npy", np.asarray(stack(dtype), order=order))
    return folder / "a.npy"


def zarr(folder: Path, version: str, **options) -> Path:
    import zarr as library

    step = [{"type": "scale", "scale": [2.0, 0.5, 0.5]}]
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"]
    ome = {
        "version": version,
        "multiscales": [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": step}]}],
    }
    new = version == "0.5"
    path = folder / "a.ome.zarr"
    group = library.create_group(path, zarr_format=3 if new else 2, attributes={"ome": ome} if new else ome)
    options = {"chunks": (3, 5, 6), **options}
    group.create_array("0", shape=SHAPE, dtype="u1", **options)[...] = stack()
    return path


def zipped(folder: Path, *, inside: str = "", packing: int = zipfile.ZIP_STORED) -> Path:
    """An OME-Zarr 0.5 in an archive, at its root or in a folder in it."""
    source = zarr(folder, "0.5")
    with zipfile.ZipFile(folder / "a.ome.zarr.zip", "w", packing) as archive:
        for path in sorted(path for path in source.rglob("*") if path.is_file()):
            archive.write(path, inside + path.relative_to(source).as_posix())
    shutil.rmtree(source)
    return folder / "a.ome.zarr.zip"


def swc(folder: Path, *, comma: bool = False) -> Path:
    lines = ["# units: um", "# id type x y z radius parent", "1 1 20 20 8 4 -1"]
    lines += [f"{k} 3 {20 + k} {20 + k / 3:.3f} 8.5 1.25 {k - 1}" for k in range(2, 26)]
    lines += [f"{k} 2 {20 + k} {48 - k} 7 0 {k - 1 if k > 26 else 12}" for k in range(26, 40)]
    text = "\n".join(lines) + "\n"
    (folder / "a.swc").write_text(text.replace(" ", ",") if comma else text)
    return folder / "a.swc"


def model(folder: Path, **shape) -> Path:
    import torch

    from neurorecon.nets.config import NetConfig
    from neurorecon.nets.student import NeuriteViT
    from neurorecon.nets.weights import write_model

    torch.manual_seed(1)
    net = NeuriteViT(NetConfig(**{"channels": (2, 2), "width": 12, "depth": 1, "heads": 2, **shape}))
    curve = ((-4.0, -2.0), (0.0, -0.5), (4.0, 1.5))
    write_model(folder / "tiny", net, name="tiny", summary="for tests", card="# tiny\n", calibration=curve)
    return folder / "tiny"


def settings(folder: Path, name: str, lines: list[str]) -> Path:
    (folder / f"{name}.toml").write_text("\n".join(lines) + "\n")
    return folder / f"{name}.toml"


SYNTH = ["seed = 3", "voxel_size = [1.0, 0.5, 0.5]", "crop_zyx = [32, 64, 64]", 'crop_at = "soma"', "bit_depth = 12"]
SYNTH += ["diameter_px = 2.5", "neighbours = 2", "photons = 30"]
TRAIN = [
    'out = "run"',
    'pairs = ["a"]',
    "crop = [32, 64, 64]",
    "batch = 2",
    "steps = 10",
    "rate = 1e-3",
    "[net]",
    "channels = [4, 8]",
    "width = 24",
]
TRAIN += ["heads = 2", "[teacher]", "distil = 0.5"]

MAKERS: dict[tuple[str, str], Callable[[Path], Path]] = {
    ("TIFF", "plain"): lambda d: tiff(d, metadata=None),
    ("TIFF", "shaped zlib"): lambda d: tiff(d, compression="zlib", metadata={"spacing": 2.0, "unit": "um"}),
    ("TIFF", "big, strips, lzw"): lambda d: tiff(d, bigtiff=True, rowsperstrip=3, compression="lzw", metadata=None),
    ("TIFF", "tiles, zstd, big-endian"): lambda d: tiff(
        d, data=stack(np.uint16), byteorder=">", tile=(16, 16), compression="zstd", metadata=None
    ),
    ("TIFF", "jpeg2000"): lambda d: tiff(d, compression="jpeg2000", metadata=None),
    ("TIFF, ImageJ", "contiguous"): lambda d: tiff(d, imagej=True, metadata={"axes": "ZYX", "spacing": 2, "unit": "um"}),
    ("TIFF, ImageJ", "zlib"): lambda d: tiff(d, imagej=True, metadata={"axes": "ZYX"}, compression="zlib"),
    ("TIFF, OME", "contiguous"): lambda d: tiff(
        d, ome=True, metadata={"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}
    ),
    ("TIFF, OME", "zlib"): lambda d: tiff(d, ome=True, metadata={"axes": "ZYX"}, compression="zlib"),
    ("TIFF, OME", "three files"): split_ome,
    ("folder of planes", "plain"): lambda d: planes(d, metadata=None),
    ("folder of planes", "zlib"): lambda d: planes(d, compression="zlib"),
    ("folder of planes", "two channels"): lambda d: planes(d, name="img_C00_Z{:02d}.tif"),
    ("v3draw", "8 bit"): v3draw,
    ("v3draw", "float"): lambda d: v3draw(d, voxel_bytes=4),
    ("v3draw", "short lengths"): lambda d: v3draw(d, voxel_bytes=2, size_format="h"),
    ("v3dpbd", "8 bit"): v3dpbd,
    ("v3dpbd", "16 bit"): lambda d: v3dpbd(d, voxel_bytes=2),
    ("ims", "gzip"): lambda d: ims(d, compression="gzip", chunks=(4, 6, 7)),
    ("ims", "contiguous"): ims,
    ("NRRD", "gzip"): nrrd,
    ("NRRD", "raw"): lambda d: nrrd(d, encoding="raw"),
    ("NRRD", "bzip2"): lambda d: nrrd(d, encoding="bzip2"),
    ("NRRD", "text"): lambda d: nrrd(d, encoding="ascii"),
    ("NRRD", "data beside"): lambda d: nrrd(d, name="a.nhdr", encoding="raw"),
    ("NIfTI", "1"): nifti,
    ("NIfTI", "2"): lambda d: nifti(d, version=2),
    ("NIfTI", "1, packed"): lambda d: nifti(d, name="a.nii.gz"),
    ("npy", "8 bit"): npy,
    ("npy", "Fortran, float"): lambda d: npy(d, order="F", dtype=">f8"),
    ("zarr 0.4", "blosc"): lambda d: zarr(d, "0.4"),
    ("zarr 0.4", "raw"): lambda d: zarr(d, "0.4", compressors=None),
    ("zarr 0.5", "zstd"): lambda d: zarr(d, "0.5"),
    ("zarr 0.5", "raw"): lambda d: zarr(d, "0.5", compressors=None),
    ("zarr 0.5", "sharded"): lambda d: zarr(d, "0.5", shards=(6, 10, 12)),
    ("zipped zarr", "stored"): zipped,
    ("zipped zarr", "packed"): lambda d: zipped(d, inside="a.ome.zarr/", packing=zipfile.ZIP_DEFLATED),
    ("SWC", "spaces"): swc,
    ("SWC", "commas"): lambda d: swc(d, comma=True),
    ("model", "convolutions"): model,
    ("model", "teacher's"): lambda d: model(d, positions="planes", embed="plain", tube="line", prefix=1),
    ("settings", "synth"): lambda d: settings(d, "synth", SYNTH),
    ("settings", "train"): lambda d: settings(d, "train", TRAIN),
}  # fmt: skip

KINDS: tuple[str, ...] = tuple(dict.fromkeys(kind for kind, _ in MAKERS))


def make_corpus(folder: Path, kinds: tuple[str, ...] = KINDS) -> list[Sample]:
    """Write every sample of some formats below `folder`, and return them in the order of `MAKERS`."""
    samples = []
    for number, ((kind, name), make) in enumerate(MAKERS.items()):
        if kind not in kinds:
            continue
        place = folder / f"{number:02d}"
        place.mkdir(parents=True)
        samples.append(Sample(kind, name, place, make(place)))
    return samples
