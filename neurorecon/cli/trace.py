"""`neurorecon trace`: probability, or a grey stack, to SWC."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neurorecon.cli.options import input_argument, output_option, overwrite_option, stack_options, trace_options
from neurorecon.cli.outcome import check_apart, check_swc, say_trees, single_file_option, write_trees

if TYPE_CHECKING:
    from neurorecon.core.geometry import VoxelSize
    from neurorecon.core.probability import Probability
    from neurorecon.core.stack import Stack
    from neurorecon.trace import TraceSettings

__all__ = ["command"]


@click.command("trace")
@input_argument
@output_option("The SWC file; OUT.review.csv goes beside it.")
@click.option("--raw", is_flag=True, help="INPUT is a grey stack, bright on dark, not a probability.")
@click.option(
    "--stack",
    "stack_path",
    metavar="STACK",
    type=click.Path(path_type=Path),
    help="The grey stack that the probability was made from: its light tells faint neighbours from the neuron.",
)
@trace_options
@single_file_option
@stack_options
@overwrite_option
def command(
    *,
    input_path: Path,
    output: Path,
    raw: bool,
    stack_path: Path | None,
    trace_settings: "TraceSettings",
    single_file: bool,
    voxel_size: "VoxelSize | None",
    channel: int | None,
    overwrite: bool,
) -> None:
    """Turn a neurite probability, or a grey stack, into SWC.

    INPUT is a probability as `neurorecon segment` writes it: uint8 from 0 to 255, or float from 0 to 1. With --raw it
    is any grey stack, and its own brightness is the evidence. Where the grey stack is known, by --raw or --stack, the
    light of a branch counts beside its probability. OUT.review.csv lists the stretches of the tree, least
    certain first, for proofreading. Several neurons give OUT_1.swc, OUT_2.swc and so on.
    """
    if raw and stack_path is not None:
        raise click.UsageError("--raw takes INPUT for the grey stack; leave out --stack")
    if channel is not None and not raw and stack_path is None:
        raise click.UsageError("--channel takes a channel of a grey stack; use it with --raw or --stack")
    from neurorecon.io import read_probability, read_stack
    from neurorecon.report import review_path
    from neurorecon.trace import evidence_of, trace

    check_swc(output, overwrite=overwrite)
    greys = [] if stack_path is None else [stack_path]
    check_apart(input_path, *greys, output, review_path(output))
    stack: Stack | None = None
    if raw:
        stack = read_stack(input_path, channel=channel, voxel_size=voxel_size)
        probability = evidence_of(stack, trace_settings)
        header = _header(probability, input_path, stack.channel, trace_settings)
    else:
        probability = read_probability(input_path, voxel_size=voxel_size)
        header = _header(probability, input_path, None, trace_settings)
    if stack_path is not None:
        stack = read_stack(stack_path, channel=channel, voxel_size=voxel_size)
        header += _stack_lines(stack, stack_path)
    tree = trace(probability, trace_settings, stack=stack)
    write_trees(tree, output, header, overwrite=overwrite, single_file=single_file)
    say_trees(tree, output, single_file=single_file)


def _header(probability: "Probability", input_path: Path, channel: int | None, settings: "TraceSettings") -> list[str]:
    """Return the lines that say how the tree came about: the part of a record that needs no statistics of the tree."""
    from neurorecon.core.files import hash_path
    from neurorecon.core.settings import as_dict
    from neurorecon.report import provenance_lines
    from neurorecon.report.manifest import versions

    size = probability.voxel_size
    source = {
        "path": str(input_path),
        "sha256": hash_path(input_path),
        "shape_zyx": probability.shape,
        "voxel_size_zyx_um": None if size is None else [size.z, size.y, size.x],
        "channel": channel,
    }
    parts = {"input": source, "model": {"name": ""}, "device": "", "settings": {"trace": as_dict(settings)}}
    return provenance_lines({**parts, "versions": versions()})


def _stack_lines(stack: "Stack", stack_path: Path) -> list[str]:
    """Return the lines that say which grey stack lent its light."""
    from neurorecon.core.files import hash_path

    lines = [f"stack: {stack_path}", f"stack sha256: {hash_path(stack_path)}"]
    return lines if stack.channel is None else [*lines, f"stack channel: {stack.channel}"]
