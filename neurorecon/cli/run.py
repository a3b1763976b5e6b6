"""`neurorecon run`: raw stack to SWC, with a picture and a record of how it came about."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurorecon.cli.options import (
    input_argument,
    output_option,
    overwrite_option,
    segment_options,
    settings_option,
    several_stack_options,
    strict_option,
    trace_options,
)
from neurorecon.cli.output_files import (
    check_apart,
    check_outline,
    check_stack,
    page_option,
    page_writer,
    say_outlines,
    say_trees,
    single_file_option,
    soma_outline_option,
)
from neurorecon.cli.progress_bar import progress_bar
from neurorecon.cli.several import Part, parts_of, reconstruct_each
from neurorecon.cli.voice import voice_options

if TYPE_CHECKING:
    from neurorecon.core.geometry import VoxelSize
    from neurorecon.segmentation import SegmentSettings
    from neurorecon.tracing import TraceSettings

__all__ = ["command"]


@click.command("run")
@input_argument
@output_option("The SWC file; OUT.png, OUT.html, OUT.json and OUT.review.csv are written beside it.")
@settings_option
@segment_options
@trace_options
@single_file_option
@soma_outline_option
@page_option
@click.option(
    "--keep-probability",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Also write the neurite probability: .tif or .ome.zarr.",
)
@several_stack_options
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
    soma_outline: bool,
    page: bool,
    keep_probability: Path | None,
    voxel_size: "VoxelSize | None",
    channel: int | str | None,
    time: int | str | None,
    strict: bool,
    invert: bool | None,
    overwrite: bool,
) -> None:
    """Reconstruct a neuron: raw stack in, SWC out.

    INPUT is a 3D stack: TIFF, a folder of TIFF planes, OME-Zarr (a folder, a ZIP archive, or an address of http or https),
    .v3draw, .v3dpbd, .ims, NRRD, NIfTI, npy, or a file of a microscope (CZI, LIF, ND2).
    Besides OUT.swc it writes OUT.png, the tree on maximum projections along z, y and x; OUT.json, with input, network,
    settings, versions, costs and warnings; OUT.review.csv, the stretches of the tree for proofreading, the most doubtful
    places first; and OUT.html, a page for that work: the tree in 3D over the stack, with the list. Several neurons give
    OUT_1.swc, OUT_2.swc and so on.

    With --channel all or --time all each channel and time point has its own results, such as OUT_c0.swc and OUT_c0.png.
    A channel without a neuron causes a warning, one that cannot be used exit code 1; the others are still processed.
    """
    from neurorecon.core.machine import loading_for_good

    with loading_for_good():
        from neurorecon.core.address import Address
        from neurorecon.core.voxel_hash import hash_input
        from neurorecon.inspect import examined
        from neurorecon.io import read_stack, write_stack
        from neurorecon.nets import load_model, place_of_model
        from neurorecon.pipeline import ReconstructSettings, provenance_of, reconstruct
        from neurorecon.report import Command, absolute, check_outputs, file_rows, page_path, side_paths, write_outputs
        from neurorecon.tracing import outlined

        parts = parts_of(input_path, channel, time, output, keep_probability)
        named = [path for part in parts for path in (part.output, *side_paths(part.output), part.probability) if path]
        for part in parts:
            check_outputs(part.output, overwrite=overwrite)
            if soma_outline:
                check_outline(part.output, overwrite=overwrite)
            if part.probability is not None:
                check_stack(part.probability, overwrite=overwrite)
        check_apart(input_path, *named)
        model = load_model(segment_settings.model)
    settings = ReconstructSettings(segment_settings, trace_settings)
    place = absolute(input_path), place_of_model(segment_settings.model)
    hashes: list[str] = []

    def reconstruct_part(part: Part) -> None:
        of_file: dict[str, Any] = {"channel": part.channel, "time": part.time, "invert": invert}
        stack = examined(read_stack(input_path, voxel_size=voxel_size, **of_file), strict=strict)
        with progress_bar(part.name or "segment") as progress:
            result = reconstruct(stack, settings, model=model, progress=progress)
        if part.probability is not None:
            probability = result.probability.on_stack
            write_stack(probability, part.probability, voxel_size=stack.voxel_size, overwrite=overwrite)
        sha256 = hashes[0] if hashes else hash_input(input_path, lambda: stack)
        hashes[:] = [] if isinstance(input_path, Address) else [sha256]  # of a file it is that of all parts
        provenance = provenance_of(
            result,
            settings,
            source=str(input_path),
            source_sha256=sha256,
            command=Command("run", *place, voxel_size, part.channel, invert, single_file, part.time, soma_outline),
        )
        tree, outlines = outlined(result.tree, stack) if soma_outline else (result.tree, None)
        files = file_rows(tree, part.output, single_file=single_file)
        write_outputs(
            tree,
            stack,
            provenance,
            part.output,
            overwrite=overwrite,
            files=files,
            outlines=outlines,
            page=page_writer(page),
        )
        say_outlines(part.output, outlines)
        say_trees(tree, files, page_path(part.output) if page else None)

    reconstruct_each(input_path, parts, reconstruct_part)
