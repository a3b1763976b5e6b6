"""`neurorecon export`: a tree in the format of another program."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neurorecon.cli.options import overwrite_option
from neurorecon.cli.voice import say, voice_options

if TYPE_CHECKING:
    from neurorecon.core.geometry import VoxelSize

__all__ = ["command"]


def _voxel_size(ctx: click.Context, parameter: click.Parameter, text: str | None) -> "VoxelSize | None":
    from neurorecon.core.geometry import VoxelSize

    return None if text is None else VoxelSize.parse(text)


@click.command("export")
@click.argument("swc", metavar="OUT.swc", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "kind",
    required=True,
    metavar="FORMAT",
    help="neuroglancer (a folder of precomputed skeletons), nml (webKnossos), neurolucida (ASC), obj (tubes) or parquet (a "
    "table of nodes; needs pyarrow).",
)
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path),
              help="The file.  [default: OUT with the end of the format, beside OUT.swc]")  # fmt: skip
@click.option("--voxel-size", metavar="Z,Y,X", callback=_voxel_size,
              help="Voxel size of the stack in micrometres.  [default: that in OUT.json]")  # fmt: skip
@overwrite_option
@voice_options
def command(*, swc: Path, kind: str, output: Path | None, voxel_size: "VoxelSize | None", overwrite: bool) -> None:
    """Write a tree in the format of another program.

    Units are those that the format asks for: nanometres in neuroglancer, voxels and their size in NML, micrometres in ASC,
    those of the tree in OBJ and Parquet. Nodes of NML and Parquet have the ids of an SWC file that `neurorecon` wrote.
    """
    from neurorecon.core.errors import InputError
    from neurorecon.export import FORMATS, Scale, export_tree
    from neurorecon.swc import read_swc

    if kind not in FORMATS:
        raise InputError(f"--to {kind}: one of {', '.join(FORMATS)} is needed")
    path = output or swc.with_suffix(FORMATS[kind])
    scale = Scale(voxel_size or _recorded_size(swc))
    export_tree(read_swc(swc), kind, path, scale=scale, name=swc.stem, overwrite=overwrite)
    say(f"wrote {path}")


def _recorded_size(swc: Path) -> "VoxelSize | None":
    """Return the voxel size that OUT.json states, None where there is none."""
    from neurorecon.core.errors import InputError
    from neurorecon.core.geometry import voxel_size_of
    from neurorecon.mend.evidence import stems_of

    for stem in stems_of(swc):
        try:
            table = json.loads(swc.with_name(f"{stem}.json").read_text(encoding="utf-8"))
            return voxel_size_of(table["input"]["voxel_size_zyx_um"])
        except (OSError, ValueError, RecursionError, KeyError, TypeError, InputError):
            continue
    return None
