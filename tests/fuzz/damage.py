"""Damage to files, format by format, and to the folders that hold them."""

import gzip
import hashlib
import os
import re
import struct
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.corpus import Sample
from tests.fuzz.mutate import INTEGERS, Rng, mutate_bytes, mutate_json, mutate_text, mutate_toml, pick

__all__ = ["mutate"]

TEXT_SUFFIXES = (".json", ".zarray", ".zattrs", ".zgroup", ".toml", ".swc")
NIFTI_FIELDS = (
    *((40 + 2 * k, "h") for k in range(8)), (70, "h"), (72, "h"), *((76 + 4 * k, "f") for k in range(4)),
    (108, "f"), (112, "f"), (116, "f"), (123, "b"), (348, "i"), (352, "i"), (356, "i"),
)  # fmt: skip


def wrap(value: int, size: int) -> int:
    """Return a number as the unsigned one of `size` bytes that has its bits."""
    return value & ((1 << 8 * size) - 1)


def mutate_tags(rng: Rng, path: Path) -> None:
    """Change a number of an entry of a directory: tag, type, count or value."""
    import tifffile

    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        page = pick(rng, list(tif.pages))
        tag = pick(rng, list(page.tags))
        big, order = tif.is_bigtiff, "big" if tif.byteorder == ">" else "little"
        value_at, held = tag.valueoffset, tag.valuebytecount // max(1, tag.count)
        entry = tag.offset
    size, at = pick(rng, ((2, entry), (2, entry + 2), (8 if big else 4, entry + 4), *[(held, value_at)] * 6))
    size = size if size in (1, 2, 4, 8) else 4
    near = int.from_bytes(content[at : at + size], order) + int(pick(rng, (-1, 1, 2, 10, 1000, 10**6, 10**8)))
    value = near if rng.random() < 0.5 else int(pick(rng, INTEGERS))
    content[at : at + size] = wrap(value, size).to_bytes(size, order)
    path.write_bytes(content)


def mutate_description(rng: Rng, path: Path) -> None:
    """Write the planes anew beneath a damaged description."""
    import tifffile

    with tifffile.TiffFile(path) as tif:
        text = tif.pages.first.description
        data = tif.asarray(key=range(len(tif.pages)))
    wrong = mutate_text(rng, (text or '{"shape": [6, 10, 12]}').encode("utf-8", "replace")).replace(b"\0", b" ")
    tifffile.imwrite(path, data, photometric="minisblack", description=wrong, metadata=None)


def mutate_tiff(rng: Rng, path: Path) -> None:
    kind = rng.random()
    if kind < 0.3:
        mutate_tags(rng, path)
    elif kind < 0.6:
        mutate_description(rng, path)
    else:
        path.write_bytes(mutate_bytes(rng, path.read_bytes()))


def mutate_ims(rng: Rng, path: Path) -> None:
    """Damage the bytes, or an attribute or the voxels by HDF5 itself: sparse, external, linked, of another type."""
    import h5py

    if rng.random() < 0.5:
        path.write_bytes(mutate_bytes(rng, path.read_bytes()))
        return
    with h5py.File(path, "r+") as file:
        group = file["DataSet/ResolutionLevel 0/TimePoint 0/Channel 0"]
        kind = int(rng.integers(9))
        if kind < 4:
            attributes = pick(rng, (group.attrs, file["DataSetInfo/Image"].attrs))
            attributes[pick(rng, list(attributes))] = pick(rng, ("", "nan", "1e400", [b"9"] * 20, *INTEGERS[:-4]))
            return
        del group["Data"]
        if kind == 4:
            group["Data"] = h5py.ExternalLink(pick(rng, ("/dev/zero", "a.ims", "gone.ims")), "/DataSet")
        elif kind == 5:
            group["Data"] = h5py.SoftLink(pick(rng, ("/DataSet", "Data", "/gone")))
        elif kind == 6:
            group.create_dataset("Data", (8, 12, 14), "u1", external=[("/dev/zero", 0, h5py.h5f.UNLIMITED)])
        elif kind == 7:
            shape = tuple(int(pick(rng, (8, 12, 10**4, 10**6, 2**31))) for _ in range(3))
            group.create_dataset("Data", shape, "u1", chunks=(8, 8, 8), compression="gzip")
        else:
            group["Data"] = pick(rng, (0, "text", [1, 2], [[1.5] * 3] * 3, [[["a"]]], [[[1j] * 2] * 2] * 2))


def mutate_nrrd(rng: Rng, path: Path) -> None:
    head, gap, data = path.read_bytes().partition(b"\n\n")
    text = rng.random() < 0.7
    path.write_bytes(mutate_text(rng, head) + gap + data if text else mutate_bytes(rng, head + gap + data))


def mutate_npy(rng: Rng, path: Path) -> None:
    content = path.read_bytes()
    size = struct.unpack_from("<H", content, 8)[0]
    if rng.random() < 0.5:
        path.write_bytes(mutate_bytes(rng, content))
        return
    head = mutate_text(rng, content[10 : 10 + size])[:65_000]
    path.write_bytes(content[:8] + struct.pack("<H", len(head)) + head + content[10 + size :])


def mutate_nifti(rng: Rng, path: Path) -> None:
    """Damage the file or, where it is packed, mostly what is in it: any byte, or a field of the header."""
    packed = path.suffix == ".gz" and rng.random() < 0.8
    content = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    if rng.random() < 0.5:
        content = mutate_bytes(rng, content)
    else:
        at, form = pick(rng, NIFTI_FIELDS)
        size = struct.calcsize(form)
        value = int(pick(rng, (*INTEGERS, 2, 4, 8, 16, 64, 512, 2304)))
        field = struct.pack("<f", float(value)) if form == "f" else wrap(value, size).to_bytes(size, "little")
        content = content[:at] + field + content[at + size :]
    path.write_bytes(gzip.compress(content) if packed else content)


def mutate_model(rng: Rng, folder: Path) -> None:
    """Damage description or weights; mostly the checksum is made to fit, as a stranger would."""
    config, weights = folder / "config.toml", folder / "model.safetensors"
    if rng.random() < 0.5:
        config.write_bytes(mutate_toml(rng, config.read_bytes()))
        return
    content = weights.read_bytes()
    size = struct.unpack_from("<Q", content)[0]
    if rng.random() < 0.6:
        head = mutate_json(rng, content[8 : 8 + size])
        content = struct.pack("<Q", len(head)) + head + content[8 + size :]
    else:
        content = mutate_bytes(rng, content)
    weights.write_bytes(content)
    if rng.random() < 0.8:
        digest = hashlib.sha256(content).hexdigest()
        config.write_text(re.sub(r'sha256 = "[0-9a-f]*"', f'sha256 = "{digest}"', config.read_text()))


def mutate_entry(rng: Rng, path: Path) -> None:
    """Put something else in the place of a file: nothing, a folder, a circle of links, a pipe, a device."""
    kind = int(rng.integers(7))
    content = path.read_bytes()
    path.unlink()
    if kind == 0:
        path.mkdir()
    elif kind == 1:
        path.symlink_to(path.name)
    elif kind == 2:
        path.symlink_to(path.parent, target_is_directory=True)
    elif kind == 3:
        os.mkfifo(path)
    elif kind == 4:
        path.symlink_to("/dev/zero")
    elif kind == 5:
        path.with_name(f"{path.name}9").write_bytes(content)


def mutate_content(change: Callable[[Rng, bytes], bytes]) -> Callable[[Rng, Path], None]:
    """Return what changes the content of a file so."""

    def mutator(rng: Rng, path: Path) -> None:
        path.write_bytes(change(rng, path.read_bytes()))

    return mutator


BY_ENDING: tuple[tuple[str, Callable[[Rng, Path], None]], ...] = (
    (".tif", mutate_tiff),
    (".nrrd", mutate_nrrd),
    (".nhdr", mutate_nrrd),
    (".npy", mutate_npy),
    (".nii", mutate_nifti),
    (".nii.gz", mutate_nifti),
    (".ims", mutate_ims),
    (".toml", mutate_content(mutate_toml)),
    (".swc", mutate_content(mutate_text)),
    ("zarr.json", mutate_content(mutate_json)),
    (".zarray", mutate_content(mutate_json)),
    (".zattrs", mutate_content(mutate_json)),
    (".zgroup", mutate_content(mutate_json)),
    ("", mutate_content(mutate_bytes)),
)


def mutate(rng: Rng, sample: Sample, target: Path) -> None:
    """Damage a copy of `sample` at `target` (its file or folder), in place."""
    if sample.kind == "model":
        mutate_model(rng, target)
        return
    files = sorted(path for path in (target if target.is_dir() else target.parent).rglob("*") if path.is_file())
    texts = [path for path in files if path.name.endswith(TEXT_SUFFIXES)]
    path = pick(rng, texts if texts and rng.random() < 0.7 else files)
    if (len(files) > 1 and rng.random() < 0.1) or (len(files) == 1 and rng.random() < 0.01):
        mutate_entry(rng, path)
    else:
        by_name = [mutator for ending, mutator in BY_ENDING if path.name.endswith(ending)]
        by_name[0](rng, path)
