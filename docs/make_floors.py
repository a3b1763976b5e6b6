"""Draw docs/pictures/floors.svg from the contract in setup.cfg: run `python docs/make_floors.py` ("-": to stdout)."""

import ast
import configparser
import sys
import textwrap
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WIDTH, EDGE, GAP = 1000, 24, 10  # px: of the picture, around it, between rooms
HEAD, LINE, PADDING = 62, 15, 12  # px: of the heading, of a line of text, within a room
LETTER = 6.1  # px: of a letter of the small text, on average
COLOURS = ("#f3e9dc", "#e6efe9", "#e3ebf3", "#efe6f0", "#eef0dc", "#f3e3e0")

HEADING = "Who may import whom: a room knows the rooms below its own floor, and none beside it"
DATA = "data: io > Stack > {segment} (nets) > Probability > {trace} > Tree > swc, report"


def floors() -> list[list[str]]:
    """Return the rooms of each floor, the highest first, as `lint-imports` checks them."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["importlinter:contract:layers"]["layers"].split("\n")
    return [[room.strip() for room in line.split("|")] for line in lines if line.strip()]


def about(room: str) -> str:
    """Return the first sentence of a room's docstring."""
    package = ROOT / "neurorecon" / room
    source = package / "__init__.py" if package.is_dir() else package.with_suffix(".py")
    text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return text.split("\n\n")[0].replace("\n", " ").replace("`", "").removesuffix(".")


def drawing() -> str:
    """Return the picture as SVG."""
    parts, top = [], HEAD
    for number, rooms in enumerate(floors()):
        width = (WIDTH - 2 * EDGE - GAP * (len(rooms) - 1)) / len(rooms)
        texts = [textwrap.wrap(about(room), int((width - 2 * PADDING) / LETTER)) for room in rooms]
        height = 2 * PADDING + LINE * (1 + max(map(len, texts)))
        for k, (room, text) in enumerate(zip(rooms, texts, strict=True)):
            left = EDGE + k * (width + GAP)
            parts.append(
                f'<rect x="{left:.0f}" y="{top}" width="{width:.0f}" height="{height}" rx="6" '
                f'fill="{COLOURS[number % len(COLOURS)]}" stroke="#8a8378"/>'
            )
            lines = [f'<tspan class="room">{escape(room)}</tspan>', *map(escape, text)]
            for row, line in enumerate(lines, start=1):
                parts.append(f'<text x="{left + PADDING:.0f}" y="{top + PADDING + row * LINE - 3}">{line}</text>')
        top += height + GAP
    names = {room for floor in floors() for room in floor}
    words = {"segment": "segmentation", "trace": "tracing"}
    data = DATA.format(**{word: new if new in names else word for word, new in words.items()})
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top + 34}" viewBox="0 0 {WIDTH} {top + 34}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="12" fill="#2b2822">',
        "<style>.room { font-weight: bold; font-size: 14px } .head { font-weight: bold; font-size: 16px }</style>",
        f'<rect width="{WIDTH}" height="{top + 34}" fill="#ffffff"/>',
        f'<text class="head" x="{EDGE}" y="38">{escape(HEADING)}</text>',
    ]
    return "\n".join([*head, *parts, f'<text x="{EDGE}" y="{top + 14}">{escape(data)}</text>', "</svg>", ""])


if __name__ == "__main__":
    if sys.argv[1:] == ["-"]:
        sys.stdout.buffer.write(drawing().encode())
    else:
        Path(__file__).with_name("pictures").joinpath("floors.svg").write_text(drawing(), encoding="utf-8")
