"""Damage to bytes and texts, drawn from a seeded generator."""

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["INTEGERS", "Rng", "mutate_bytes", "mutate_json", "mutate_text", "mutate_toml", "pick"]

Rng = np.random.Generator

INTEGERS = (
    0, 1, -1, 2, 7, 127, 128, 255, 256, 32767, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**62,
    2**63, 2**64 - 1, -(2**31), -(2**63)
)  # fmt: skip
WORDS = (
    "", "nan", "inf", "-inf", "1e400", "1e-400", "0.0", "-0.5", "1_0", "0x10", "null", "true", "[]", "{}",
    "../../x", "/dev/zero", "/etc/passwd", "\u0660\u0661", "\u00b5m", "A" * 5000, "9" * 5000, "%s%n", "raw",
    "gzip", "bzip2", "ascii", "uint8", "float", "|O", "pickle"
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    *INTEGERS, None, True, False, [], {}, [[]], "", "0", "nan", "../../x", "/etc/passwd", 0.5, -0.5, 1e308,
    1e-308, float("nan"), float("inf"), "A" * 5000, [0], [1, 2, 3], [1] * 40, {"a": 1}, {"name": "pickle"},
    [{"id": "pickle"}], "|O", "uint16", "<f8", "gzip"
)  # fmt: skip
NUMBERS = (*INTEGERS, "nan", "inf", "-inf", "1e308", "1e-308", "0.0", "-0.5", "2.5", "10")
BITS = (
    "[" * 3000, "{" * 3000, '{"a":' * 2000, "<a>" * 3000, '"', "'", "\0", "\ufeff", "\x0c", "\u2028", "&a;", "<!--", "]]>",
    "<!DOCTYPE OME [<!ENTITY a 'aa'>]>", "\ud7ff", "#", ",,", "=", "\r", "\n" * 400, "9" * 5000, " -1 ",
)  # fmt: skip
HEADER_BYTES = 600  # where most damage does most


def pick(rng: Rng, choices: Any) -> Any:
    """Return one of `choices`."""
    return choices[int(rng.integers(len(choices)))]


def place(rng: Rng, length: int) -> int:
    """Return a position in something of `length`, mostly near its beginning."""
    return int(rng.integers(max(1, min(length, HEADER_BYTES) if rng.random() < 0.7 else length)))


# ---------------------------------------------------------------- bytes


def flip(rng: Rng, raw: bytearray) -> None:
    for _ in range(int(rng.integers(1, 5))):
        raw[place(rng, len(raw))] ^= 1 << int(rng.integers(8))


def overwrite(rng: Rng, raw: bytearray) -> None:
    raw[place(rng, len(raw))] = pick(rng, (0, 1, 127, 128, 254, 255, int(rng.integers(256))))


def truncate(rng: Rng, raw: bytearray) -> None:
    del raw[pick(rng, (int(rng.integers(len(raw))), place(rng, len(raw)), len(raw) - 1)) :]


def insert(rng: Rng, raw: bytearray) -> None:
    at = place(rng, len(raw))
    raw[at:at] = rng.bytes(int(pick(rng, (1, 2, 4, 17, 300))))


def delete(rng: Rng, raw: bytearray) -> None:
    at = place(rng, len(raw))
    del raw[at : at + int(pick(rng, (1, 2, 4, 17, 300)))]


def duplicate(rng: Rng, raw: bytearray) -> None:
    at, size = place(rng, len(raw)), int(pick(rng, (1, 4, 12, 64, 512)))
    raw[at:at] = raw[at : at + size] * int(pick(rng, (1, 1, 30)))


def integer(rng: Rng, raw: bytearray) -> None:
    """Write a number that breaks things over 1 to 8 bytes, in either byte order."""
    size = int(pick(rng, (1, 2, 4, 4, 8)))
    value = int(pick(rng, INTEGERS)) & ((1 << 8 * size) - 1)
    at = place(rng, len(raw)) // 2 * 2
    raw[at : at + size] = value.to_bytes(size, pick(rng, ("little", "big")))


def swap(rng: Rng, raw: bytearray) -> None:
    """Exchange two fields of one size: 2, 4, 8 or 12 bytes (an entry of a TIFF directory)."""
    size = int(pick(rng, (2, 4, 8, 12)))
    a, b = (place(rng, len(raw)) // 2 * 2 for _ in range(2))
    raw[a : a + size], raw[b : b + size] = raw[b : b + size], raw[a : a + size]


BYTES: tuple[Callable[[Rng, bytearray], None], ...] = (
    flip, overwrite, truncate, insert, delete, duplicate, integer, integer, swap,
)  # fmt: skip


def mutate_bytes(rng: Rng, content: bytes) -> bytes:
    """Return bytes with one to three pieces of damage."""
    raw = bytearray(content)
    for _ in range(int(pick(rng, (1, 1, 2, 3)))):
        if raw:
            pick(rng, BYTES)(rng, raw)
    return bytes(raw)


# ---------------------------------------------------------------- texts


def number(rng: Rng, text: str) -> str:
    """Replace a number, or what stands between quotes, by something that breaks things."""
    found = list(re.finditer(r'-?\d+(?:\.\d+)?(?:[eE]-?\d+)?|(?<=")[^"\n]*(?=")', text))
    if not found:
        return text
    match = pick(rng, found)
    digits = match.group()[:1] in "-0123456789" and rng.random() < 0.7
    return text[: match.start()] + str(pick(rng, NUMBERS if digits else INTEGERS + WORDS)) + text[match.end() :]


def lines_of(rng: Rng, text: str) -> str:
    """Drop, double, exchange or move lines (or elements, where a text is one line)."""
    parts = re.split(r"(?<=\n)", text) if text.count("\n") > 2 else re.split(r"(?<=[>,])", text)
    a, b = int(rng.integers(len(parts))), int(rng.integers(len(parts)))
    kind = int(rng.integers(4))
    if kind == 0:
        del parts[a]
    elif kind == 1:
        parts[a:a] = parts[a : a + 1] * int(pick(rng, (1, 2, 200)))
    elif kind == 2:
        parts[a], parts[b] = parts[b], parts[a]
    else:
        parts.insert(b, parts.pop(a))
    return "".join(parts)


def fields(rng: Rng, text: str) -> str:
    """Exchange two words."""
    words = re.split(r"([\s,:=]+)", text)
    a, b = (int(rng.integers(len(words))) // 2 * 2 for _ in range(2))
    words[a], words[b] = words[b], words[a]
    return "".join(words)


def stuff(rng: Rng, text: str) -> str:
    """Insert what parsers stumble over: brackets without end, quotes, entities, control characters."""
    at = place(rng, len(text) + 1)
    return text[:at] + pick(rng, BITS) + text[at:]


def cut(rng: Rng, text: str) -> str:
    a = place(rng, len(text) + 1)
    return text[:a] if rng.random() < 0.5 else text[:a] + text[a + int(pick(rng, (1, 3, 20))) :]


TEXTS: tuple[Callable[[Rng, str], str], ...] = (number, number, number, lines_of, fields, stuff, cut)


def mutate_text(rng: Rng, content: bytes) -> bytes:
    """Return a text with one or two pieces of damage; sometimes its bytes are damaged instead."""
    if rng.random() < 0.15:
        return mutate_bytes(rng, content)
    text = content.decode("utf-8", "replace")
    for _ in range(int(pick(rng, (1, 1, 2)))):
        text = pick(rng, TEXTS)(rng, text)
    return text.encode("utf-8", "replace")


def nodes(value: Any) -> list[tuple[Any, Any]]:
    """Return every (table or list, key) of a JSON value."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [(value, key) for key in keys] + [node for key in keys for node in nodes(value[key])]


def mutate_json(rng: Rng, content: bytes) -> bytes:
    """Return JSON that parses, with a value replaced, exchanged, dropped or put one level deeper."""
    table = json.loads(content)
    found = nodes(table)
    if not found or rng.random() < 0.3:
        return mutate_text(rng, content)
    holder, key = pick(rng, found)
    kind = int(rng.integers(6))
    if kind == 0:
        del holder[key]
    elif kind == 1:
        other, at = pick(rng, found)
        holder[key], other[at] = json.loads(json.dumps(other[at])), json.loads(json.dumps(holder[key]))
    elif kind == 2:
        holder[key] = [holder[key]]
    else:
        holder[key] = pick(rng, VALUES)
    return json.dumps(table).encode()


def mutate_toml(rng: Rng, content: bytes) -> bytes:
    """Return TOML, mostly such that parses, with one or two values replaced."""
    if rng.random() < 0.3:
        return mutate_text(rng, content)
    lines = content.decode().splitlines()
    for _ in range(int(pick(rng, (1, 1, 2)))):
        at = pick(rng, [k for k, line in enumerate(lines) if "=" in line])
        key, _, value = lines[at].partition("=")
        if rng.random() < 0.6 and re.search(r"\d", value):
            lines[at] = key + "=" + number(rng, value)
        else:
            lines[at] = f"{key}= {json.dumps(pick(rng, VALUES)).replace('NaN', 'nan').replace('Infinity', 'inf')}"
    return "\n".join([*lines, ""]).encode()
