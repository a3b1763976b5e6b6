"""Write a tree in a format chosen by its name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from neurorecon.core.errors import InputError, MissingExtraError, one_line
from neurorecon.core.files import write_beside
from neurorecon.core.tree import Tree
from neurorecon.export.asc import asc_of
from neurorecon.export.neuroml import neuroml_of
from neurorecon.export.nml import nml_of
from neurorecon.export.obj import obj_of
from neurorecon.export.precomputed import check_skeletons, write_precomputed
from neurorecon.export.scale import Scale

__all__ = ["FORMATS", "Scale", "export_tree"]

Text = Callable[[Tree, Scale, str], str]

FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "neuroglancer": ".precomputed",
        "nml": ".nml",
        "neurolucida": ".asc",
        "neuroml": ".cell.nml",
        "obj": ".obj",
        "parquet": ".parquet",
    }
)
"""The end of a file's name by format; of neuroglancer, that of a folder; webKnossos and NeuroML both have chosen .nml."""

TEXTS: Mapping[str, Text] = MappingProxyType(
    {"nml": nml_of, "neurolucida": asc_of, "neuroml": neuroml_of, "obj": obj_of}
)


def export_tree(
    tree: Tree, kind: str, path: Path, *, scale: Scale | None = None, name: str = "neuron", overwrite: bool = False
) -> None:
    """Write a tree or a forest in another format, whole or not at all.

    Args:
        tree: in um or in voxels.
        kind: one of FORMATS.
        path: the file; of neuroglancer, the folder.
        scale: the size of a voxel, where the format needs it; None: not known.
        name: what the tree is called there.
        overwrite: take the place of what is there.

    Raises:
        InputError: if the format is not known, or needs a voxel size that is not known, or there is no node.
        MissingExtraError: if parquet is asked for, and nothing can write it.
        OutputError: if it cannot be written, or what is there is a folder of something else.
    """
    if kind not in FORMATS:
        raise InputError(f"format {kind!r} is not known; one of {', '.join(FORMATS)} is needed")
    if not len(tree):
        raise InputError(f"{name}: has no node; there is nothing to export")
    scale, name = scale or Scale(), one_line(name)  # a name of a file may hold what no text file can
    text = TEXTS[kind](tree, scale, name) if kind in TEXTS else ""
    if kind == "neuroglancer":
        scale.in_um(tree)  # raises before anything is made
        check_skeletons(path)
    with write_beside(path, overwrite=overwrite, folder=kind == "neuroglancer") as beside:
        if kind in TEXTS:
            beside.write_text(text, encoding="utf-8")
        elif kind == "neuroglancer":
            write_precomputed(tree, scale, beside)
        else:
            _write_parquet(tree, beside)


def _write_parquet(tree: Tree, path: Path) -> None:
    """Write a table of nodes: id, type, x, y, z, radius, parent (-1 at a root), tree, unit."""
    import pandas as pd

    table = pd.DataFrame({
        "id": range(1, len(tree) + 1), "type": tree.type,
        "x": tree.xyz[:, 0], "y": tree.xyz[:, 1], "z": tree.xyz[:, 2], "radius": tree.radius,
        "parent": [up + 1 if up >= 0 else -1 for up in tree.parent.tolist()],
        "tree": tree.root_of() + 1, "unit": tree.unit,
    })  # fmt: skip
    try:
        table.to_parquet(path, index=False)
    except ImportError as error:
        raise MissingExtraError("Parquet needs pyarrow, which is not installed: pip install pyarrow") from error
