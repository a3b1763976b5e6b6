"""Outputs of `segment`, `trace` and `run`: checks before the long work, files and messages after it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurorecon.cli.voice import say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from neurorecon.core.stack import Stack
    from neurorecon.core.surface import Outline
    from neurorecon.core.tree import Tree
    from neurorecon.report import Finding, PageWriter

__all__ = [
    "LARGEST_SHOWN",
    "WrittenTrees",
    "check_apart",
    "check_outline",
    "check_stack",
    "check_swc",
    "page_option",
    "page_writer",
    "say_former",
    "say_outlines",
    "say_trees",
    "single_file_option",
    "size_of",
    "soma_outline_option",
    "write_tree_page",
    "write_trees",
]

# Set by hand; not tuned, unless a line says more.
LARGEST_SHOWN = (
    2_000_000_000  # voxels that a page reads: those that are traced in one piece; half a minute from a fast disk
)

single_file_option = click.option(
    "--single-file", is_flag=True, help="Write several neurons into OUT itself, not into OUT_1.swc, OUT_2.swc, ..."
)
"""Adds --single-file; the command gets `single_file: bool`."""
soma_outline_option = click.option(
    "--soma-outline", is_flag=True,
    help="Measure each soma in the grey stack: its surface as a mesh, OUT.soma.obj; its volume, in OUT.json too; the root gets "
    "the radius of a ball of that volume, and no line is left inside.",
)  # fmt: skip
"""Adds --soma-outline; the command gets `soma_outline: bool`."""


def check_outline(output: Path, *, overwrite: bool) -> None:
    """Raise OutputError if OUT.soma.obj or OUT.soma_1.obj is there, and not `overwrite`: before the long work."""
    from neurorecon.core.files import check_output
    from neurorecon.report import outline_paths

    for somata in (1, 2):
        check_output(outline_paths(output, somata)[0], overwrite=overwrite)


page_option = click.option(
    "--page/--no-page",
    default=True,
    show_default=True,
    help="Write OUT.html: the tree in 3D over the stack with the review list; it opens in a browser, offline.",
)
"""Adds --page and --no-page; the command gets `page: bool`."""


def page_writer(page: bool) -> "PageWriter | None":
    """Return the function that writes OUT.html, None with --no-page."""
    if not page:
        return None
    from neurorecon.page import write_page

    return write_page


def check_apart(*paths: Path) -> None:
    """Raise OutputError if two of the input and the outputs are one file."""
    from neurorecon.core.errors import OutputError

    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            raise OutputError(f"{path}: named twice; the input and every output need a name of their own")
        seen.add(path.resolve())


def check_stack(output: Path, *, overwrite: bool) -> None:
    """Raise InputError or OutputError unless a stack can be written to `output`."""
    from neurorecon.io import open_writer

    open_writer(output, (1, 1, 1), overwrite=overwrite)  # checks when called; nothing is written before it is entered


def numbered(output: Path) -> list[Path]:
    """Return OUT_1.swc, OUT_2.swc and so on, as far as they are there."""
    name = re.compile(re.escape(output.stem) + r"_\d+" + re.escape(output.suffix))
    return sorted(path for path in output.parent.iterdir() if name.fullmatch(path.name))


def check_swc(output: Path, *, overwrite: bool) -> None:
    """Raise OutputError unless OUT.swc, OUT_1.swc and so on, OUT.review.csv and OUT.html can be written: before the work."""
    from neurorecon.core.errors import OutputError
    from neurorecon.core.files import check_output
    from neurorecon.report import page_path, review_path

    if output.suffix.lower() != ".swc":
        raise OutputError(f"{output}: the output is an SWC file; give a name that ends in .swc")
    check_output(output, overwrite=overwrite)
    for path in (*numbered(output), review_path(output), page_path(output)):
        check_output(path, overwrite=overwrite)


@dataclass(frozen=True, slots=True)
class WrittenTrees:
    """Trees that were written.

    Attributes:
        tree: one tree or a forest.
        files: each SWC file, and the rows of `tree` that went into it, ascending.
        findings: those of `check_tree`.
    """

    tree: "Tree"
    files: "Sequence[tuple[Path, NDArray[np.int64]]]"
    findings: "Sequence[Finding]"


def write_trees(
    tree: "Tree", output: Path, header: Sequence[str], *, overwrite: bool, single_file: bool
) -> WrittenTrees:
    """Write one SWC file a neuron, or one for all, and the review list; say so where files of an earlier result stay."""
    from neurorecon.report import check_tree, file_rows, neuron_files, review_path, write_review
    from neurorecon.swc import write_swc

    files = file_rows(tree, output, single_file=single_file)
    for path, neuron in neuron_files(tree, files):
        write_swc(neuron, path, header=header, overwrite=overwrite)
    findings = check_tree(tree)
    write_review(tree, files, review_path(output), findings=findings, overwrite=overwrite)
    own = [path for path, _ in files]
    say_former(path for path in (output, *numbered(output)) if path not in own)
    return WrittenTrees(tree, files, findings)


def say_former(paths: Iterable[Path]) -> None:
    """Warn of each file that is there although the result at hand did not write it."""
    for path in paths:
        if path.exists():
            click.echo(f"neurorecon: warning: {path} is of an earlier result", err=True)


def write_tree_page(written: WrittenTrees, output: Path, behind: "Stack", source: Path, *, overwrite: bool) -> None:
    """Write OUT.html of trees that `write_trees` has written; `behind` is shown unless it is too large to be read again."""
    from neurorecon.page import write_page
    from neurorecon.report import PageContent, page_path

    volume = behind.data if behind.voxels <= LARGEST_SHOWN else None
    about: dict[str, Any] = {"voxel_size": behind.voxel_size, "title": source.name, "findings": written.findings}
    write_page(PageContent(written.tree, written.files, volume, **about), page_path(output), overwrite=overwrite)


def say_outlines(output: Path, outlines: "Sequence[Outline] | None") -> None:
    """Name the surfaces of the somata that were written beside OUT.swc, with their volumes; say so where there is none.

    None stands for surfaces that were not asked for.
    """
    from neurorecon.report import outline_paths

    if outlines is None:
        return
    for path, outline in zip(outline_paths(output, len(outlines)), outlines, strict=True):
        say(f"wrote {path}: a soma of {outline.volume:,.1f} {outline.unit}^3")
    if not outlines:
        say("no soma was found that could be measured: no surface is written")


def size_of(tree: "Tree") -> str:
    """Return trees, if several, nodes and cable in words."""
    trees = f"{len(tree.roots)} trees, " if len(tree.roots) > 1 else ""
    return f"{trees}{len(tree)} nodes, {tree.cable_length:,.0f} {'um' if tree.unit == 'um' else 'voxels'} of cable"


def say_trees(tree: "Tree", files: "Sequence[tuple[Path, NDArray[np.int64]]]", page: Path | None) -> None:
    """Name the files that were written, and what is in them; `files` are those of `file_rows`, None is no page."""
    from neurorecon.report import neuron_files

    for path, part in neuron_files(tree, files):
        say(f"wrote {path}: {size_of(part)}, {len(part.tips)} tips")
    if page is not None:
        say(f"wrote {page}: open it in a browser to see the tree on the stack, and to review it")
