"""Natural order of names: plane2 before plane10."""

import re

__all__ = ["natural_key"]


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Return a sort key by which runs of digits compare as numbers; equal keys are settled by the name itself."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if i % 2 else (1, 0, part) for i, part in enumerate(parts)], name
