"""What would be read from an input, without running anything: for `neurorecon doctor STACK`."""

from pathlib import Path

from neurorecon.core.findings import StackFinding
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.padding import padding_of, without_padding
from neurorecon.core.polarity import looks_inverted
from neurorecon.core.stack import Stack
from neurorecon.inspect.examine import checked
from neurorecon.io import OpenedFile, open_file, stack_of_file
from neurorecon.io.layout import exchanged_axes
from neurorecon.io.units import scale_findings

__all__ = ["describe_input"]

Lines = list[tuple[str, str]]


def describe_input(
    path: Path,
    *,
    channel: int | None = None,
    time: int | None = None,
    voxel_size: VoxelSize | None = None,
    invert: bool | None = None,
) -> tuple[Lines, tuple[StackFinding, ...]]:
    """Return the header of an input as lines of (name, value), and its findings.

    Voxels are examined if the channel is clear.

    Raises:
        InputError: if it cannot be read as a stack, as `read_stack` does.
    """
    opened = open_file(path)
    opened.pick_time(time)
    lines = _header(opened, voxel_size)
    findings = (*opened.findings, *exchanged_axes(opened.layout), *scale_findings(opened.scale, voxel_size))
    if channel is None and opened.layout.channels > 1 and not opened.grey_colours:
        text = f"has {opened.layout.channels} {opened.kind}, of which none was chosen; the voxels are not examined"
        return lines, (*findings, StackFinding("channel-not-chosen", "warning", text, "choose one by --channel"))
    stack = stack_of_file(opened, channel=channel, time=time, voxel_size=voxel_size, invert=invert)
    if opened.inverted if invert is None else invert:
        lines.append(("contrast", "dark on bright, inverted before anything is done"))
    return lines, (*checked(stack).findings, *_contrast(stack))


def _contrast(stack: Stack) -> tuple[StackFinding, ...]:
    """Return a finding if a stack looks dark on bright, which the network refuses without --invert or --no-invert."""
    if stack.inverted is not None or not looks_inverted(without_padding(stack, padding_of(stack))):
        return ()
    text = "its thin structures are darker than their surroundings: it looks inverted, and would be refused"
    return (
        StackFinding("looks-inverted", "warning", text, "give --invert, or --no-invert if the neurites are bright"),
    )


def _header(opened: OpenedFile, given: VoxelSize | None) -> Lines:
    """Return the lines on shape, axes, type, voxel size and channels."""
    layout = opened.layout
    z, y, x = layout.zyx
    stored = ", ".join(f"{axis.lower()} {n}" for axis, n in zip(layout.axes, layout.shape, strict=True))
    size = given if given is not None else opened.scale.size
    origin = "--voxel-size" if given is not None else opened.scale.origin or "the file"
    lines = [
        ("shape", f"{z} x {y} x {x} voxels (z, y, x), {layout.voxels / 1e6:.3g} million"),
        ("axes", f"{stored} as stored"),
        ("type", f"{opened.dtype}"),
        ("voxel size", "unknown" if size is None else f"{size} um (z,y,x), from {origin}"),
    ]
    if layout.channels > 1:
        names = opened.names if len(opened.names) == layout.channels else ("",) * layout.channels
        listed = ", ".join(f"{k} {name}".strip() for k, name in enumerate(names[:16]))  # as many as messages name
        lines.append(("channels", f"{layout.channels}: {listed}"))
    if layout.times > 1:
        lines.append(("time points", f"{layout.times}, of which one is read"))
    lines.append(("read", "block by block" if opened.lazy else "whole, into memory"))
    return lines + list(opened.about)
