"""Draw docs/pictures/steps.svg, the steps from a stack to a tree: `python docs/make_steps.py`."""

from pathlib import Path
from xml.sax.saxutils import escape

ROWS = (  # title of a row, colour, its boxes: (name, what it does)
    ("the network", "#2f6fab", (
        ("grey levels", "background 0, bright 1"),
        ("voxels", "add planes, join voxels"),
        ("tiles", "3D ViT and convolutions"),
        ("calibration", "0.5 means one half"),
    )),
    ("the lines", "#2c8a5a", (
        ("foreground", "hysteresis threshold"),
        ("cost, soma", "depth, evidence"),
        ("shortest paths", "from the soma"),
        ("growing", "centre lines, TEASAR"),
    )),
    ("the neuron", "#a86a1c", (
        ("bridging", "gaps, long gaps"),
        ("touching", "crossings, neurons"),
        ("pruning", "spurs, tails, pieces"),
        ("confidence", "cut the doubtful"),
    )),
    ("the file", "#8a4a86", (
        ("root", "in the cell body"),
        ("smoothing", "line, branch points"),
        ("radius", "distance to the rim"),
        ("checks", "review list, F1"),
    )),
)  # fmt: skip
ENDS = ("stack", "probability", "skeleton", "tree", "SWC")  # what enters each row, and what leaves the last one
LEFT, WIDE, HIGH, GAP, STEP = 150, 150, 52, 26, 92  # pixels: edge of the boxes, a box, space between boxes, a row


def text(x: float, y: float, words: str, *, size: int, colour: str, anchor: str = "middle", bold: bool = False) -> str:
    """Return a line of text."""
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"{weight}>{escape(words)}</text>'


def arrow(points: str) -> str:
    """Return a line with a head at its end."""
    return f'<polyline points="{points}" fill="none" stroke="#777" stroke-width="1.6" marker-end="url(#head)"/>'


def drawing() -> str:
    """Return the drawing as SVG."""
    width = LEFT + 4 * WIDE + 3 * GAP + 20
    parts = []
    for k, (title, colour, boxes) in enumerate(ROWS):
        top = 40 + k * STEP
        middle = top + HIGH / 2
        parts.append(text(12, middle + 5, title, size=15, colour=colour, anchor="start", bold=True))
        for n, (name, what) in enumerate(boxes):
            x = LEFT + n * (WIDE + GAP)
            parts.append(f'<rect x="{x}" y="{top}" width="{WIDE}" height="{HIGH}" rx="7" fill="{colour}"/>')
            parts.append(text(x + WIDE / 2, top + 22, name, size=14, colour="#fff", bold=True))
            parts.append(text(x + WIDE / 2, top + 40, what, size=12, colour="#fff"))
            if n:
                parts.append(arrow(f"{x - GAP + 2},{middle} {x - 4},{middle}"))
        first, last, end = LEFT + WIDE / 2, LEFT + 3 * (WIDE + GAP) + WIDE / 2, top + HIGH
        if k + 1 < len(ROWS):
            half = end + (STEP - HIGH) / 2
            parts.append(arrow(f"{last},{end} {last},{half} {first},{half} {first},{end + STEP - HIGH - 4}"))
            parts.append(text((first + last) / 2, half - 5, ENDS[k + 1], size=13, colour="#555"))
    parts.append(arrow(f"{LEFT + WIDE / 2},18 {LEFT + WIDE / 2},36"))
    parts.append(text(LEFT + WIDE / 2 + 12, 28, ENDS[0], size=13, colour="#555", anchor="start"))
    bottom = 40 + 3 * STEP + HIGH
    parts.append(arrow(f"{last},{bottom} {last},{bottom + 24}"))
    parts.append(text(last - 12, bottom + 20, ENDS[-1], size=13, colour="#555", anchor="end"))
    head = '<defs><marker id="head" markerWidth="8" markerHeight="8" refX="6" refY="4" orient="auto">'
    head += '<path d="M0,0 L8,4 L0,8 z" fill="#777"/></marker></defs>'
    body = "\n".join([head, f'<rect width="{width}" height="{bottom + 34}" fill="#fff"/>', *parts])
    size = f'width="{width}" height="{bottom + 34}" viewBox="0 0 {width} {bottom + 34}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">\n{body}\n</svg>\n'


if __name__ == "__main__":
    place = Path(__file__).resolve().parent / "pictures" / "steps.svg"
    place.write_text(drawing(), encoding="utf-8")
