"""OUT.json, the complete record of how a result was made; and its short form, the header of the SWC."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from typing import Any, Protocol

import numpy as np

import neurorecon
from neurorecon.core.findings import warnings_of
from neurorecon.core.forest import heads
from neurorecon.core.machine import PACKAGES
from neurorecon.core.settings import as_dict
from neurorecon.core.stack import Stack
from neurorecon.core.tree import NodeType, Tree
from neurorecon.report.checks import Finding, bridge_summary, check_tree, count_findings
from neurorecon.report.command import Command
from neurorecon.report.morphometry import morphometrics
from neurorecon.report.quality import predicted_f1, quality_of

__all__ = ["Provenance", "StageLike", "build_manifest", "describe_tree", "provenance_lines", "versions"]

FORMAT = 1  # raised when a key changes its meaning

# Set by hand; not tuned, unless a line says more.
DOUBTFUL = 0.5  # cable below this confidence is counted apart
KINDS = {
    "axon": NodeType.AXON, "dendrite": NodeType.DENDRITE, "apical": NodeType.APICAL, "undefined": NodeType.UNDEFINED,
}  # fmt: skip


class StageLike(Protocol):
    """The cost of one stage, as the pipeline measures it."""

    @property
    def name(self) -> str:
        """Which stage."""

    @property
    def seconds(self) -> float:
        """Wall-clock time."""

    @property
    def peak_bytes(self) -> int:
        """Largest memory of the process in the stage."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """The record of a reconstruction besides the stack and the tree.

    Attributes:
        input: the path as it shall be written down; "" takes the stack's own.
        input_sha256: hash of the input (`core.files.hash_path`).
        model_name: the network, "" where none was used.
        model_sha256: hash of its weights.
        planes: that the network saw for one of the stack.
        voxels_as_one: (z, y, x) voxels of the stack that the network saw as one.
        device: where the network ran.
        settings: every setting of every stage, plain JSON values (`core.settings.as_dict`).
        stages: cost of each stage.
        warnings: the warnings that the package logged.
        command: the command that made it; None from Python, then `rerun` cannot repeat it.
    """

    input: str = ""
    input_sha256: str = ""
    model_name: str = ""
    model_sha256: str = ""
    planes: int = 1
    voxels_as_one: tuple[int, int, int] = (1, 1, 1)
    device: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    stages: Sequence[StageLike] = ()
    warnings: Sequence[str] = ()
    command: Command | None = None


def build_manifest(
    tree: Tree, stack: Stack, provenance: Provenance, *, findings: Sequence[Finding] | None = None
) -> dict[str, Any]:
    """Return the content of OUT.json as plain JSON values; `findings` are those of `check_tree`, if known already.

    All that may differ between two runs on the same input with the same settings stands under `created`, and under
    `seconds` and `peak_bytes` of the stages; the rest is the same to the byte.
    """
    size = stack.voxel_size
    return {
        "format": FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": None if provenance.command is None else as_dict(provenance.command),
        "input": {
            "path": provenance.input or stack.source,
            "sha256": provenance.input_sha256,
            "shape_zyx": list(stack.shape),
            "dtype": str(np.dtype(stack.data.dtype)),
            "voxel_size_zyx_um": None if size is None else [size.z, size.y, size.x],
            "channel": stack.channel,
            "channel_name": stack.channel_name,
            "time": stack.time,
            "inverted": bool(stack.inverted),
        },
        "model": {
            "name": provenance.model_name,
            "sha256": provenance.model_sha256,
            "planes_for_one": provenance.planes,
            "voxels_as_one": list(provenance.voxels_as_one),
        },
        "settings": dict(provenance.settings),
        "device": provenance.device,
        "versions": versions(),
        "stages": [
            {"name": s.name, "seconds": round(s.seconds, 3), "peak_bytes": s.peak_bytes} for s in provenance.stages
        ],
        "tree": describe_tree(tree, check_tree(tree) if findings is None else findings),
        "findings": [finding.as_dict() for finding in stack.findings],
        "warnings": list(dict.fromkeys([*map(str, warnings_of(stack.findings)), *provenance.warnings])),
    }


def describe_tree(tree: Tree, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the description of a tree: morphometrics, confidence, predicted F1, quality, bridges, radii, kinds, findings."""
    quality = quality_of(tree)
    return {
        **morphometrics(tree).as_dict(),
        "confidence": confidence_summary(tree),
        "predicted_f1": predicted_f1(tree),
        "quality": None if quality is None else quality.as_dict(),
        "bridges": bridge_summary(tree),
        "radii": radius_summary(tree),
        "kinds": kind_summary(tree),
        "checks": count_findings(findings),
    }


def versions() -> dict[str, str]:
    """Return the versions of neurorecon, Python, the platform and the packages that are installed."""
    found = {"neurorecon": neurorecon.__version__, "python": platform.python_version(), "platform": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def confidence_summary(tree: Tree) -> dict[str, float] | None:
    """Return mean and minimum confidence by length, and the share of the cable below 0.5; None where unknown."""
    length = tree.edge_length if len(tree) else np.zeros(0)
    if tree.confidence is None or not length.any():
        return None
    share = length / length.sum()
    edges = length > 0
    return {
        "mean": round(float((share * tree.confidence).sum()), 6),
        "minimum": round(float(tree.confidence[edges].min()), 6),
        "share_below_0.5": round(float(share[tree.confidence < DOUBTFUL].sum()), 6),
    }


def radius_summary(tree: Tree) -> dict[str, Any] | None:
    """Return the smallest radius that is resolved, and how many nodes of neurites have less; None where unknown."""
    if tree.finest is None:
        return None
    neurite = tree.type != NodeType.SOMA
    return {
        "finest": round(tree.finest, 4),
        "not_resolved": int((neurite & (tree.radius < tree.finest)).sum()),
        "nodes": int(neurite.sum()),
    }


def kind_summary(tree: Tree) -> dict[str, dict[str, float | int | None]] | None:
    """Return cable, branches and mean probability by kind of neurite; None where kinds were not labelled.

    A branch is the unbranched line between two branch points, or of one and a tip. The probability is that of the likeliest
    kind, by length; for "undefined" it is the probability that was too low.
    """
    if tree.kind_probability is None:
        return None
    length = tree.edge_length if len(tree) else np.zeros(0)
    inner = (tree.parent >= 0) & (tree.type != NodeType.SOMA)
    first = heads(tree.parent) == np.arange(len(tree))
    found: dict[str, dict[str, float | int | None]] = {}
    for name, kind in KINDS.items():
        own = inner & (tree.type == kind)
        cable = float(length[own].sum())
        mean = float((length[own] * tree.kind_probability[own]).sum()) / cable if cable else None
        found[name] = {
            "cable_length": cable,
            "branches": int((own & first).sum()),
            "probability": None if mean is None else round(mean, 6),
        }
    return found


def provenance_lines(stack: Stack, provenance: Provenance) -> list[str]:
    """Return the short provenance for the header of an SWC: no times, so the same run gives the same bytes.

    Args:
        stack: the stack or the map that the tree was traced in.
        provenance: what else is known; without a model or a device there is no line of it.
    """
    size, tool = stack.voxel_size, versions()
    given = [
        f"{stage}.{key}={value}"
        for stage, table in provenance.settings.items()
        for key, value in (table.items() if isinstance(table, Mapping) else [("", table)])
        if value not in (None, [], ())
    ]
    torch = f", torch {tool['torch']}" if "torch" in tool else ""
    lines = [
        f"made by: neurorecon {tool['neurorecon']} (Python {tool['python']}{torch})",
        f"input: {provenance.input or stack.source}",
        f"input sha256: {provenance.input_sha256}",
        f"input shape (z, y, x): {', '.join(map(str, stack.shape))}",
        f"voxel size (z, y, x): {'unknown' if size is None else f'{size.z:g}, {size.y:g}, {size.x:g} um'}",
    ]
    if stack.channel is not None:
        lines.append(f"channel: {stack.channel}" + (f" ({stack.channel_name})" if stack.channel_name else ""))
    if stack.time is not None:
        lines.append(f"time point: {stack.time}")
    if provenance.model_name:
        lines += [f"model: {provenance.model_name}", f"model sha256: {provenance.model_sha256}"]
    if provenance.device:
        lines.append(f"device: {provenance.device}")
    if given:
        lines.append(f"settings: {' '.join(given).replace('.=', '=')}")
    return lines
