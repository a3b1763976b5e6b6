"""Parts of TIFFs, read on request: of a plane, only the strips or tiles that a block touches."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.io.formats.tiff.tiff_open import mixed, opened
from neurorecon.io.guard import hushed
from neurorecon.io.layout import Layout

__all__ = ["Pages", "read_part", "segment_of"]


def segment_of(page: Any) -> tuple[int, int]:
    """Return rows and columns of the part of a plane (Y, X) that is decoded at once: a strip, a tile, or a row."""
    key = page.keyframe
    y, x = key.shape
    if key.is_memmappable:
        return 1, int(x)
    if key.is_tiled:
        return int(key.tilelength), int(key.tilewidth)
    return min(int(key.rowsperstrip), int(y)), int(x)


def read_part(path: Path, page: Any, rows: slice, columns: slice) -> NDArray[Any]:
    """Decode a part (Y, X) of a plane of one sample, whatever the steps: no segment that the part does not touch."""
    key, file = page.keyframe, page.parent.filehandle
    y, x = key.shape
    if (rows.start, rows.stop, columns.start, columns.stop) == (0, y, 0, x):
        return np.asarray(page.asarray())
    if key.is_memmappable:
        stored = page.parent.byteorder + key.dtype.str[1:]
        whole = np.memmap(path, stored, "r", page.dataoffsets[0], (y, x))
        return np.array(whole[rows.start : rows.stop, columns.start : columns.stop])
    high, wide = segment_of(page)
    across = -(-x // wide)
    numbers = [
        r * across + c
        for r in range(rows.start // high, -(-rows.stop // high))
        for c in range(columns.start // wide, -(-columns.stop // wide))
    ]
    result = np.zeros((rows.stop - rows.start, columns.stop - columns.start), key.dtype)
    tables = {"jpegtables": page.jpegtables} if page.jpegtables is not None else {}
    for number in numbers:
        file.seek(page.dataoffsets[number])
        packed = file.read(page.databytecounts[number])
        segment, (_, _, top, left, _), (_, length, width, _) = key.decode(packed, number, **tables)
        if segment is None:  # declared empty: all 0
            continue
        first, last = max(top, rows.start), min(top + length, rows.stop)
        begin, end = max(left, columns.start), min(left + width, columns.stop)
        part = segment[0, first - top : last - top, begin - left : end - left, 0]
        result[first - rows.start : last - rows.start, begin - columns.start : end - columns.start] = part
    return result


@dataclass(frozen=True, slots=True)
class Pages:
    """One stack of a TIFF whose planes stand alone, or one after the other, as an array (Z, Y, X).

    Only names and numbers are held: it can be sent to another process, and the file is opened for every block.

    Attributes:
        path: the file.
        layout: its axes; the inner ones are Y and X, one sample a voxel.
        volume: its number in the file (`Layout.volume`).
        dtype: type of the voxels.
        offset: byte at which unpacked planes start that follow one another without a gap; None: they do not.
        chunks: lengths (z, y, x) of the part that is decoded at once.
    """

    path: Path
    layout: Layout
    volume: int
    dtype: np.dtype[Any]
    offset: int | None
    chunks: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Z, Y, X)."""
        return self.layout.zyx

    def __getitem__(self, box: tuple[slice, slice, slice]) -> NDArray[Any]:
        """Read a block."""
        if self.offset is not None:
            whole = np.memmap(self.path, self.dtype, "r", self.offset, self.layout.shape)
            return np.array(self.layout.to_zyx(whole[self.layout.index(self.volume, box)]))
        depth, rows, columns = (slice(*part.indices(n)) for part, n in zip(box, self.shape, strict=True))
        outer = self.layout.axes.index("Y")
        numbers = np.arange(int(np.prod(self.layout.shape[:outer]))).reshape(self.layout.shape[:outer])
        wanted = np.atleast_1d(numbers[self.layout.index(self.volume, (depth, rows, columns))[:outer]])
        lengths = (max(0, part.stop - part.start) for part in (rows, columns))
        result = np.empty((len(wanted), *lengths), self.dtype)
        if not result.size:
            return result[:, :: rows.step, :: columns.step]
        with hushed("tifffile"), opened(self.path) as tif:
            found = [s for s in tif.series if not s.keyframe.is_reduced]
            series = mixed(found) or found[0]
            for z, number in enumerate(wanted):
                result[z] = read_part(self.path, series[int(number)], rows, columns)
        return result[:, :: rows.step, :: columns.step]
