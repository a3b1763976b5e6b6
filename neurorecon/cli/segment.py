"""`neurorecon segment`: raw stack to neurite probability."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neurorecon.cli.options import input_argument, output_option, overwrite_option, segment_options, stack_options
from neurorecon.cli.outcome import check_apart, check_stack
from neurorecon.cli.progress import progress_bar

if TYPE_CHECKING:
    from neurorecon.core.geometry import VoxelSize
    from neurorecon.segment import SegmentSettings

__all__ = ["command"]


@click.command("segment")
@input_argument
@output_option("The probability, uint8 0 to 255: .tif (OME-TIFF, compressed) or .ome.zarr.")
@segment_options
@stack_options
@overwrite_option
def command(
    *,
    input_path: Path,
    output: Path,
    segment_settings: "SegmentSettings",
    voxel_size: "VoxelSize | None",
    channel: int | None,
    overwrite: bool,
) -> None:
    """Turn a raw stack into a neurite probability.

    INPUT is a 3D stack: TIFF, a folder of TIFF planes, OME-Zarr, .v3draw, .v3dpbd, .ims, NRRD, NIfTI, npy. The
    probability has its shape and voxel size. Tiles are streamed, so memory does not grow with the stack.
    """
    from neurorecon.io import open_writer, read_stack
    from neurorecon.nets import load_model
    from neurorecon.segment import segment

    check_stack(output, overwrite=overwrite)
    check_apart(input_path, output)
    model = load_model(segment_settings.model)
    stack = read_stack(input_path, channel=channel, voxel_size=voxel_size)
    writer = open_writer(output, stack.shape, voxel_size=stack.voxel_size, overwrite=overwrite)
    with writer as out, progress_bar("segment") as progress:
        segment(stack, segment_settings, model=model, out=out, progress=progress)
    click.echo(f"wrote {output}")
