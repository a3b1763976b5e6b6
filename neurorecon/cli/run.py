"""`neurorecon run`: raw stack to SWC, with a picture and a record of how it came about."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neurorecon.cli.options import (
    input_argument,
    output_option,
    overwrite_option,
    segment_options,
    settings_option,
    stack_options,
    strict_option,
    trace_options,
)
from neurorecon.cli.outcome import check_apart, check_stack, say_trees, single_file_option
from neurorecon.cli.progress import progress_bar
from neurorecon.cli.voice import voice_options

if TYPE_CHECKING:
    from neurorecon.core.geometry import VoxelSize
    from neurorecon.segment import SegmentSettings
    from neurorecon.trace import TraceSettings

__all__ = ["command"]


@click.command("run")
@input_argument
@output_option("The SWC file; OUT.png, OUT.json and OUT.review.csv go beside it.")
@settings_option
@segment_options
@trace_options
@single_file_option
@click.option(
    "--keep-probability",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Keep the neurite probability too: .tif or .ome.zarr.",
)
@stack_options
@strict_option
@overwrite_option
@voice_options
def command(
    *,
    input_path: Path,
    output: Path,
    segment_settings: "SegmentSettings",
    trace_settings: "TraceSettings",
    single_file: bool,
    keep_probability: Path | None,
    voxel_size: "VoxelSize | None",
    channel: int | None,
    strict: bool,
    invert: bool | None,
    overwrite: bool,
) -> None:
    """Reconstruct a neuron: raw stack in, SWC out.

    INPUT is a 3D stack: TIFF, a folder of TIFF planes, OME-Zarr, .v3draw, .v3dpbd, .ims, NRRD, NIfTI, npy. Beside
    OUT.swc stand OUT.png, the tree on maximum projections along z, y and x; OUT.json, with input, network, settings,
    versions, costs and warnings; and OUT.review.csv, the stretches of the tree, least certain first, for proofreading.
    Several neurons give OUT_1.swc, OUT_2.swc and so on.
    """
    from neurorecon.core.files import hash_path
    from neurorecon.inspect import examined
    from neurorecon.io import read_stack, write_stack
    from neurorecon.nets import load_model, place_of_model
    from neurorecon.pipeline import ReconstructSettings, provenance_of, reconstruct
    from neurorecon.report import Command, absolute, check_outputs, side_paths, write_outputs

    check_outputs(output, overwrite=overwrite)
    if keep_probability is not None:
        check_stack(keep_probability, overwrite=overwrite)
    kept = [] if keep_probability is None else [keep_probability]
    check_apart(input_path, output, *side_paths(output), *kept)
    model = load_model(segment_settings.model)
    settings = ReconstructSettings(segment_settings, trace_settings)
    stack = examined(read_stack(input_path, channel=channel, voxel_size=voxel_size, invert=invert), strict=strict)
    with progress_bar("segment") as progress:
        result = reconstruct(stack, settings, model=model, progress=progress)
    if keep_probability is not None:
        write_stack(result.probability.on_stack, keep_probability, voxel_size=stack.voxel_size, overwrite=overwrite)
    place = absolute(input_path), place_of_model(segment_settings.model)
    made = Command("run", *place, voxel_size, channel, invert, single_file)
    digest = hash_path(input_path)
    provenance = provenance_of(result, settings, source=str(input_path), source_sha256=digest, command=made)
    write_outputs(result.tree, stack, provenance, output, overwrite=overwrite, single_file=single_file)
    say_trees(result.tree, output, single_file=single_file)
