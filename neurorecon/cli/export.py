"""`neurorecon export`: a tree in the format of another program."""

import json
import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from neurorecon.cli.options import overwrite_option, voxel_size_given
from neurorecon.cli.voice import say, voice_options

if TYPE_CHECKING:
    from neurorecon.core.geometry import VoxelSize
    from neurorecon.core.tree import Tree
    from neurorecon.export import Picture, Scale

__all__ = ["command"]

log = logging.getLogger(__name__)

WITH_IDS = ("nml", "neuroml", "parquet")  # formats whose nodes have ids


@click.command("export")
@click.argument("swc", metavar="OUT.swc", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "kind",
    required=True,
    metavar="FORMAT",
    help="neuroglancer (a folder of precomputed skeletons), nml (webKnossos), neurolucida (ASC), neuroml (2), obj (tubes) "
    "or parquet (a table of nodes; needs pyarrow).",
)
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path),
              help="The file.  [default: OUT with the end of the format, beside OUT.swc]")  # fmt: skip
@click.option("--voxel-size", metavar="Z,Y,X", callback=voxel_size_given,
              help="Voxel size of the stack in micrometres.  [default: that in OUT.json]")  # fmt: skip
@click.option(
    "--serve",
    is_flag=True,
    help="neuroglancer: hand stack, probability and skeletons to a viewer in a browser of this machine, until Ctrl C; prints "
    "the address. Without -o nothing is written.",
)
@click.option("--stack", metavar="STACK", type=click.Path(path_type=Path),
              help="--serve: where the stack lies now.  [default: the one of OUT.json]")  # fmt: skip
@click.option("--probability", metavar="FILE", type=click.Path(path_type=Path),
              help="--serve: the map.  [default: OUT_prob.tif or OUT_prob.ome.zarr, if there is one]")  # fmt: skip
@click.option("--port", metavar="N", default=9170, show_default=True, type=click.IntRange(0, 65535),
              help="--serve: the port of this machine; 0 takes a free one.")  # fmt: skip
@click.option("--viewer", metavar="URL", default="https://neuroglancer-demo.appspot.com", show_default=True,
              help="--serve: the viewer; its pages alone may read.")  # fmt: skip
@overwrite_option
@voice_options
def command(
    *,
    swc: Path,
    kind: str,
    output: Path | None,
    voxel_size: "VoxelSize | None",
    serve: bool,
    stack: Path | None,
    probability: Path | None,
    port: int,
    viewer: str,
    overwrite: bool,
) -> None:
    """Write a tree in the format of another program.

    Units are those that the format asks for: nanometres in neuroglancer, voxels and their size in NML, micrometres in
    ASC and NeuroML, those of the tree in OBJ and Parquet. Nodes of NML and Parquet, and segments of NeuroML, have the
    ids of an SWC file that `neurorecon` wrote.
    """
    from neurorecon.core.errors import InputError
    from neurorecon.export import FORMATS, Scale, export_tree
    from neurorecon.swc import ids_in_file, read_swc

    if kind not in FORMATS:
        raise InputError(f"--to {kind}: one of {', '.join(FORMATS)} is needed")
    if serve and kind != "neuroglancer":
        raise click.UsageError("--serve is for --to neuroglancer")
    tree, scale = read_swc(swc), Scale(voxel_size or _recorded_size(swc))
    if kind in WITH_IDS and ids_in_file(swc).tolist() != list(range(1, len(tree) + 1)):
        log.warning("%s: its ids are not 1, 2, 3 ...; nodes are numbered anew, parents first", swc)
    with TemporaryDirectory() as passing:
        path = output or (Path(passing) / "skeletons" if serve else swc.with_suffix(FORMATS[kind]))
        export_tree(tree, kind, path, scale=scale, name=swc.stem, overwrite=overwrite)
        if output is not None or not serve:
            say(f"wrote {path}")
        if serve:
            _serve(
                tree, scale, path, _pictures(swc, scale, stack, probability), port=port, viewer=viewer, name=swc.stem
            )


def _pictures(swc: Path, scale: "Scale", stack: Path | None, probability: Path | None) -> "list[Picture]":
    """Return the volumes to show: the stack, and the map if there is one."""
    from neurorecon.core.errors import InputError
    from neurorecon.core.geometry import VoxelSize
    from neurorecon.export import Picture
    from neurorecon.io import read_probability
    from neurorecon.mend import Sources, open_stack

    grey, _ = open_stack(Sources(swc, stack=stack))
    size = scale.voxel_size or grey.voxel_size
    if size is None:
        raise InputError(f"{swc}: the size of a voxel is not known; give --voxel-size Z,Y,X")
    found = [Picture("stack", grey.data, size)]
    place = Sources(swc, probability=probability).kept_map()
    if place is not None:
        kept = read_probability(place)
        finer = VoxelSize(size.z / kept.planes, size.y, size.x)
        found.append(Picture("probability", kept.neurite, finer, over=True))
    return found


def _serve(
    tree: "Tree", scale: "Scale", folder: Path, pictures: "list[Picture]", *, port: int, viewer: str, name: str
) -> None:
    """Hand a reconstruction to a viewer until the user ends it."""
    from neurorecon.export import link_of, open_server, state_of

    with open_server(port, folder, pictures, viewer) as server:
        server.state = state_of(tree, scale, pictures, base=server.base, name=name)
        click.echo(link_of(server, viewer))
        say("Open this address in a browser of this machine. Ctrl C ends it.")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("ended")


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
