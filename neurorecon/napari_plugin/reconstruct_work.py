"""What the dock Reconstruct does: both stages on the stack of a layer, the files of the result, and its layers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurorecon.batch.rerun_record import read_again
from neurorecon.core.address import path_or_address
from neurorecon.core.errors import OutputError
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree
from neurorecon.core.voxel_hash import hash_input
from neurorecon.inspect import examined
from neurorecon.napari_plugin.background import Background
from neurorecon.napari_plugin.layer_data import LayerData, TreeSource, map_layers, tree_layers
from neurorecon.napari_plugin.layer_readers import listed_confidence, read_tree
from neurorecon.napari_plugin.layer_stack import Placed
from neurorecon.page import write_page
from neurorecon.pipeline import (
    Reconstruction,
    ReconstructSettings,
    Segmented,
    provenance_of,
    segment_stage,
    trace_stage,
)
from neurorecon.report import Command, absolute, check_outputs, file_rows, write_outputs

__all__ = ["Made", "Request", "made_layers", "reconstruct_layer"]


@dataclass(frozen=True, slots=True)
class Request:
    """A reconstruction that the dock requests.

    Attributes:
        placed: the stack of a layer.
        name: of the layer.
        settings: of both stages.
        output: OUT.swc; None keeps the result in memory.
        overwrite: take the place of files that exist.
    """

    placed: Placed
    name: str
    settings: ReconstructSettings
    output: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """The result of a request.

    Attributes:
        request: what was asked for.
        tree: of all neurons.
        probability: the map, on the grid of the stack.
        files: OUT.swc, or OUT_1.swc and so on; empty where nothing was written.
        warnings: what the package warned of.
    """

    request: Request
    tree: Tree
    probability: Probability
    files: tuple[Path, ...]
    warnings: tuple[str, ...]


def reconstruct_layer(request: Request, work: Background[Made]) -> Made:
    """Do both stages, and write the files; `work` gets the progress, and can stop it.

    Tracing is one step: a stop takes effect after it, and then nothing is written.

    Raises:
        NoNeuronError: if there is nothing to trace.
        NeuroreconError: if settings, network or output cannot be used.
        Stopped: if it was asked to stop.
    """
    settings, output = request.settings, request.output
    if output is not None:
        check_outputs(output, overwrite=request.overwrite)
    work.enter("looking at the stack")
    stack = examined(request.placed.stack)
    work.enter("loading the network")
    segmented = _segment(stack, settings, work)
    work.enter("tracing")
    result = trace_stage(stack, segmented, settings)
    files: tuple[Path, ...] = ()
    if output is not None:
        work.enter("writing")
        files = _write(request, stack, result)
    return Made(request, result.tree, result.probability.on_stack, files, result.warnings)


def made_layers(made: Made) -> list[LayerData]:
    """Return the layers of a result: the map, which is hidden, and the trees, where the stack's layer lies."""
    placed, name = made.request.placed, made.request.name
    layers = [
        (data, arguments | {"visible": False}, kind)
        for data, arguments, kind in map_layers(made.probability, f"{name} probability", placed.frame)
    ]
    if not made.files:
        return layers + tree_layers(made.tree, f"{name} tree", frame=placed.frame_of(made.tree), source=TreeSource())
    for swc in made.files:
        for data, arguments, kind in read_tree(swc, confidence=listed_confidence(swc)):
            layers.append((data, arguments | placed.frame_of(made.tree).arguments, kind))
    return layers


def _segment(stack: Stack, settings: ReconstructSettings, work: Background[Made]) -> Segmented:
    """Do the first stage."""

    def report(done: int, total: int) -> None:
        if work.state.stage != "finding neurites":
            work.enter("finding neurites")
        work.advance(done, total)

    return segment_stage(stack, settings, progress=report)


def _write(request: Request, stack: Stack, result: Reconstruction) -> tuple[Path, ...]:
    """Write all files of the result, and return its SWC files."""
    if request.output is None:
        raise OutputError("no output was named")
    digest, command = "", None
    if request.placed.from_file:
        command = made = _command(request, stack)
        place = path_or_address(made.input)
        digest = hash_input(place, lambda: read_again(place, made))
    provenance = provenance_of(
        result, request.settings, source=stack.source or request.name, source_sha256=digest, command=command
    )
    files = file_rows(result.tree, request.output)
    how: dict[str, Any] = {"files": files, "overwrite": request.overwrite, "page": write_page}
    write_outputs(result.tree, stack, provenance, request.output, **how)
    return tuple(path for path, _ in files)


def _command(request: Request, stack: Stack) -> Command:
    """Return the command that makes the same result, for the record."""
    from neurorecon.nets import place_of_model

    return Command(
        "run",
        absolute(path_or_address(stack.source)),
        place_of_model(request.settings.segment.model),
        request.placed.given,
        stack.channel,
        time=stack.time,
    )
