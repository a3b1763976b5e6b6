"""A brain-like volume into an OME-Zarr 0.5: shard by shard, in several processes."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from neurorecon.core.errors import OutputError
from neurorecon.core.files import write_beside
from neurorecon.synth.brain import draw_box
from neurorecon.synth.brain_scene import grow_scene
from neurorecon.synth.brain_settings import BrainSettings

__all__ = ["write_brain"]

# Set by hand with real stacks in view (docs/synthesis.md); not tuned.
CHUNK = (64, 128, 128)  # 1 MB of uint8: a reader of blocks decodes little that it does not need
SHARD = (128, 512, 512)  # 32 chunks a file: 20 billion voxels are 640 files; 33 million voxels are drawn at once
LEVEL = 1  # of zstd: noise packs no better at higher ones, and takes longer


def write_brain(
    settings: BrainSettings,
    path: Path,
    *,
    attributes: Mapping[str, Any],
    jobs: int = 1,
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write a volume, whole or not at all.

    Args:
        settings: what is in it.
        path: the folder of the OME-Zarr; it must end in .zarr.
        attributes: of the group, its OME metadata: one level "0" of axes zyx.
        jobs: processes; each takes about 0.4 GB.
        overwrite: replace what is there.
        progress: called with the shards done and their number.

    Raises:
        OutputError: if it exists, or cannot be written.
    """
    import zarr
    from zarr.codecs import ZstdCodec
    from zarr.storage import LocalStore

    with write_beside(path, overwrite=overwrite) as beside:
        group = zarr.create_group(LocalStore(beside), attributes=dict(attributes), zarr_format=3)
        chunk = tuple(min(c, n) for c, n in zip(CHUNK, settings.shape, strict=True))
        shard = tuple(min(s // c, -(-n // c)) * c for s, c, n in zip(SHARD, chunk, settings.shape, strict=True))
        group.create_array(
            "0",
            shape=settings.shape,
            chunks=chunk,
            shards=shard,
            dtype="uint16" if settings.bit_depth == 16 else "uint8",
            compressors=[ZstdCodec(level=LEVEL)],
            dimension_names=("z", "y", "x"),
            fill_value=0,
        )
        corners = list(itertools.product(*(range(0, n, s) for n, s in zip(settings.shape, shard, strict=True))))
        for done, _ in enumerate(drawn(settings, beside, corners, shard, jobs), start=1):
            progress(done, len(corners))


def drawn(
    settings: BrainSettings, path: Path, corners: list[tuple[int, ...]], shard: tuple[int, ...], jobs: int
) -> Iterator[None]:
    """Draw and write all shards, here or in other processes; yield once for each."""
    if jobs == 1 or len(corners) == 1:
        for corner in corners:
            write_shard(settings, path, corner, shard)
            yield
        return
    import multiprocessing

    crew = ProcessPoolExecutor(min(jobs, len(corners)), mp_context=multiprocessing.get_context("spawn"))
    try:
        waiting: set[Future[None]] = {crew.submit(write_shard, settings, path, corner, shard) for corner in corners}
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
                yield
    except BrokenProcessPool as error:
        raise OutputError(f"{path}: a process that drew it was ended, out of memory perhaps; fewer --jobs") from error
    finally:
        crew.shutdown(cancel_futures=True)


def write_shard(settings: BrainSettings, path: Path, corner: tuple[int, ...], shard: tuple[int, ...]) -> None:
    """Draw one shard and write it."""
    import zarr
    from zarr.storage import LocalStore

    array: Any = zarr.open_array(LocalStore(path), path="0", mode="r+")
    (z, y, x), (deep, high, wide) = corner, shard
    depth, rows, columns = settings.shape
    end = min(z + deep, depth), min(y + high, rows), min(x + wide, columns)
    array[z : end[0], y : end[1], x : end[2]] = draw_box(grow_scene(settings), (z, y, x), end)
