"""`neurorecon synth`: a morphology to a realistic stack with known truth, or a brain-like volume of many neurons."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from neurorecon.cli.options import output_option, overwrite_option, voxel_size_given
from neurorecon.cli.voice import counted, say, voice_options
from neurorecon.synth.brain_settings import BrainSettings
from neurorecon.synth.settings import SynthSettings

if TYPE_CHECKING:
    from neurorecon.core.geometry import VoxelSize
    from neurorecon.core.tree import Tree

__all__ = ["command"]

S = TypeVar("S", SynthSettings, BrainSettings)

DEMO, BRAIN = "demo", "brain"
DEFAULTS, WHOLE = SynthSettings(), BrainSettings()
SHAPE = ",".join(map(str, WHOLE.shape))
VOXELS = ",".join(f"{length:g}" for length in DEFAULTS.voxel_size)
TWO_PART_SUFFIXES = (".ome.tif", ".ome.tiff", ".ome.zarr")


def _shape(ctx: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, int, int] | None:
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 3 or not all(part.strip().isdecimal() for part in parts):
        raise click.BadParameter(f"{text!r} is no shape; give three numbers of voxels, for example {SHAPE}")
    z, y, x = map(int, parts)
    return z, y, x


@click.command("synth")
@click.argument("morphology", metavar="SWC", type=click.Path(path_type=Path))
@output_option("The stack: .tif or .ome.zarr.")
@click.option(
    "--voxel-size",
    metavar="Z,Y,X",
    callback=voxel_size_given,
    help=f"Voxel size, in the unit of the SWC.  [default: {VOXELS}]",
)
@click.option(
    "--seed", type=click.IntRange(min=0), metavar="N", help=f"Seed of every random choice.  [default: {DEFAULTS.seed}]"
)
@click.option(
    "--photons",
    type=float,
    metavar="N",
    help=f"Photons in a bright neurite: fewer are noisier.  [default: {DEFAULTS.photons:g}]",
)
@click.option(
    "--settings",
    "settings_path",
    metavar="TOML",
    type=click.Path(path_type=Path),
    help="Settings of staining, optics and camera (see docs/synthesis.md).",
)
@click.option(
    "--truth",
    metavar="OUT.swc",
    type=click.Path(path_type=Path),
    help="The truth.  [default: the stack's name + .truth.swc]",
)
@click.option("--shape", metavar="Z,Y,X", callback=_shape, help=f"Shape of a brain, in voxels.  [default: {SHAPE}]")
@click.option(
    "--neurons",
    type=click.IntRange(min=0),
    metavar="N",
    help=f"Number of neurons in a brain.  [default: {WHOLE.neurons}]",
)
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Processes that draw a brain.  [default: 1]")
@click.option(
    "--mask", metavar="OUT", type=click.Path(path_type=Path), help="Also write a mask of the neurites, 0 and 255."
)
@overwrite_option
@voice_options
def command(
    *,
    morphology: Path,
    output: Path,
    voxel_size: "VoxelSize | None",
    seed: int | None,
    photons: float | None,
    settings_path: Path | None,
    truth: Path | None,
    shape: tuple[int, int, int] | None,
    neurons: int | None,
    jobs: int | None,
    mask: Path | None,
    overwrite: bool,
) -> None:
    """Make a realistic stack with known truth from a morphology.

    SWC is a morphology, or the word "demo" for the built-in one (./demo for a file of that name). The truth is written
    beside the stack, in voxel coordinates of the stack.

    The word "brain" makes a volume with many whole neurons block by block, so that it may be larger than the memory: an
    OME-Zarr with voxels of 1 um (see --voxel-size), and the truth in micrometres.
    """
    if str(morphology) == BRAIN:
        _refuse({"--photons": photons, "--mask": mask}, 'not for "brain"')
        whole = {"shape": shape, "neurons": neurons, "seed": seed, "voxel_size": _lengths(voxel_size)}
        _brain(output, _filled(BrainSettings, settings_path, whole), truth, jobs or 1, overwrite)
        return
    from neurorecon.cli.progress_bar import timed

    _refuse({"--shape": shape, "--neurons": neurons, "--jobs": jobs}, 'only for "brain"')
    from neurorecon.core.files import check_output
    from neurorecon.synth import synthesize

    truth = truth or output.with_name(_stem(output) + ".truth.swc")
    outputs = [path for path in (output, truth, mask) if path is not None]
    if len({path.absolute() for path in outputs}) < len(outputs):
        raise click.UsageError("the stack, the truth and the mask need three different names")
    for path in outputs:
        check_output(path, overwrite=overwrite)
    given: dict[str, object] = {"voxel_size": _lengths(voxel_size), "seed": seed, "photons": photons}
    settings = _filled(SynthSettings, settings_path, given)
    tree = _morphology(morphology, settings.seed)
    if tree.unit == "voxel" and voxel_size is None and settings_path is None:
        settings = dataclasses.replace(settings, voxel_size=(1.0, 1.0, 1.0))  # a morphology in voxels: its own grid
    with timed("synth"):
        made = synthesize(tree, settings)

    from neurorecon.io import write_stack
    from neurorecon.swc import write_swc

    size = made.stack.voxel_size
    header = [f"truth of {output.name}, in its voxels", f"morphology {morphology.name}, seed {settings.seed}"]
    write_stack(made.stack.data, output, voxel_size=size, overwrite=overwrite)
    write_swc(made.truth, truth, header=header, overwrite=overwrite)
    if mask is not None:
        write_stack(made.neurite.view("uint8") * 255, mask, voxel_size=size, overwrite=overwrite)
    lengths = " x ".join(map(str, made.stack.shape))
    say(f"{output}: {lengths} voxels (z, y, x), {made.truth.cable_length:.0f} voxels of cable; truth in {truth}")


def _stem(path: Path) -> str:
    """Return the name without its suffix, both parts of .ome.tif and .ome.zarr."""
    for suffix in TWO_PART_SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.stem


def _lengths(voxel_size: "VoxelSize | None") -> tuple[float, float, float] | None:
    return None if voxel_size is None else (voxel_size.z, voxel_size.y, voxel_size.x)


def _filled(kind: type[S], path: Path | None, given: Mapping[str, object]) -> S:
    """Return the settings of the file, or the defaults, with the options that were given in their place."""
    from neurorecon.core.settings import from_toml

    settings: Any = kind() if path is None else from_toml(kind, path)
    named: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    filled: S = dataclasses.replace(settings, **named)
    return filled


def _refuse(options: Mapping[str, object], why: str) -> None:
    """Refuse the options of `options` that were given."""
    for name, value in options.items():
        if value is not None:
            raise click.UsageError(f"{name} is {why}")


def _brain(output: Path, settings: BrainSettings, truth: Path | None, jobs: int, overwrite: bool) -> None:
    """Make a brain-like volume, and its truth beside it."""
    from neurorecon.cli.progress_bar import progress_bar, timed
    from neurorecon.core.files import check_output
    from neurorecon.core.geometry import VoxelSize
    from neurorecon.io.formats.zarr.write_zarr import multiscales
    from neurorecon.swc import write_swc
    from neurorecon.synth import grow_scene, write_brain

    if output.suffix.lower() != ".zarr":
        raise click.UsageError(f'{output}: a "brain" is written as OME-Zarr; give a name that ends in .ome.zarr')
    truth = truth or output.with_name(_stem(output) + ".truth.swc")
    for path in (output, truth):
        check_output(path, overwrite=overwrite)
    scene = grow_scene(settings)
    attributes = multiscales(VoxelSize(*settings.voxel_size))
    with timed("synth"), progress_bar("drawing") as progress:
        write_brain(settings, output, attributes=attributes, jobs=jobs, overwrite=overwrite, progress=progress)
    note = f"truth in {truth}"
    if settings.neurons:
        header = [
            f"truth of {output.name}: voxel index times voxel size, {settings.neurons} trees",
            f"brain, seed {settings.seed}",
        ]
        write_swc(scene.truth, truth, header=header, overwrite=overwrite)
    else:
        note = "no truth, for there is no neuron in it"
    size = " x ".join(map(str, settings.shape))
    length = scene.truth.cable_length / 1000
    neurons = counted(settings.neurons, "neuron")
    say(f"{output}: {size} voxels (z, y, x), {neurons}, {length:.1f} mm of cable; {note}")


def _morphology(path: Path, seed: int) -> "Tree":
    """Return the built-in morphology, or the file's."""
    if str(path) == DEMO:
        from neurorecon.synth import demo_tree

        return demo_tree(seed)
    from neurorecon.swc import read_swc

    return read_swc(path)
