"""`neurorecon segment`: raw stack to neurite probability."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurorecon.cli.engine_options import engine_options
from neurorecon.cli.options import (
    block_option,
    input_argument,
    output_option,
    overwrite_option,
    segment_options,
    settings_option,
    stack_options,
    strict_option,
)
from neurorecon.cli.output_files import check_apart, check_stack
from neurorecon.cli.progress_bar import progress_bar, timed
from neurorecon.cli.voice import say, voice_options

if TYPE_CHECKING:
    from neurorecon.batch import EngineSettings
    from neurorecon.core.geometry import VoxelSize
    from neurorecon.segmentation import SegmentSettings
    from neurorecon.volumes import SegmentVolumeSettings

__all__ = ["command"]


@click.command("segment")
@input_argument
@output_option("The probability, uint8 0 to 255: .tif (OME-TIFF, compressed) or .ome.zarr.")
@block_option("neurorecon.volumes:SegmentVolumeSettings", "Size of a block of an OME-Zarr in voxels. Default: {block}.")
@engine_options
@settings_option
@segment_options
@stack_options
@strict_option
@overwrite_option
@voice_options
def command(
    *,
    input_path: Path,
    output: Path,
    block: tuple[int, int, int] | None,
    engine: "EngineSettings",
    segment_settings: "SegmentSettings",
    voxel_size: "VoxelSize | None",
    channel: int | None,
    time: int | None,
    strict: bool,
    invert: bool | None,
    overwrite: bool,
) -> None:
    """Turn a raw stack into a neurite probability.

    INPUT is a 3D stack in any format of `neurorecon run`. The probability has its shape and voxel size. Tiles are
    streamed, so memory does not grow with the stack.

    An OME-Zarr is written in blocks, with a pyramid for viewers and the soma map in OUT.ome.zarr/soma. If the planes of
    the stack lie too far apart for the network, it also contains planes between them. Unfinished blocks are kept in
    OUT.ome.zarr.part, and the same command continues after an interruption. Several processes and machines may share
    the blocks. Exit code 1 if a block failed.
    """
    from neurorecon.core.errors import SettingsError
    from neurorecon.core.machine import loading_for_good
    from neurorecon.core.probability import CERTAIN
    from neurorecon.inspect import examined
    from neurorecon.io import open_writer, read_stack
    from neurorecon.nets import load_model
    from neurorecon.segmentation import segment
    from neurorecon.volumes import SegmentVolumeSettings

    check_stack(output, overwrite=overwrite)
    check_apart(input_path, output)
    of_file: dict[str, Any] = {"channel": channel, "time": time, "invert": invert}
    if output.name.lower().endswith(".zarr"):
        examined(read_stack(input_path, voxel_size=voxel_size, **of_file), strict=strict)
        chosen = SegmentVolumeSettings(segment_settings, voxel_size, channel, invert=invert, time=time)
        chosen = chosen if block is None else replace(chosen, block=block)
        _in_blocks(input_path, output, chosen, engine, overwrite=overwrite)
        say(f"wrote {output}")
        return
    if block is not None or engine.jobs > 1 or engine.dask:
        raise SettingsError(f"{output}: --block, --jobs and --engine are for an OME-Zarr: give OUT.ome.zarr")
    with loading_for_good():
        model = load_model(segment_settings.model)
    stack = examined(read_stack(input_path, voxel_size=voxel_size, **of_file), strict=strict)
    size = stack.voxel_size
    writer = open_writer(output, stack.shape, voxel_size=size, overwrite=overwrite, certain=CERTAIN)
    with timed("segment"), writer as out, progress_bar("segment") as progress:
        segment(stack, segment_settings, model=model, out=out, progress=progress)
    say(f"wrote {output}")


def _in_blocks(
    input_path: Path, output: Path, settings: "SegmentVolumeSettings", engine: "EngineSettings", *, overwrite: bool
) -> None:
    """Segment a stack block by block into an OME-Zarr."""
    from neurorecon.batch import open_engine
    from neurorecon.volumes import segment_volume

    with timed("segment"), progress_bar("segment", unit="block") as progress:
        segment_volume(
            input_path,
            output,
            settings,
            engine=open_engine(engine, here=True),
            elsewhere=engine.elsewhere,
            overwrite=overwrite,
            progress=lambda done, count, _: progress(done, count),
        )
