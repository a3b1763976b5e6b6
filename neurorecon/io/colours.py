"""Pictures in colour whose colours are a scale of one brightness: a colour map was laid over a grey stack."""

import numpy as np

from neurorecon.core.findings import StackFinding
from neurorecon.io.header import OpenedFile

__all__ = ["colour_findings"]

# Facts of 8 bits, or limits set by hand; not tuned.
MAPPED, FEWEST = 256, 32  # colours of a map at most, and at least: fewer are a drawing
SAMPLES = 3  # red, green and blue
RISING = (
    0.98  # of the steps from one colour to the next brighter one, by the sum, do not fall in a channel of a plain tint
)


def colour_findings(opened: OpenedFile, time: int) -> tuple[StackFinding, ...]:
    """Return a finding if the colours of a picture of 8 bits follow a map that is no plain tint; the middle plane is looked at.

    Of two stains the colours fill a plane of all colours; of one stain behind a map (fire, jet, depth) they are a line in it.
    """
    layout = opened.layout
    if layout.length("S") < SAMPLES or opened.dtype != np.uint8 or opened.lazy:
        return ()
    z = layout.length("Z") // 2
    first = [np.asarray(opened.load(layout.volume(sample, time))[z]) for sample in range(SAMPLES)]
    colours = np.unique(np.stack([plane.ravel() for plane in first], axis=1).astype(np.int16), axis=0)
    if not FEWEST <= len(colours) <= MAPPED:
        return ()
    ordered = colours[np.argsort(colours.sum(1), kind="stable")]
    steps = np.diff(ordered, axis=0)
    shown = [sample for sample in range(SAMPLES) if np.ptp(ordered[:, sample]) > 0]
    rising = all((steps[:, sample] >= 0).mean() >= RISING for sample in shown)
    fine = max(len(np.unique(ordered[:, sample])) for sample in shown) > len(ordered) / 2  # of orange only red is
    if rising and fine:
        return ()
    text = (
        f"its {len(colours)} colours are the steps of a colour map, which no channel of red, green or blue gives back"
    )
    way_out = "give the grey stack, as it was before the map (Fiji: Image > Lookup Tables > Grays, before RGB Color)"
    return (StackFinding("palette", "warning", text, way_out),)
