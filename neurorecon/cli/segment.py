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


def _block(ctx: click.Context, parameter: click.Parameter, text: str | None) -> "tuple[int, int, int] | None":
    from neurorecon.batch import parse_block

    return None if text is None else parse_block(text)


@click.command("segment")
@input_argument
@output_option("The probability, uint8 0 to 255: .tif (OME-TIFF, compressed) or .ome.zarr.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    default=1,
    show_default=True,
    help="Blocks of an OME-Zarr at a time.",
)
@click.option(
    "--block", metavar="Z,Y,X", callback=_block, help="Voxels of a block of an OME-Zarr.  [default: 384,768,768]"
)
@segment_options
@stack_options
@overwrite_option
def command(
    *,
    input_path: Path,
    output: Path,
    jobs: int,
    block: "tuple[int, int, int] | None",
    segment_settings: "SegmentSettings",
    voxel_size: "VoxelSize | None",
    channel: int | None,
    overwrite: bool,
) -> None:
    """Turn a raw stack into a neurite probability.

    INPUT is a 3D stack: TIFF, a folder of TIFF planes, OME-Zarr, .v3draw, .v3dpbd, .ims, NRRD, NIfTI, npy. The
    probability has its shape and voxel size. Tiles are streamed, so memory does not grow with the stack.
    """
    from neurorecon.core.errors import SettingsError
    from neurorecon.io import open_writer, read_stack
    from neurorecon.nets import load_model
    from neurorecon.segment import segment

    check_stack(output, overwrite=overwrite)
    check_apart(input_path, output)
    if output.name.lower().endswith(".zarr"):
        from neurorecon.batch import VolumeSettings, segment_volume

        chosen = VolumeSettings(segment_settings, voxel_size, channel, **({} if block is None else {"block": block}))
        with progress_bar("segment", unit="block") as progress:
            segment_volume(
                input_path, output, chosen, jobs=jobs, overwrite=overwrite, progress=lambda k, n, _: progress(k, n)
            )
        click.echo(f"wrote {output}")
        return
    if jobs > 1 or block is not None:
        raise SettingsError(f"{output}: --jobs and --block are for an OME-Zarr; give OUT.ome.zarr")
    model = load_model(segment_settings.model)
    stack = read_stack(input_path, channel=channel, voxel_size=voxel_size)
    writer = open_writer(output, stack.shape, voxel_size=stack.voxel_size, overwrite=overwrite)
    with writer as out, progress_bar("segment") as progress:
        segment(stack, segment_settings, model=model, out=out, progress=progress)
    click.echo(f"wrote {output}")
