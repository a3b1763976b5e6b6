"""The files that one reconstruction leaves: OUT.swc (or OUT_1.swc ...), OUT.review.csv, OUT.png, OUT.html, last OUT.json."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import InputError, OutputError
from neurorecon.core.files import check_output, hash_path, write_text
from neurorecon.core.forest import nearest
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Stack, Volume
from neurorecon.core.surface import Outline
from neurorecon.core.tree import Tree
from neurorecon.report.checks import Finding, check_tree
from neurorecon.report.manifest import Provenance, build_manifest, provenance_lines
from neurorecon.report.picture import draw_overlay
from neurorecon.report.review_list import review_path, write_review
from neurorecon.swc import write_swc

__all__ = [
    "PageContent",
    "PageWriter",
    "check_outputs",
    "file_rows",
    "neuron_files",
    "outline_paths",
    "page_path",
    "side_paths",
    "swc_paths",
    "write_outlines",
    "write_outputs",
]

# Set by hand; not tuned, unless a line says more.
# Nodes, and share of the longest neuron's cable, below which a soma with its neurites is no neuron of its own: specks of
# a saturated stack had 7 nodes and 1 %. Nodes are 1.5 voxels apart.
CRUMB_NODES, CRUMB_SHARE = 15, 0.05


@dataclass(frozen=True, slots=True)
class PageContent:
    """Everything that OUT.html shows.

    Attributes:
        tree: one tree or a forest, in um or voxels.
        files: each SWC file, which is written already, and the rows of `tree` that went into it, ascending.
        volume: (Z, Y, X), the stack that the tree was traced in: read once, block by block; None leaves it out.
        voxel_size: micrometres, or None where unknown.
        title: heading of the page; "" takes the name of the first SWC file.
        findings: those of `check_tree`, if they are known already.
    """

    tree: Tree
    files: Sequence[tuple[Path, NDArray[np.int64]]]
    volume: Volume | None = None
    voxel_size: VoxelSize | None = None
    title: str = ""
    findings: Sequence[Finding] | None = None


class PageWriter(Protocol):
    """A function that writes OUT.html: `neurorecon.page.write_page`, passed as a value because `page` imports this package."""

    def __call__(self, content: PageContent, path: Path, *, overwrite: bool = False) -> None:
        """Write the page, whole or not at all."""


def swc_paths(swc: Path, neurons: int, *, single_file: bool = False) -> list[Path]:
    """Return the SWC files of `neurons` neurons: `swc` for one, or for all in one, else OUT_1.swc, OUT_2.swc, ..."""
    if single_file or neurons == 1:
        return [swc]
    return [swc.with_name(f"{swc.stem}_{k + 1}{swc.suffix}") for k in range(neurons)]


def neuron_files(tree: Tree, files: Sequence[tuple[Path, NDArray[np.int64]]]) -> list[tuple[Path, Tree]]:
    """Return each SWC file of a result with its tree; `files` are those of `file_rows`."""
    return [(path, tree if len(files) == 1 else tree.take(rows)) for path, rows in files]


def file_rows(tree: Tree, swc: Path, *, single_file: bool = False) -> list[tuple[Path, NDArray[np.int64]]]:
    """Return each SWC file of a result with the rows of `tree` that go into it, ascending; the longest neuron comes first.

    A soma with next to no neurite is no neuron of its own: it joins the nearest one.
    """
    neurons = [np.arange(len(tree))] if single_file else without_crumbs(tree, tree.neuron_rows())
    return list(zip(swc_paths(swc, len(neurons), single_file=single_file), neurons, strict=True))


def without_crumbs(tree: Tree, neurons: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """Return the rows of neurons from the longest to the shortest, crumbs joined to the nearest of the others."""
    if len(neurons) < 2:
        return neurons
    length = tree.edge_length
    cable = [float(length[rows].sum()) for rows in neurons]
    order = sorted(range(len(neurons)), key=lambda k: -cable[k])
    is_crumb = [len(rows) < CRUMB_NODES and cable[k] < CRUMB_SHARE * cable[order[0]] for k, rows in enumerate(neurons)]
    joined = {k: [neurons[k]] for k in order if not is_crumb[k]}
    small = [k for k in order if is_crumb[k]]
    whole = np.concatenate([neurons[k] for k in joined])
    owner = np.repeat(list(joined), [len(neurons[k]) for k in joined])
    near = nearest(tree.xyz[whole], tree.xyz[[neurons[k][0] for k in small]])
    for k, own in zip(small, owner[near].tolist(), strict=True):
        joined[own].append(neurons[k])
    return [np.sort(np.concatenate(parts)) for parts in joined.values()]


def check_outputs(swc: Path, *, overwrite: bool = False) -> None:
    """Check before any work that OUT.swc, OUT_1.swc, OUT.review.csv, OUT.png, OUT.html and OUT.json can be written.

    Raises:
        OutputError: if the name does not end in .swc, the folder is not there, or one of them exists.
    """
    if swc.suffix.lower() != ".swc":
        raise OutputError(f"{swc}: the output of a reconstruction is an SWC file; give a name that ends in .swc")
    for path in (swc, swc_paths(swc, 2)[0], *side_paths(swc)):
        check_output(path, overwrite=overwrite)


def page_path(swc: Path) -> Path:
    """Return OUT.html of OUT.swc."""
    return swc.with_suffix(".html")


def side_paths(swc: Path) -> tuple[Path, Path, Path, Path]:
    """Return the files beside OUT.swc: OUT.review.csv, OUT.png, OUT.html and OUT.json."""
    return review_path(swc), swc.with_suffix(".png"), page_path(swc), swc.with_suffix(".json")


def write_outputs(
    tree: Tree,
    stack: Stack,
    provenance: Provenance,
    swc: Path,
    *,
    overwrite: bool = False,
    single_file: bool = False,
    files: Sequence[tuple[Path, NDArray[np.int64]]] | None = None,
    outlines: Sequence[Outline] | None = None,
    page: PageWriter | None = None,
) -> dict[str, Any]:
    """Write SWC, review list, overlay, page and manifest; each appears whole or not at all, OUT.json last.

    An OUT.json that is there names the files of the result it describes, with their hashes. With `overwrite` what an
    earlier result left is removed first, so that no OUT_5.swc of five trees survives beside three new ones.

    Args:
        tree: the trees, in um or in voxels.
        stack: what they were traced in, for the picture.
        provenance: what else is known.
        swc: OUT.swc.
        overwrite: take the place of files that exist.
        single_file: one SWC file for all neurons.
        files: those of `file_rows`, if they are known already.
        outlines: surfaces of the somata, written as OUT.soma.obj, or OUT.soma_1.obj and so on; None where not asked for.
        page: writes OUT.html; None leaves it out.

    Returns:
        The manifest, as it stands in OUT.json; its "outputs" maps file names to sha256.

    Raises:
        OutputError: if a file exists (and not `overwrite`) or cannot be written.
    """
    check_outputs(swc, overwrite=overwrite)
    findings = check_tree(tree)
    manifest = build_manifest(tree, stack, provenance, findings=findings)
    lines = provenance_lines(stack, provenance)
    listed, picture, html, record = side_paths(swc)
    if overwrite:
        _remove_former(record)
    files = file_rows(tree, swc, single_file=single_file) if files is None else files
    for path in (*(path for path, _ in files), *outline_paths(swc, len(outlines or ()))):
        check_output(path, overwrite=overwrite)  # all before the first is written: OUT_2.swc of three may be there
    for k, (path, neuron) in enumerate(neuron_files(tree, files)):
        note = [] if len(files) == 1 else [f"neuron: {k + 1} of {len(files)}"]
        write_swc(neuron, path, header=lines + note, overwrite=overwrite)
    write_review(tree, files, listed, findings=findings, overwrite=overwrite)
    title = Path(manifest["input"]["path"]).name
    draw_overlay(tree, stack.data, stack.voxel_size, picture, title=title, overwrite=overwrite)
    surfaces = write_outlines(outlines or (), swc, overwrite=overwrite)
    if outlines is not None:
        manifest["somata"] = [_said_of(path, one) for path, one in zip(surfaces, outlines, strict=True)]
    written = [*(path for path, _ in files), listed, picture, *surfaces]
    if page is not None:
        about: dict[str, Any] = {"voxel_size": stack.voxel_size, "title": title, "findings": findings}
        page(PageContent(tree, files, stack.data, **about), html, overwrite=overwrite)
        written.append(html)
    manifest["outputs"] = {path.name: hash_path(path) for path in written}
    write_text(record, json.dumps(manifest, indent=2) + "\n", overwrite=overwrite)
    return manifest


def outline_paths(swc: Path, somata: int) -> list[Path]:
    """Return the OBJ files of so many somata beside OUT.swc: OUT.soma.obj, or OUT.soma_1.obj and so on."""
    names = ["soma"] if somata == 1 else [f"soma_{k + 1}" for k in range(somata)]
    return [swc.with_name(f"{swc.stem}.{name}.obj") for name in names]


def write_outlines(outlines: Sequence[Outline], swc: Path, *, overwrite: bool = False) -> list[Path]:
    """Write the surfaces of somata beside OUT.swc, and return their files; none is written where one cannot be."""
    paths = outline_paths(swc, len(outlines))
    for path in paths:
        check_output(path, overwrite=overwrite)
    for path, outline in zip(paths, outlines, strict=True):
        write_text(path, outline.as_obj(), overwrite=overwrite)
    return paths


def _said_of(path: Path, outline: Outline) -> dict[str, Any]:
    """Return the entry of a soma in OUT.json: lengths in the unit of the tree, and its volume in the cube of that unit."""
    values = {"volume": outline.volume, "radius": outline.radius}
    return {
        "file": path.name,
        "centre_xyz": [round(float(v), 4) for v in outline.centre],
        **{key: float(f"{value:.6g}") for key, value in values.items()},
        "unit": outline.unit,
    }


def _remove_former(record: Path) -> None:
    """Remove OUT.json, and the files that it names if they are still as it left them."""
    try:
        former = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    named = former.get("outputs") if isinstance(former, Mapping) else None
    record.unlink()
    for name, digest in (named if isinstance(named, Mapping) else {}).items():
        if not name or name != os.path.basename(name):
            continue  # a manifest names files of its own folder only
        path = record.with_name(name)
        try:
            if path.is_file() and hash_path(path) == digest:
                path.unlink()
        except (InputError, OSError):
            continue  # not readable or not removable: the writing that follows will say so
