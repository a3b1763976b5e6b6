"""`neurorecon trace`: probability, or a grey stack, to SWC."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neurorecon.cli.options import input_argument, output_option, overwrite_option, stack_options, trace_options
from neurorecon.cli.outcome import check_apart, check_swc, say_trees, single_file_option, write_trees

if TYPE_CHECKING:
    from neurorecon.core.geometry import VoxelSize
    from neurorecon.core.stack import Stack
    from neurorecon.trace import TraceSettings

__all__ = ["command"]


@click.command("trace")
@input_argument
@output_option("The SWC file; OUT.review.csv goes beside it.")
@click.option("--raw", is_flag=True, help="INPUT is a grey stack, bright on dark, not a probability.")
@trace_options
@single_file_option
@stack_options
@overwrite_option
def command(
    *,
    input_path: Path,
    output: Path,
    raw: bool,
    trace_settings: "TraceSettings",
    single_file: bool,
    voxel_size: "VoxelSize | None",
    channel: int | None,
    overwrite: bool,
) -> None:
    """Turn a neurite probability, or a grey stack, into SWC.

    INPUT is a probability as `neurorecon segment` writes it: uint8 from 0 to 255, or float from 0 to 1. With --raw it
    is any grey stack, and its own brightness is the evidence. OUT.review.csv lists the stretches of the tree, least
    certain first, for proofreading. Several neurons give OUT_1.swc, OUT_2.swc and so on.
    """
    if channel is not None and not raw:
        raise click.UsageError("--channel takes a channel of a grey stack; use it with --raw")
    from neurorecon.core.stack import Stack
    from neurorecon.io import read_probability, read_stack
    from neurorecon.report import review_path
    from neurorecon.trace import evidence_of, trace

    check_swc(output, overwrite=overwrite)
    check_apart(input_path, output, review_path(output))
    if raw:
        stack = read_stack(input_path, channel=channel, voxel_size=voxel_size)
        probability = evidence_of(stack, trace_settings)
    else:
        probability = read_probability(input_path, voxel_size=voxel_size)
        stack = Stack(probability.neurite, probability.voxel_size, probability.source)
    tree = trace(probability, trace_settings)
    header = _header(stack, input_path, trace_settings)
    write_trees(tree, output, header, overwrite=overwrite, single_file=single_file)
    say_trees(tree, output, single_file=single_file)


def _header(stack: "Stack", input_path: Path, settings: "TraceSettings") -> list[str]:
    """Return the lines that say how the tree came about: the part of a record that needs no statistics of the tree."""
    from neurorecon.core.files import hash_path
    from neurorecon.core.settings import as_dict
    from neurorecon.report import provenance_lines
    from neurorecon.report.manifest import versions

    size = stack.voxel_size
    source = {
        "path": str(input_path),
        "sha256": hash_path(input_path),
        "shape_zyx": stack.shape,
        "voxel_size_zyx_um": None if size is None else [size.z, size.y, size.x],
        "channel": stack.channel,
    }
    parts = {"input": source, "model": {"name": ""}, "device": "", "settings": {"trace": as_dict(settings)}}
    return provenance_lines({**parts, "versions": versions()})
