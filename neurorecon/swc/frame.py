"""Unit and origin of the numbers of an SWC file, as programs write them into the header.

Known are `# units: nm` in many wordings, navis (`# Meta: {"units": "8 nanometer"}`), SNT (`All positions and radii in
microns`), `# OFFSET x y z` of the Janelia Workstation (HortaCloud), which has to be added, and a line of column names in
another order, with units or diameters. `# SCALE` and `# SHRINKAGE_CORRECTION` of Cannon et al. 1998, `# ORIGIN`, `# SHIFT` and
a voxel size without a unit are reported, because programs do not agree on who applies them.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from neurorecon.core.errors import one_line
from neurorecon.core.tree import Unit

__all__ = ["Frame", "column_names", "frame_of"]

UM_IN = {
    "um": 1.0, "\u00b5m": 1.0, "\u03bcm": 1.0, "\\u00b5m": 1.0, "micron": 1.0, "microns": 1.0,
    "micrometer": 1.0, "micrometers": 1.0, "micrometre": 1.0, "micrometres": 1.0,
    "nm": 1e-3, "nanometer": 1e-3, "nanometers": 1e-3, "nanometre": 1e-3, "nanometres": 1e-3,
    "mm": 1e3, "millimeter": 1e3, "millimeters": 1e3, "millimetre": 1e3, "millimetres": 1e3,
    "inch": 25_400.0, "inches": 25_400.0, "cm": 1e4, "m": 1e6, "meter": 1e6, "metre": 1e6,
    "angstrom": 1e-4, "angstroms": 1e-4, "\u00e5": 1e-4, "\u00e5ngstr\u00f6m": 1e-4,
}  # fmt: skip
VOXEL_NAMES = ("voxel", "voxels", "pixel", "pixels", "px", "vx")
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
STATED = re.compile(r"\s*(?:(?:spatial|length|coordinate)[ _])?units?\s*[:=]\s*(.+)", re.IGNORECASE)
IMPLIED = re.compile(
    r"(?:.*\W)?units?\s+(?:are\s+|is\s+|in\s+)*(\S+)"
    r"|.*\b(?:positions|coordinates|coords|distances|radii|lengths|units|values)\b(?:\s+and\s+\w+)?\s+(?:are\s+)?(?:given\s+)?in\s+(\S+)"
    r"|\s*(?:all\s+)?in\s+(\S+)\s*$"
    r"|.*\b(voxels?|pixels?)[ _-]+(?:coordinates|coords|units|frame)\b",
    re.IGNORECASE,
)
QUANTITY = re.compile(rf"^({NUMBER})?\s*[\"']?([^\s\d\"'.,;()]+)")
BETWEEN = r"(?:[\s,x\u00d7*]|[yz]\s*[:=])+"  # three numbers: 0.5 0.5 2, 0.5 x 0.5 x 2, x=0.5 y=0.5 z=2
THREE = rf"\s*[:=]?\s*\(?\s*(?:x\s*[:=]\s*)?({NUMBER}){BETWEEN}({NUMBER}){BETWEEN}({NUMBER})"
OFFSET = re.compile(r"\s*offset\b" + THREE, re.IGNORECASE)
SCALE = re.compile(r"\s*(scale|scaling|anisotropy|shrinkage_correction)\b" + THREE, re.IGNORECASE)
SEPARATION = re.compile(r"\s*voxel[ _]separation\s*\(x,\s*y,\s*z\)" + THREE, re.IGNORECASE)
SHIFT = re.compile(r"\s*(origin|shift|translation|translate)\b" + THREE, re.IGNORECASE)
ONE_SCALE = re.compile(
    rf"\s*(scal(?:e|ing)(?:[-_ ]?factor)?|anisotropy|z[-_ ]?(?:scale|scaling|factor|stretch))\s*[:=]?\s*({NUMBER})\s*$",
    re.IGNORECASE,
)
SPACING = re.compile(
    r"\s*((?:xyz[ _])?(?:voxel[ _]?size|voxel[ _]xyz|pixel[ _]?size|resolution|spacing))[^:=\d]*" + THREE, re.IGNORECASE
)
ONE_SPACING = re.compile(
    rf"\s*(?:(?:voxel|pixel)[ _]?size|resolution|spacing|xyz_resolution)[^\d]*(?P<a>{NUMBER})\s*(?P<ua>[^\W\d_]*)"
    rf"|\s*(?P<b>{NUMBER})\s*(?P<ub>[^\W\d_]+)\s*(?:/|per)\s*(?:pixel|voxel|px|vx)",
    re.IGNORECASE,
)
AS_JSON = re.compile(r".*[\"']units?[\"']\s*:\s*[\"']([^\"']+)[\"']", re.IGNORECASE)
# A unit other than micrometres, as a word of a line that is not understood otherwise.
MENTIONED = re.compile(
    r"(?<![\w.])(nm|nanomet(?:er|re)s?|mm|millimet(?:er|re)s?|voxels?|pixels?|px|vx)(?!\w)", re.IGNORECASE
)
TRANSFORM = re.compile(
    r"\s*(transform(?:ation)?|matrix|affine)\s*[:=]?((?:[\s,;\[\]]+[-+\d.eE]+){9,16})", re.IGNORECASE
)
IDENTITIES = ([1, 0, 0, 0, 1, 0, 0, 0, 1], [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0], [float(k % 5 == 0) for k in range(16)])
COLUMN_UNIT = re.compile(r"x\s*[(\[_/]\s*([^\W\d_]+)\s*[)\]]?", re.IGNORECASE)
COLUMN_WORDS = re.compile(r"[,;\s]+")
HALVED = re.compile(r"\bd(?:iam(?:eter)?)?\s*/\s*2\b", re.IGNORECASE)  # of the TREES toolbox: radii
AXES = ("x", "y", "z")
PARENTS = ("p", "par", "pid", "pn")  # other names of the column "parent"


@dataclass(frozen=True, slots=True)
class Frame:
    """The conversion from the numbers of a file to those of a Tree.

    Attributes:
        unit: that of the tree; None where the header is silent.
        word: the header's own word for it.
        factor: by which x, y, z are multiplied.
        radius_factor: by which radii are.
        offset: that is added to x, y, z before, in the unit of the file.
        order: the columns (0, 1, 2) that hold x, y and z.
        notes: one sentence for each conversion or doubt, for a warning.
    """

    unit: Unit | None = None
    word: str = ""
    factor: tuple[float, float, float] = (1.0, 1.0, 1.0)
    radius_factor: float = 1.0
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    order: tuple[int, int, int] = (0, 1, 2)
    notes: tuple[str, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether the numbers are not converted."""
        return self == Frame(self.unit, self.word, notes=self.notes)


def frame_of(comments: Sequence[str]) -> Frame:
    """Return the frame that the header lines (without "#") of an SWC file state."""
    notes: list[str] = []
    unit, word, factor, radius_factor = _unit(comments, notes)
    offset, order = _offset(comments, notes), _order(comments, notes)
    radius_factor *= _diameter(comments, notes)
    _say_spacing(comments, notes, unit)
    if not notes and unit is None and not word:
        _say_mentioned(comments, notes)
    return Frame(unit, word, factor=factor, radius_factor=radius_factor, offset=offset, order=order, notes=tuple(notes))


def _unit(comments: Sequence[str], notes: list[str]) -> tuple[Unit | None, str, tuple[float, float, float], float]:
    """Return unit, its word, factors to um along x, y, z, and that of radii."""
    one = (1.0, 1.0, 1.0)
    for comment in comments:
        text, implied = _navis_units(comment) or _group(STATED, comment) or _group(AS_JSON, comment), ""
        if not text:
            text = implied = _column_unit(comment) or _group(IMPLIED, comment)
        if not text:
            continue
        parts = [_quantity(part) for part in re.split(r"\s*[,;]\s*", text.strip(" []\"'"))[:3]]
        number, name = parts[0]
        if name.casefold() in VOXEL_NAMES and number == 1.0:
            return _voxels(comments, name, notes)
        known = [UM_IN.get(part[1].casefold()) for part in parts]
        if known[0] is None and implied:
            continue  # "coordinates in atlas space"
        if known[0] is None:
            return None, name, one, 1.0
        lengths = [n * k for (n, _), k in zip(parts, known, strict=True) if k is not None]
        x, y, z = lengths if len(lengths) == 3 else [lengths[0]] * 3
        if (x, y, z) != one:
            notes.append(f"its header states units of {text.strip()!r}; they are converted to micrometres")
        return "um", name, (x, y, z), (x * y * z) ** (1 / 3)
    return None, "", one, 1.0


def _voxels(
    comments: Sequence[str], name: str, notes: list[str]
) -> tuple[Unit | None, str, tuple[float, float, float], float]:
    """Return the unit of a file in pixels: micrometres if SNT wrote how far apart they are."""
    for comment in comments:
        match = SEPARATION.match(comment)
        if match and all(float(n) > 0 for n in match.groups()) and match.groups() != ("1.0", "1.0", "1.0"):
            notes.append(
                f"its header states {name}, {', '.join(match.groups())} apart; it is read in {name}, not in um"
            )
    return "voxel", name, (1.0, 1.0, 1.0), 1.0


def column_names(comment: str) -> list[str]:
    """Return the names of the columns, in lower case, if a line names seven or more, else [].

    x, y, z and a parent are among them, and no number: prose such as "moved by x -1, y 0, z 0" names none.
    """
    words = [word.casefold() for word in COLUMN_WORDS.split(comment.strip(" #")) if word]
    bare = [re.split(r"[(\[_/]", word)[0] for word in words]
    named = (
        len(bare) >= 7
        and all(bare.count(axis) == 1 for axis in AXES)
        and not any(re.fullmatch(NUMBER, word) for word in bare)
    )
    return bare if named and any(word in PARENTS or word.startswith("parent") for word in bare) else []


def _column_unit(comment: str) -> str:
    """Return the unit that a line of column names states: x(nm), x_um, x [nm]; "" where it states none."""
    if not column_names(comment.replace(" (", "(").replace(" [", "[")):
        return ""
    match = COLUMN_UNIT.search(comment[:200])
    return match.group(1) if match and match.group(1).casefold() in UM_IN else ""


def _diameter(comments: Sequence[str], notes: list[str]) -> float:
    """Return one half if a line of column names calls the sixth column a diameter, else 1."""
    for comment in comments:
        columns = column_names(comment)
        if columns and columns[5] in ("diameter", "diam", "d") and not HALVED.search(comment):
            notes.append("its header names a column of diameters; half of them is taken for the radii")
            return 0.5
    return 1.0


def _say_spacing(comments: Sequence[str], notes: list[str], unit: Unit | None) -> None:
    """Return a note that a header states a voxel size and no unit; its points may be in voxels."""
    for comment in comments if unit is None else ():
        match = SPACING.match(comment)
        if match and any(float(n) != 1 for n in match.groups()[1:]):
            what = f"{match.group(1)} {' '.join(match.groups()[1:])}"
            notes.append(
                f"its header states {what} and no unit of its points; they are taken for micrometres, not for voxels"
            )
            return
        one = ONE_SPACING.match(comment)
        number = float(one.group("a") or one.group("b")) if one else 1.0
        if one and number != 1:
            what = one.group().strip()
            notes.append(
                f"its header states {what} and no unit of its points; they are taken for micrometres, not for voxels"
            )
            return


def _say_mentioned(comments: Sequence[str], notes: list[str]) -> None:
    """Return a note that a header mentions another unit in words that are not understood."""
    for comment in comments:
        match = MENTIONED.search(comment[:200])
        if match:
            line = one_line(comment.strip(" #"))
            text = (
                f"its header mentions {match.group(1)} ({line:.60}) and states no units; they are taken for micrometres"
            )
            notes.append(f"{text}; write `# units: {match.group(1)}` into it if it is so")
            return


def _navis_units(comment: str) -> str:
    """Return the units of the JSON that navis writes behind "Meta:", "" where there are none."""
    head, _, table = comment.partition(":")
    if head.strip().casefold() != "meta" or "units" not in table:
        return ""
    try:
        units = json.loads(table).get("units")
    except (ValueError, AttributeError, RecursionError):
        return ""
    if isinstance(units, list):
        return ", ".join(str(part) for part in units[:3])
    return str(units) if units else ""


def _group(rule: re.Pattern[str], comment: str) -> str:
    """Return the match of a rule in a line, "" if there is none."""
    match = rule.match(comment[:200])
    return next((group for group in match.groups() if group), "") if match else ""


def _quantity(text: str) -> tuple[float, str]:
    """Return number and word of "8 nanometer" (1.0 where no number stands), the word "" where there is none."""
    match = QUANTITY.match(text.strip())
    if match is None:
        return 1.0, text.strip()[:40]
    number = float(match.group(1)) if match.group(1) else 1.0
    return (number if math.isfinite(number) and number > 0 else 1.0), match.group(2)


def _offset(comments: Sequence[str], notes: list[str]) -> tuple[float, float, float]:
    """Return the offset that has to be added, and notes on everything else that would change numbers."""
    total = (0.0, 0.0, 0.0)
    for comment in comments:
        if (match := OFFSET.match(comment)) is not None:
            x, y, z = (float(n) for n in match.groups())
            if all(map(math.isfinite, (x, y, z))) and max(map(abs, (x, y, z))) < 1e12 and (x, y, z) != (0, 0, 0):
                total = (x, y, z)
                notes.append(f"its header states an OFFSET of {x:g}, {y:g}, {z:g}, which is added to the points")
            continue
        if (match := TRANSFORM.match(comment)) is not None:
            values = [float(n) for n in re.findall(NUMBER, match.group(2))]
            if values not in IDENTITIES:
                notes.append(
                    f"its header states a {match.group(1).lower()}; the points are taken as they stand, without it"
                )
            continue
        idle = ((SCALE, 1.0), (ONE_SCALE, 1.0), (SHIFT, 0.0))  # numbers that change nothing
        for rule, number in idle:
            if (match := rule.match(comment)) is not None and any(float(n) != number for n in match.groups()[1:]):
                what = f"{match.group(1).upper()} {' '.join(match.groups()[1:])}"
                notes.append(f"its header states {what}; the points are taken as they stand, without it")
    return total


def _order(comments: Sequence[str], notes: list[str]) -> tuple[int, int, int]:
    """Return the columns of x, y and z by a line that names the columns."""
    for comment in comments:
        words = column_names(comment)
        places = [words.index(axis) for axis in AXES] if words else [2, 3, 4]
        if places == [2, 3, 4]:
            continue
        if sorted(places) != [2, 3, 4]:
            usual = "id type x y z radius parent"
            notes.append(f"its header names the columns {' '.join(words[:7])}; they are read as {usual} all the same")
            return 0, 1, 2
        notes.append(f"its header names the columns {' '.join(words[2:5])}; they are read as such")
        return places[0] - 2, places[1] - 2, places[2] - 2
    return 0, 1, 2
