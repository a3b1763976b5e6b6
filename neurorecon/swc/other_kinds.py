"""Files of other kinds under the name of an SWC, and trees whose size is impossible in the unit that they are read in."""

import re

import numpy as np

from neurorecon.core.tree import Unit
from neurorecon.swc.structure import Floats

__all__ = ["foreign_kind", "odd_size"]

# First characters -> kind of a text, and the way out.
KINDS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"\s*<(!doctype\s+html|html)", re.IGNORECASE),
        "is a page of the web, not the file; download it again",
    ),
    (
        re.compile(r"\s*<"),
        "is XML (Neurolucida, KNOSSOS, webKnossos, SNT, NeuroML?); export the tracing as SWC from its program, or by navis",
    ),
    (
        re.compile(r"\s*[{\[]"),
        "is JSON (MouseLight, Neuroglancer?); convert it to SWC, in Python by navis",
    ),
    (
        re.compile(r"(\s*;[^\n]*\n)*\s*\(", re.IGNORECASE),
        "is a Neurolucida ASC; convert it to SWC, in Python by morphio or navis",
    ),
)
# Limits set by hand; not tuned. 338 trees of neurons, by hand and by programs, reach over 14 to 1,645 um, and have a
# median radius of 0.4 to 5 um.
FEWEST = 10  # nodes: fewer may be a soma alone
WIDEST_UM = 50_000.0  # a neuron of a mouse brain reaches over 15,000
NARROWEST_UM = 1.0  # a soma alone is wider
THICKEST_UM = 20.0  # the median radius


def foreign_kind(text: str) -> str:
    """Return what a text is in place of an SWC, and the way out; "" where it may be one."""
    return next((kind for start, kind in KINDS if start.match(text)), "")


def odd_size(xyz: Floats, radius: Floats, unit: Unit | None) -> str:
    """Return a note if points (N, 3) and radii (N,) of a tree are those of no neuron in micrometres, else ""."""
    if unit == "voxel" or len(xyz) < FEWEST:
        return ""
    extent = float(np.ptp(xyz, axis=0).max())
    measured = radius[radius > 0]
    thick = float(np.median(measured)) if len(measured) else 0.0
    if extent > WIDEST_UM or thick > THICKEST_UM:
        size = f"reaches over {extent:.4g} um, with a median radius of {thick:.3g} um"
        return f"{size}: too large for neurons; if it is in nanometres, write `# units: nm` into its header"
    if extent < NARROWEST_UM:
        size = f"reaches over {extent:.3g} um only"
        return f"{size}: too small for a neuron; if it is in millimetres, write `# units: mm` into its header"
    return ""
