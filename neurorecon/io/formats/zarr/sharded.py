"""A large image as OME-Zarr 0.5, written block by block by many processes: each block has files of its own.

A block is a shard of the array "0", and its part of every smaller array of the pyramid is a shard of that: so each block can be
written, damaged, or done again by itself, and its files do not depend on who writes the others, or when. After the NGFF
specification, https://ngff.openmicroscopy.org/0.5/, and the sharding codec of Zarr 3, https://zarr-specs.readthedocs.io.

Files: 10 teravoxels are 48,000 blocks of 384 x 768 x 768: with 6 arrays 290,000 files a map at most, as a block of 0 has none.
Memory: a block is 226 MB; with two maps, what the network sees of it in 16 bits, and the libraries, a worker has 2.5 GB.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.geometry import VoxelSize

__all__ = ["BLOCK", "Level", "ShardedImage"]

# Facts of the format, or limits set by hand; not tuned.
BLOCK = (384, 768, 768)  # tiles of the network's (48, 96, 96) fit in, also of twice and four times as large voxels
CHUNK = 96  # voxels along an axis: 0.9 MB, a cube as three views at right angles want it
HALVES = 32  # pixels along one of the last array of the pyramid; a block can be halved so often
SMALLEST = 512  # pixels: an array with no longer side is the last of the pyramid
LEVEL = 1  # of zstd: maps are nearly all 0; level 3 saves 4 % and takes twice the time

Shape = tuple[int, int, int]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True, slots=True)
class Level:
    """An array of the pyramid.

    Attributes:
        factor: (z, y, x) voxels of the image along a voxel of it.
        shape: (Z, Y, X).
        shard: (z, y, x) voxels of a block in it.
    """

    factor: Shape
    shape: Shape
    shard: Shape

    @property
    def chunks(self) -> Shape:
        """Lengths (z, y, x) of a chunk, which is decoded at once."""
        z, y, x = (max(c for c in range(1, CHUNK + 1) if n % c == 0) for n in self.shard)
        return z, y, x


@dataclass(frozen=True, slots=True)
class ShardedImage:
    """The form of an image of uint8 in blocks.

    Attributes:
        shape: (Z, Y, X).
        voxel_size: micrometres, or None where it is not known.
        block: (z, y, x) voxels of a block; those at the end are cut off by the image.
    """

    shape: Shape
    voxel_size: VoxelSize | None = None
    block: Shape = BLOCK

    @classmethod
    def of(cls, shape: Shape, voxel_size: VoxelSize | None = None, block: Shape = BLOCK) -> "ShardedImage":
        """Return the form of an image in blocks of `block` at most, rounded up to sizes that can be halved five times."""
        z, y, x = (rounded(b, n) for b, n in zip(block, shape, strict=True))
        return cls(shape, voxel_size, (z, y, x))

    @property
    def counts(self) -> Shape:
        """Number of blocks along z, y and x."""
        z, y, x = (-(-n // b) for n, b in zip(self.shape, self.block, strict=True))
        return z, y, x

    @property
    def indices(self) -> Iterator[Shape]:
        """Give the (z, y, x) number of every block, in order."""
        return iter(np.ndindex(*self.counts))

    def box(self, index: Shape) -> Box:
        """Return the voxels of a block."""
        z, y, x = (slice(i * b, min((i + 1) * b, n)) for i, b, n in zip(index, self.block, self.shape, strict=True))
        return z, y, x

    @property
    def levels(self) -> tuple[Level, ...]:
        """The arrays of the pyramid, from the image itself on.

        y and x are halved at each step, z as soon as its voxels are no taller than those are wide. The last array is one
        without a long side, or the sixth, or one of which a block cannot be halved.
        """
        size = (1.0, 1.0, 1.0) if self.voxel_size is None else self.voxel_size.zyx
        factor = (1, 1, 1)
        levels = [Level(factor, self.shape, self.block)]
        while max(levels[-1].shape) > SMALLEST and factor[2] < HALVES:
            edges = [float(e) * f for e, f in zip(size, factor, strict=True)]
            halve_z = edges[0] < math.sqrt(2) * min(edges[1:]) and levels[-1].shape[0] > 1
            factor = factor[0] * (2 if halve_z else 1), factor[1] * 2, factor[2] * 2
            if any(b % f for b, f in zip(self.block, factor, strict=True)):
                break
            z, y, x = (-(-n // f) for n, f in zip(self.shape, factor, strict=True))
            shard = tuple(b // f for b, f in zip(self.block, factor, strict=True))
            levels.append(Level(factor, (z, y, x), (shard[0], shard[1], shard[2])))
        return tuple(levels)

    def write_block(self, folder: Path, index: Shape, data: NDArray[np.uint8]) -> None:
        """Write the files of a block, whose voxels are `data`, below `folder`, where nothing else is; none where all are 0."""
        before = (1, 1, 1)
        for number, level in enumerate(self.levels):
            data = largest(data, [f // b for f, b in zip(level.factor, before, strict=True)])
            before = level.factor
            if not data.any():
                return
            array = create(folder / str(number), level)
            start = [i * n for i, n in zip(index, level.shard, strict=True)]
            array[tuple(slice(s, s + n) for s, n in zip(start, data.shape, strict=True))] = data
            (folder / str(number) / "zarr.json").unlink()  # the one of the whole is written at its end

    def write_metadata(self, folder: Path, *, name: str, about: Mapping[str, Any] | None = None) -> None:
        """Make an OME-Zarr of the files of all blocks below `folder`; `about` are attributes of our own."""
        import zarr
        from zarr.storage import LocalStore

        folder.mkdir(exist_ok=True)
        for number, level in enumerate(self.levels):
            (folder / str(number) / "zarr.json").unlink(missing_ok=True)
            create(folder / str(number), level)
        (folder / "zarr.json").unlink(missing_ok=True)
        attributes = {"ome": self.multiscales(name)} | ({} if about is None else {"neurorecon": dict(about)})
        zarr.create_group(LocalStore(folder), attributes=attributes, zarr_format=3)

    def multiscales(self, name: str) -> dict[str, Any]:
        """Return the OME attributes: voxels are where their middle is."""
        unit = {} if self.voxel_size is None else {"unit": "micrometer"}
        size = (1.0, 1.0, 1.0) if self.voxel_size is None else self.voxel_size.zyx
        datasets = []
        for number, level in enumerate(self.levels):
            scale = [float(e) * f for e, f in zip(size, level.factor, strict=True)]
            shift = [float(e) * (f - 1) / 2 for e, f in zip(size, level.factor, strict=True)]
            moves = [{"type": "scale", "scale": scale}, {"type": "translation", "translation": shift}]
            datasets.append({"path": str(number), "coordinateTransformations": moves})
        axes = [{"name": axis, "type": "space", **unit} for axis in "zyx"]
        how = {"description": "the largest value of each box of voxels"}
        image = {"name": name, "axes": axes, "datasets": datasets, "type": "maximum", "metadata": how}
        return {"version": "0.5", "multiscales": [image]}


def rounded(block: int, length: int) -> int:
    """Return the length of a block along an axis: of a short axis the power of 2 that holds it."""
    least = min(block, length)
    return min(1 << (least - 1).bit_length(), HALVES * -(-least // HALVES))


def largest(data: NDArray[np.uint8], factor: list[int]) -> NDArray[np.uint8]:
    """Return the largest value of each box of `factor` (z, y, x) voxels: a thin neurite stays, where a mean would fade."""
    for axis, k in enumerate(factor):
        if k > 1:
            data = np.maximum.reduceat(data, np.arange(0, data.shape[axis], k), axis=axis)
    return data


def create(path: Path, level: Level) -> Any:
    """Make an array of which nothing is written yet."""
    import zarr
    from zarr.codecs import ZstdCodec
    from zarr.storage import LocalStore

    return zarr.create_array(
        LocalStore(path),
        shape=level.shape,
        shards=level.shard,
        chunks=level.chunks,
        dtype="uint8",
        fill_value=0,
        compressors=ZstdCodec(level=LEVEL),
        dimension_names=("z", "y", "x"),
        zarr_format=3,
    )
