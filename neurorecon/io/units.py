"""Convert lengths in files to micrometres: the unit is read, or reported as unknown, never guessed silently."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from neurorecon.core.errors import InputError
from neurorecon.core.findings import SIZE_UNKNOWN, StackFinding
from neurorecon.core.geometry import VoxelSize

__all__ = [
    "SHEARED",
    "WAY_OUT",
    "Scale",
    "decoded",
    "micrometres",
    "oblong",
    "odd_lengths",
    "plain_number",
    "scale_findings",
    "scale_from",
    "slanted",
]

WAY_OUT = "give --voxel-size Z,Y,X in micrometres if it is known"
SHEARED = "deskew it first, or give --voxel-size Z,Y,X in micrometres if it is straight"

# Set by hand; not tuned, unless a line says more.
# No light microscope has other voxels: expanded tissue has some nanometres, a coarse map of a brain tens of micrometres.
LEAST_UM, MOST_UM = 1e-3, 100.0
UNSQUARE = 1.2  # pixels are square in all microscopes but line scanners, up to some per cent
OBLONG = 2.0  # above it even those of a line scanner were hardly meant so
SLANTED = 0.02  # cosine between axes, above which they are no right angles: a degree; registrations round at 1e-6
WIDE_UM = 30.0  # pixels in which no neurite shows; an atlas has 25 um, and nanometres that count as um begin at 30
CLOSE = 5.0  # times as near as pixels planes are hardly recorded: the extents of a file, or one of its units, are wrong
MOST_ANISOTROPY = 100.0  # planes of 100 um with pixels of 1 um: a section, and no stack

# The micro sign comes escaped (ImageJ, Python), alone, and as UTF-8 that was read as Latin-1; `casefold` makes it a Greek mu.
UM_IN = {
    "pm": 1e-6, "å": 1e-4, "angstrom": 1e-4, "angstroms": 1e-4, "ångström": 1e-4,
    "nm": 1e-3, "nanometer": 1e-3, "nanometers": 1e-3, "nanometre": 1e-3, "nanometres": 1e-3,
    "um": 1.0, "\u00b5m": 1.0, "\u03bcm": 1.0, "\\u00b5m": 1.0, "\\u03bcm": 1.0, "micron": 1.0,
    "\\xb5m": 1.0, "\u03bc": 1.0, "\u00e2\u03bcm": 1.0, "\u00ee\u00bcm": 1.0, "microns": 1.0,
    "micrometer": 1.0, "micrometers": 1.0, "micrometre": 1.0, "micrometres": 1.0,
    "mm": 1e3, "millimeter": 1e3, "millimeters": 1e3, "millimetre": 1e3, "millimetres": 1e3,
    "dm": 1e5, "decimeter": 1e5, "decimeters": 1e5, "decimetre": 1e5, "decimetres": 1e5,
    "cm": 1e4, "centimeter": 1e4, "centimeters": 1e4, "centimetre": 1e4, "centimetres": 1e4,
    "in": 25_400.0, "inch": 25_400.0, "inches": 25_400.0,
    "m": 1e6, "meter": 1e6, "meters": 1e6, "metre": 1e6, "metres": 1e6,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scale:
    """A voxel size read from a file, or the reason why there is none.

    Attributes:
        size: micrometres, None where the file does not say.
        note: a sentence for the log if the file states a size that cannot be used, else "".
        origin: the part of the file that it was read from, "" where there is only one.
    """

    size: VoxelSize | None = None
    note: str = ""
    origin: str = ""


def decoded(raw: bytes) -> str:
    """Return text in UTF-8, or in Latin-1 as programs of Windows write the micro sign."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def plain_number(text: str) -> float:
    """Return a number with a decimal point or, as some systems write it, a decimal comma."""
    plain = text.strip()
    return float(plain.replace(",", ".") if plain.count(",") == 1 and "." not in plain else plain)


def micrometres(unit: str | None) -> float | None:
    """Return how many micrometres one `unit` is, None for pixels and for anything unknown."""
    return None if unit is None else UM_IN.get(unit.strip().strip('"').casefold().replace("\x00", ""))


def scale_from(zyx: Sequence[float | None], units: Sequence[str | None] | str | None) -> Scale:
    """Make a Scale from three lengths, zyx, and their unit (one for all, or one an axis).

    Lengths of 1 without a unit are what most programs write when they know nothing, so they give no note.
    """
    names = [units] * 3 if units is None or isinstance(units, str) else list(units)
    factors = [micrometres(name) for name in names]
    if None in factors and all(value in (None, 1.0) for value in zyx):
        return Scale()
    if any(value is None for value in zyx):
        known = [f"{axis} {value:g}" for axis, value in zip("zyx", zyx, strict=True) if value is not None]
        note = f"the file gives a voxel size along {', '.join(known)} only; {WAY_OUT}" if known else ""
        return Scale(None, note)
    values = [abs(float(value)) for value in zyx if value is not None]
    text = ",".join(f"{value:g}" for value in values)
    if not all(math.isfinite(value) and value > 0 for value in values):
        return Scale(None, f"the file's voxel size {text} cannot be right; {WAY_OUT}")
    if any(factor is None for factor in factors):
        return Scale(None, f"the file's voxel size {text} has no known unit; {WAY_OUT}")
    try:
        return Scale(VoxelSize(*(v * f for v, f in zip(values, factors, strict=True) if f is not None)))
    except InputError as error:
        return Scale(None, f"the file's {error}")


def slanted(directions: Sequence[Sequence[float]]) -> bool:
    """Return whether the steps (3, 3) between voxels along the axes are no right angles to each other."""
    lengths = [math.hypot(*step) for step in directions]
    pairs = ((0, 1), (0, 2), (1, 2))
    dots = [sum(a * b for a, b in zip(directions[i], directions[j], strict=True)) for i, j in pairs]
    return any(abs(dot) > SLANTED * lengths[i] * lengths[j] for dot, (i, j) in zip(dots, pairs, strict=True))


def odd_lengths(size: VoxelSize) -> bool:
    """Return whether no microscope has such voxels."""
    lengths = (size.z, size.y, size.x)
    return min(lengths) < LEAST_UM or max(lengths) > MOST_UM or max(lengths) > MOST_ANISOTROPY * min(lengths)


def oblong(size: VoxelSize) -> bool:
    """Return whether pixels are so far from squares, or z and x so alike beside a longer y, that the order may be wrong."""
    misplaced = size.z == size.x and size.y > UNSQUARE * size.x
    return misplaced or max(size.y, size.x) > OBLONG * min(size.y, size.x)


def scale_findings(scale: Scale, given: VoxelSize | None) -> tuple[StackFinding, ...]:
    """Return the findings on the voxel size of a file, or on the one that was given in its place."""
    found = []
    size = given if given is not None else scale.size
    if given is None and scale.note:
        what, _, way_out = scale.note.partition("; ")
        found.append(StackFinding("voxel-size-doubtful", "warning", what, way_out))
    if size is None and not scale.note:
        text = "the voxel size is unknown, lengths are in voxels"
        found.append(StackFinding(SIZE_UNKNOWN, "warning", text, WAY_OUT))
    if size is not None and odd_lengths(size):
        text = f"voxels of {size} um (z,y,x) are those of no microscope: a unit is wrong"
        way_out = "look at --voxel-size, which is in micrometres" if given is not None else WAY_OUT
        found.append(StackFinding("voxel-size-odd", "warning", text, way_out))
    elif size is not None and max(size.y, size.x) > WIDE_UM:
        text = f"pixels of {size.y:g} x {size.x:g} um (y,x) are too wide for neurites: is the unit right?"
        way_out = "look at --voxel-size, which is in micrometres" if given is not None else WAY_OUT
        found.append(StackFinding("voxel-size-odd", "warning", text, way_out))
    elif size is not None and CLOSE * size.z < min(size.y, size.x):
        text = (
            f"planes {size.z:g} um apart lie far nearer than pixels of {size.y:g} x {size.x:g} um (y,x): is that right?"
        )
        found.append(StackFinding("voxel-size-odd", "warning", text, WAY_OUT))
    elif size is not None and size.z == size.y and size.x > UNSQUARE * size.y:
        text = f"voxels of {size} um (z,y,x) have long pixels, with planes as near as rows: are they meant as x,y,z?"
        found.append(
            StackFinding("voxel-size-order", "warning", text, "give --voxel-size Z,Y,X, the planes' distance first")
        )
    elif size is not None and oblong(size):
        text = f"pixels of {size.y:g} x {size.x:g} um (y,x) are no squares: is the order of the voxel size right?"
        way_out = "give --voxel-size Z,Y,X; without a word on it everything is stretched along one axis"
        found.append(StackFinding("voxel-size-order", "warning", text, way_out))
    return tuple(found)
