"""The planes of a folder by the OME-XML in them, where it names the files: Bruker, Micro-Manager, Imspector write it so."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from neurorecon.core.errors import FormatError, InputError
from neurorecon.core.findings import StackFinding
from neurorecon.io.formats.tiff.plane_names import PlaneOrder, joined_times
from neurorecon.io.guard import decoding

__all__ = ["ome_order"]

# Facts of the format, or limits set by hand; not tuned.
SHOWN = 5  # names in a message


def ome_order(folder: Path, files: Sequence[Path], xml: str) -> PlaneOrder | None:
    """Return the series of planes that an OME-XML names by file; None where it names none, or not one plane a file.

    Raises:
        FormatError: if a file that it names is not there.
        InputError: if time points have other channels than the first, or the folder holds files of other images.
    """
    with decoding(files[0]):
        places, names = _places(xml)
    if len(places) < 2 or any(Path(name).name != name for name in places):
        return None
    there = {path.name: path for path in files}
    missing = [name for name in places if name not in there]
    if missing:
        listed = ", ".join(missing[:SHOWN]) + (f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else "")
        what = f"its OME-XML names {len(places)} planes, of which {len(missing)} are not there: {listed}"
        raise FormatError(f"{folder}: {what}; copy or export it again")
    if len(set(places.values())) < len(places):
        return None
    others = [path for path in files if path.name not in places]
    if len(others) * 4 > len(places):  # a quarter, as for names
        what = f"holds {len(others)} TIFFs that the OME-XML of {files[0].name} does not name, {others[0].name} say"
        raise InputError(f"{folder}: {what}; keep one image in the folder")
    series: defaultdict[tuple[int, int], dict[int, Path]] = defaultdict(dict)
    for name, (c, t, z) in places.items():
        series[t, c][z] = there[name]
    if len({len(planes) for planes in series.values()}) > 1:
        kinds = "channels" if len({t for t, _ in series}) == 1 else "channels or time points"
        raise FormatError(f"{folder}: its OME-XML names {kinds} of unequal numbers of planes; export it again")
    numbers = {c for _, c in series}
    labels = {c: names[c] if c < len(names) and names[c] else f"C{c}" for c in numbers}
    labels = labels if len(set(labels.values())) == len(labels) else {c: f"C{c}" for c in numbers}
    findings: tuple[StackFinding, ...] = ()
    if others:
        text = f"left out {others[0].name}{' and others' if len(others) > 1 else ''}: the OME-XML names no such plane"
        findings = (StackFinding("left-out-files", "warning", text, "move them elsewhere"),)
    found: dict[int, dict[str, tuple[Path, ...]]] = {}
    for (t, c), planes in sorted(series.items()):
        label = labels[c] if len(numbers) > 1 else ""
        found.setdefault(t, {})[label] = tuple(planes[z] for z in sorted(planes))
    return joined_times(folder, [PlaneOrder(at, True, findings) for at in found.values()])


def _places(xml: str) -> tuple[dict[str, tuple[int, int, int]], list[str]]:
    """Return channel, time and plane of each file that an OME-XML names, and the names of the channels."""
    places: dict[str, tuple[int, int, int]] = {}
    names: list[str] = []
    for node in ET.fromstring(xml).iter():
        kind = node.tag.rpartition("}")[2]
        if kind == "Channel":
            names.append(node.get("Name", ""))
        if kind != "TiffData" or int(node.get("IFD", 0)) != 0:
            continue
        for child in node:
            if child.get("FileName"):
                c, t, z = (int(node.get(f"First{axis}", 0)) for axis in "CTZ")
                places[str(child.get("FileName"))] = c, t, z
    return places, names
