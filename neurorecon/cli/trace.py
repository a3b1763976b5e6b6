"""`neurorecon trace`: probability, or a grey stack, to SWC."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurorecon.cli.engine_options import engine_options
from neurorecon.cli.options import (
    StackPath,
    block_option,
    input_argument,
    output_option,
    overwrite_option,
    settings_option,
    stack_options,
    strict_option,
    trace_options,
)
from neurorecon.cli.output_files import (
    LARGEST_SHOWN,
    WrittenTrees,
    check_apart,
    check_outline,
    check_swc,
    page_option,
    say_former,
    say_outlines,
    say_trees,
    single_file_option,
    soma_outline_option,
    write_tree_page,
    write_trees,
)
from neurorecon.cli.progress_bar import progress_bar, timed
from neurorecon.cli.voice import say, voice_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neurorecon.batch import EngineSettings
    from neurorecon.core.findings import StackFinding
    from neurorecon.core.geometry import VoxelSize
    from neurorecon.core.probability import Probability
    from neurorecon.core.stack import Stack
    from neurorecon.core.tree import Tree
    from neurorecon.tracing import TraceSettings
    from neurorecon.volumes import TraceVolumeSettings

__all__ = ["command"]

# Set by hand; not tuned, unless a line says more.
LARGEST_WHOLE = (
    2_000_000_000  # voxels of a probability that is traced in one piece: its foreground fits into 2 GB mostly
)


@click.command("trace")
@input_argument
@output_option("The SWC file; OUT.review.csv and OUT.html are written beside it.")
@click.option("--raw", is_flag=True, help="INPUT is a grey stack, bright on dark, not a probability.")
@click.option(
    "--stack",
    "stack_path",
    metavar="STACK",
    type=StackPath(),
    help="The grey stack of the probability: its light distinguishes the neuron from faint neighbours.",
)
@block_option(
    "neurorecon.volumes:TraceVolumeSettings",
    f"Trace the probability in blocks of this size in voxels. Default: {{block}} above {LARGEST_WHOLE // 10**9} gigavoxels "
    "and with --jobs, --engine or --verify-seams, else in one piece.",
)
@click.option(
    "--verify-seams",
    type=click.IntRange(min=1),
    metavar="N",
    help="Trace the surroundings of N places where neurites cross a block border again, in one piece, and report how well "
    "both agree.",
)
@engine_options
@settings_option
@trace_options
@single_file_option
@soma_outline_option
@page_option
@stack_options
@strict_option
@overwrite_option
@voice_options
def command(
    *,
    input_path: Path,
    output: Path,
    raw: bool,
    stack_path: Path | None,
    block: tuple[int, int, int] | None,
    verify_seams: int | None,
    engine: "EngineSettings",
    trace_settings: "TraceSettings",
    single_file: bool,
    soma_outline: bool,
    page: bool,
    voxel_size: "VoxelSize | None",
    channel: int | None,
    time: int | None,
    strict: bool,
    invert: bool | None,
    overwrite: bool,
) -> None:
    """Turn a neurite probability, or a grey stack, into SWC.

    INPUT is a probability as `neurorecon segment` writes it: uint8 from 0 to 255, or float from 0 to 1. With --raw it
    is any grey stack, and its own brightness is the evidence. If the grey stack is known (--raw or --stack), the light of
    a branch counts as well as its probability. OUT.review.csv lists the stretches of the tree for proofreading, the most
    doubtful places first, and OUT.html shows them with the tree in 3D. Several neurons give OUT_1.swc, OUT_2.swc and so on.

    A large OME-Zarr is traced in blocks, which are joined where their branches meet; memory does not grow with it.
    Finished blocks are kept in OUT.swc.part, so the same command continues after an interruption.
    """
    if raw and stack_path is not None:
        raise click.UsageError("--raw takes INPUT for the grey stack; leave out --stack")
    of_grey: dict[str, Any] = {"channel": channel, "time": time, "invert": invert}
    if not raw and stack_path is None:
        _check_no_grey(invert, soma_outline=soma_outline)
    from neurorecon.inspect import check_match, examined
    from neurorecon.io import read_probability, read_stack
    from neurorecon.report import page_path, review_path, warn_if_doubtful
    from neurorecon.volumes import TraceVolumeSettings

    surfaces = _checked(output, soma_outline=soma_outline, overwrite=overwrite)
    greys = [] if stack_path is None else [stack_path]
    check_apart(input_path, *greys, output, review_path(output), page_path(output))
    call = _Call(input_path, output, stack_path, surfaces, trace_settings, overwrite=overwrite, single_file=single_file)
    in_blocks = block is not None or verify_seams is not None or engine.jobs > 1 or engine.dask
    stack: Stack | None = None
    if raw:
        if in_blocks:
            raise click.UsageError(
                "--raw traces a stack in one piece; leave out --block, --verify-seams, --jobs and --engine"
            )
        behind = examined(read_stack(input_path, voxel_size=voxel_size, **of_grey), strict=strict)
        written = _trace_grey(call, behind)
    else:
        parts = _parts_of_map(input_path, channel, time, with_stack=stack_path is not None)
        probability = read_probability(input_path, voxel_size=voxel_size, **parts)
        _check_map(probability, strict=strict)
        if stack_path is not None and probability.voxels <= LARGEST_WHOLE:
            stack = read_stack(stack_path, voxel_size=voxel_size, **of_grey)
            _say_found(probability.source, check_match(probability, stack), strict=strict)
        if not in_blocks and probability.voxels <= LARGEST_WHOLE:
            written = _trace_whole(call, probability, None if stack is None else examined(stack, strict=strict))
        else:
            size: dict[str, Any] = {} if block is None else {"block": block}
            chosen = TraceVolumeSettings(trace_settings, voxel_size, **of_grey, **size)
            written = _trace_blocks(call, chosen, engine, verify_seams)
        behind = _framed(written.tree, probability, stack)
    if page:
        write_tree_page(written, output, behind, input_path, overwrite=overwrite)
    say_former(_not_written(output, page=page))
    warn_if_doubtful(written.tree, str(input_path), raw=raw)
    say_trees(written.tree, written.files, page_path(output) if page else None)


@dataclass(frozen=True, slots=True)
class _Call:
    """Inputs, outputs and settings of a call of `trace`; the surfaces of somata go beside the SWC file `surfaces`."""

    input_path: Path
    output: Path
    stack_path: Path | None
    surfaces: Path | None
    settings: "TraceSettings"
    overwrite: bool
    single_file: bool

    def write(self, tree: "Tree", header: list[str]) -> WrittenTrees:
        """Write the SWC files and the review list."""
        return write_trees(tree, self.output, header, overwrite=self.overwrite, single_file=self.single_file)


def _trace_grey(call: _Call, stack: "Stack") -> WrittenTrees:
    """Trace a grey stack by its own brightness, write the trees and, where asked, the surfaces, and return the trees."""
    from neurorecon.core.voxel_hash import hash_input
    from neurorecon.tracing import evidence_of

    probability = evidence_of(stack)
    tree = _outlined(call, _traced(probability, call.settings, stack), stack)
    return call.write(tree, _header(call, stack, hash_input(call.input_path, lambda: stack)))


def _trace_whole(call: _Call, probability: "Probability", stack: "Stack | None") -> WrittenTrees:
    """Trace a probability in one piece, write the trees, and return them."""
    from neurorecon.core.stack import Stack
    from neurorecon.core.voxel_hash import hash_input

    tree = _traced(probability, call.settings, stack)
    tree = _outlined(call, tree, None if stack is None else _framed(tree, probability, stack))
    whole = Stack(probability.neurite, probability.voxel_size)
    header = _header(call, whole, hash_input(call.input_path, lambda: whole))
    return call.write(tree, header + _stack_lines(stack, call.stack_path))


def _checked(output: Path, *, soma_outline: bool, overwrite: bool) -> Path | None:
    """Check that all files of the result can be written; return the SWC file if surfaces of somata shall lie beside it."""
    check_swc(output, overwrite=overwrite)
    if not soma_outline:
        return None
    check_outline(output, overwrite=overwrite)
    return output


def _not_written(output: Path, *, page: bool) -> list[Path]:
    """Return the files beside OUT.swc that `run` writes and this call does not."""
    beside = [output.with_suffix(".png"), output.with_suffix(".json")]
    return beside if page else [*beside, output.with_suffix(".html")]


def _check_no_grey(invert: bool | None, *, soma_outline: bool) -> None:
    """Raise UsageError if an option is about a grey stack, and none was given."""
    if invert is not None:
        raise click.UsageError("--invert is about a grey stack; use it with --raw or --stack")
    if soma_outline:
        raise click.UsageError("--soma-outline looks for the somata in a grey stack; use it with --raw or --stack")


def _parts_of_map(path: Path, channel: int | None, time: int | None, *, with_stack: bool) -> dict[str, Any]:
    """Return the channel and the time point of the map; with a stack beside it, both options are about that stack.

    Raises:
        InputError: if the map has several channels or time points then.
    """
    if not with_stack:
        return {"channel": channel, "time": time}
    from neurorecon.core.errors import InputError
    from neurorecon.io import open_file

    layout = open_file(path).layout
    if layout.channels * layout.times > 1:
        count = f"{layout.channels} channels" if layout.channels > 1 else f"{layout.times} time points"
        raise InputError(
            f"{path}: has {count}, and with --stack the options are about the stack; save the neurites alone"
        )
    return {}


def _framed(tree: "Tree", probability: "Probability", stack: "Stack | None") -> "Stack":
    """Return the grey stack with the voxel size that the map states, as the tree was made; the map where there is none."""
    from neurorecon.core.geometry import VoxelSize
    from neurorecon.core.stack import Stack

    planes, size = probability.planes, probability.voxel_size
    coarse = None if size is None else VoxelSize(size.z * planes, size.y, size.x)  # of the stack
    if stack is not None:
        return Stack(stack.data, coarse)
    if planes == 1 or tree.unit == "um":
        return Stack(probability.neurite, size)
    shown = probability.voxels <= LARGEST_SHOWN  # the planes of the stack, which the nodes count
    return Stack(probability.neurite[::planes] if shown else probability.neurite, coarse)


def _outlined(call: _Call, tree: "Tree", stack: "Stack | None") -> "Tree":
    """Return the tree with its somata measured, and write their surfaces where they are asked for."""
    if call.surfaces is None or stack is None:
        return tree
    from neurorecon.report import write_outlines
    from neurorecon.tracing import outlined

    tree, outlines = outlined(tree, stack)
    write_outlines(outlines, call.surfaces, overwrite=call.overwrite)
    say_outlines(call.surfaces, outlines)
    return tree


def _traced(probability: "Probability", settings: "TraceSettings", stack: "Stack | None") -> "Tree":
    """Trace a probability in one piece, and log the seconds."""
    from neurorecon.tracing import trace

    with timed("trace"):
        return trace(probability, settings, stack=stack)


def _check_map(probability: "Probability", *, strict: bool) -> None:
    """Warn if the map looks like a grey stack, or has no voxel size; refuse it instead if `strict`."""
    import logging

    from neurorecon.inspect import check_probability

    log = logging.getLogger(__name__)
    size = "unknown" if probability.voxel_size is None else f"{probability.voxel_size} um"
    shape = " x ".join(map(str, probability.shape))
    log.info("%s: probability of %s voxels (z, y, x), voxel size %s", probability.source, shape, size)
    _say_found(probability.source, check_probability(probability), strict=strict)


def _say_found(source: str, found: "Sequence[StackFinding]", *, strict: bool) -> None:
    """Warn of findings; refuse the input instead if `strict`."""
    import logging

    from neurorecon.core.findings import refuse_if_strict

    log = logging.getLogger(__name__)
    for finding in found:
        log.warning("%s: %s", source, finding)
    if strict:
        refuse_if_strict(source, found)


def _trace_blocks(
    call: _Call, settings: "TraceVolumeSettings", engine: "EngineSettings", verify_seams: int | None
) -> WrittenTrees:
    """Trace a probability block by block, write the trees, and return them."""
    if call.stack_path is None and (settings.channel, settings.time) != (None, None):
        raise click.UsageError("a map of several channels is traced in one piece; save that of the neurites alone")
    from neurorecon.batch import open_engine
    from neurorecon.core.stack import Stack
    from neurorecon.tracing import trace_parts
    from neurorecon.volumes import seam_scores, trace_volume

    with timed("trace"), progress_bar("trace", unit="block") as progress:
        volume_of = trace_volume(
            call.input_path,
            call.output,
            settings,
            grey=call.stack_path,
            engine=open_engine(engine, here=True),
            overwrite=call.overwrite,
            progress=lambda done, total, _: progress(done, total),
        )
        with volume_of as volume:
            tree = trace_parts(volume.probability, volume.parts, call.settings, stack=volume.stack, more=volume.more)
            if volume.stack is not None:
                tree = _outlined(call, tree, _framed(tree, volume.probability, volume.stack))
            digest = f"{volume.sha256} (of shape, some voxels and settings)"
            whole = Stack(volume.probability.neurite, volume.probability.voxel_size)
            header = _header(call, whole, digest)
            header += _stack_lines(volume.stack, call.stack_path)
            edges = ",".join(map(str, settings.block))
            header.append(f"traced in {len(volume.parts)} blocks of {edges} voxels (z,y,x)")
            written = call.write(tree, header)
            scores = seam_scores(volume, call.settings, verify_seams) if verify_seams else []
    for score in scores:
        say(score.line)
    if verify_seams and not scores:
        say("no neurite crosses a border between blocks: there is no seam to verify")
    return written


def _header(call: _Call, traced: "Stack", sha256: str) -> list[str]:
    """Return the lines that say how the trees came about; `traced` is the grey stack or the map, `sha256` its hash."""
    from neurorecon.core.settings import as_dict
    from neurorecon.report import Provenance, provenance_lines

    settings = {"trace": as_dict(call.settings)}
    return provenance_lines(traced, Provenance(input=str(call.input_path), input_sha256=sha256, settings=settings))


def _stack_lines(stack: "Stack | None", stack_path: Path | None) -> list[str]:
    """Return the lines on the grey stack in which the light was measured, none without a stack."""
    if stack is None or stack_path is None:
        return []
    from neurorecon.core.voxel_hash import hash_input

    digest = hash_input(stack_path, lambda: stack, large=stack.voxels > LARGEST_WHOLE)
    lines = [f"stack: {stack_path}", f"stack sha256: {digest}"]
    lines += [] if stack.channel is None else [f"stack channel: {stack.channel}"]
    return lines if stack.time is None else [*lines, f"stack time point: {stack.time}"]
