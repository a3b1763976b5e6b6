"""`neurorecon synth`: a morphology to a realistic stack with known truth."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurorecon.cli.options import output_option, overwrite_option
from neurorecon.synth.settings import SynthSettings

if TYPE_CHECKING:
    from neurorecon.core.geometry import VoxelSize
    from neurorecon.core.tree import Tree

__all__ = ["command"]

DEMO = "demo"
DEFAULTS = SynthSettings()
VOXELS = ",".join(f"{length:g}" for length in DEFAULTS.voxel_size)
TWO_PART_SUFFIXES = (".ome.tif", ".ome.tiff", ".ome.zarr")


def _voxel_size(ctx: click.Context, parameter: click.Parameter, text: str | None) -> "VoxelSize | None":
    from neurorecon.core.geometry import VoxelSize

    return None if text is None else VoxelSize.parse(text)


@click.command("synth")
@click.argument("morphology", metavar="SWC", type=click.Path(path_type=Path))
@output_option("The stack: .tif or .ome.zarr.")
@click.option(
    "--voxel-size", metavar="Z,Y,X", callback=_voxel_size, help=f"In the unit of the SWC.  [default: {VOXELS}]"
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
    "--settings", "settings_path", metavar="TOML", type=click.Path(path_type=Path), help="Staining, optics and camera."
)
@click.option(
    "--truth",
    metavar="OUT.swc",
    type=click.Path(path_type=Path),
    help="The truth.  [default: the stack's name + .truth.swc]",
)
@click.option("--mask", metavar="OUT", type=click.Path(path_type=Path), help="The neurites' voxels as 0 and 255.")
@overwrite_option
def command(
    *,
    morphology: Path,
    output: Path,
    voxel_size: "VoxelSize | None",
    seed: int | None,
    photons: float | None,
    settings_path: Path | None,
    truth: Path | None,
    mask: Path | None,
    overwrite: bool,
) -> None:
    """Make a realistic stack with known truth from a morphology.

    SWC is a morphology, or the word "demo" for the built-in one (./demo for a file of that name). The truth is written
    beside the stack, in voxel coordinates of the stack.
    """
    from neurorecon.core.files import check_output
    from neurorecon.synth import synthesize

    truth = truth or output.with_name(_stem(output) + ".truth.swc")
    outputs = [path for path in (output, truth, mask) if path is not None]
    if len({path.absolute() for path in outputs}) < len(outputs):
        raise click.UsageError("the stack, the truth and the mask need three different names")
    for path in outputs:
        check_output(path, overwrite=overwrite)
    settings = _settings(settings_path, voxel_size, seed, photons)
    tree = _morphology(morphology, settings.seed)
    if tree.unit == "voxel" and voxel_size is None and settings_path is None:
        settings = dataclasses.replace(settings, voxel_size=(1.0, 1.0, 1.0))  # a morphology in voxels: its own grid
    made = synthesize(tree, settings)

    from neurorecon.io import write_stack
    from neurorecon.swc import write_swc

    size = made.stack.voxel_size
    header = [f"truth of {output.name}, in its voxels", f"morphology {morphology.name}, seed {settings.seed}"]
    write_stack(made.stack.data, output, voxel_size=size, overwrite=overwrite)
    write_swc(made.truth, truth, header=header, overwrite=overwrite)
    if mask is not None:
        write_stack(made.neurite.view("uint8") * 255, mask, voxel_size=size, overwrite=overwrite)
    shape = " x ".join(map(str, made.stack.shape))
    click.echo(f"{output}: {shape} voxels (z, y, x), {made.truth.cable_length:.0f} voxels of neurite; truth in {truth}")


def _stem(path: Path) -> str:
    """Return the name without its suffix, both parts of .ome.tif and .ome.zarr."""
    for suffix in TWO_PART_SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.stem


def _settings(
    path: Path | None, voxel_size: "VoxelSize | None", seed: int | None, photons: float | None
) -> SynthSettings:
    """Return the settings of the file, or the defaults, with the options that were given in their place."""
    from neurorecon.core.settings import from_toml

    settings = SynthSettings() if path is None else from_toml(SynthSettings, path)
    size = None if voxel_size is None else (voxel_size.z, voxel_size.y, voxel_size.x)
    given: dict[str, Any] = {"voxel_size": size, "seed": seed, "photons": photons}
    return dataclasses.replace(settings, **{name: value for name, value in given.items() if value is not None})


def _morphology(path: Path, seed: int) -> "Tree":
    """Return the built-in morphology, or the file's."""
    if str(path) == DEMO:
        from neurorecon.synth import demo_tree

        return demo_tree(seed)
    from neurorecon.swc import read_swc

    return read_swc(path)
