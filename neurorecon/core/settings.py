"""Settings dataclasses from TOML and to TOML: unknown keys and wrong types are errors that name the way out."""

import dataclasses
import difflib
import hashlib
import json
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from neurorecon.core.errors import InputError, SettingsError
from neurorecon.core.files import check_regular

__all__ = ["as_dict", "as_toml", "from_dict", "from_toml", "read_toml", "settings_hash", "to_toml"]

T = TypeVar("T")

# By definition of TOML.
TOML_LIMIT = 1 << 63  # of a whole number: 64 bits with a sign
KINDS = {float: "a number", int: "a whole number", bool: "true or false", str: "a text", Path: "a path"}


def read_toml(path: Path) -> dict[str, Any]:
    """Return the table that a TOML file holds.

    Raises:
        SettingsError: if the file is missing, or is not TOML.
        InputError: if it is no regular file.
    """
    check_regular(path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: no such file; give a TOML file of settings") from error
    except RecursionError as error:
        raise SettingsError(f"{path}: cannot be read as TOML: its lists or tables are nested too deep") from error
    except (OSError, ValueError) as error:  # tomllib leaves numbers of too many digits to int, which raises ValueError
        raise SettingsError(f"{path}: cannot be read as TOML: {error}") from error


def from_toml(kind: type[T], path: Path) -> T:
    """Read a settings dataclass from a TOML file; a table fills a nested dataclass of that name.

    Raises:
        SettingsError: if the file is missing, is not TOML, names an unknown key or holds a value of the wrong type.
    """
    return from_dict(kind, read_toml(path), where=str(path))


def from_dict(kind: type[T], table: Mapping[str, Any], *, where: str = "settings") -> T:
    """Make a settings dataclass of type `kind` from a mapping; `where` opens every message.

    Raises:
        SettingsError: names the key, its fault, and the nearest right key.
        InputError: if the class itself refuses a value so.
    """
    hints = typing.get_type_hints(kind)
    names = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]  # kind is a dataclass
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in names:
            raise SettingsError(f"{where}: unknown key {_shown(key)}; {_near(key, names, hints)}")
        values[key] = _value(hints[key], value, f"{where}: {key}")
    try:
        return kind(**values)
    except TypeError as error:  # a key without default is missing
        raise SettingsError(f"{where}: {error}") from error
    except InputError as error:  # the check of the class itself, which does not know the file
        raise type(error)(f"{where}: {error}") from error


def _near(key: str, names: list[str], hints: Mapping[str, Any]) -> str:
    """Return the way out of an unknown key: a similar key, the table that it belongs to, or all keys."""
    for name in names:
        inner = hints[name]
        if dataclasses.is_dataclass(inner) and key in {f.name for f in dataclasses.fields(inner)}:
            return f"it belongs into the table [{name}]"
    near = difflib.get_close_matches(key, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(names)}"


def _value(hint: Any, value: Any, where: str) -> Any:
    """Return `value` as the annotated type, or raise SettingsError."""
    if dataclasses.is_dataclass(hint):
        return _nested(typing.cast(type[Any], hint), value, where)
    _check_whole(value, where)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        if value in arguments:
            return value
        raise SettingsError(f"{where} is {_shown(value)}; one of {', '.join(map(repr, arguments))} is needed")
    if origin is tuple:
        return _values(arguments, value, where)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _value(next(a for a in arguments if a is not type(None)), value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if (isinstance(value, bool) and hint is not bool) or not isinstance(value, hint):
        raise SettingsError(f"{where} is {_shown(value)}; {KINDS.get(hint, hint.__name__)} is needed")
    return value


def _nested(kind: type[T], value: Any, where: str) -> T:
    """Return a table, or a dataclass already made of one, as a settings dataclass, or raise SettingsError."""
    if isinstance(value, kind):
        return value
    if isinstance(value, Mapping):
        return from_dict(kind, value, where=where)
    raise SettingsError(f"{where} is {_shown(value)}; a table of settings is needed")


def _check_whole(value: Any, where: str) -> None:
    """Raise SettingsError for a whole number that is larger than TOML has them."""
    if isinstance(value, int) and not -TOML_LIMIT <= value < TOML_LIMIT:
        raise SettingsError(f"{where} is {_shown(value)}; TOML has whole numbers of 64 bits")


def _shown(value: Any) -> str:
    """Return a value as a message shows it, cut to the length of a line."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of more than 4300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 120 else f"{text[:100]}..."


def _values(hints: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    """Return `value` as a tuple of the annotated types, or raise SettingsError."""
    endless = hints[-1] is Ellipsis
    if not isinstance(value, list | tuple) or not (endless or len(hints) == len(value)):
        raise SettingsError(f"{where} is {_shown(value)}; a list of {len(hints)} values is needed")
    inner = [hints[0]] * len(value) if endless else list(hints)
    return tuple(_value(h, v, where) for h, v in zip(inner, value, strict=True))


def to_toml(settings: Any) -> str:
    """Return a settings dataclass as TOML that `from_toml` reads as an equal one; a nested one becomes a table of its name.

    None is left out, because TOML has no null.

    Raises:
        SettingsError: if a value has no form in TOML: half of a surrogate pair in a text, say.
    """
    return "\n".join(_lines(settings, "")) + "\n"


def _lines(settings: Any, table: str) -> list[str]:
    """Return the lines of a table, its own keys before the tables in it."""
    values = {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)}
    plain = {name: value for name, value in values.items() if value is not None and not dataclasses.is_dataclass(value)}
    lines = [f"{name} = {as_toml(value, name)}" for name, value in plain.items()]
    for name, value in values.items():
        if dataclasses.is_dataclass(value):
            lines += ["", f"[{table}{name}]", *_lines(value, f"{table}{name}.")]
    return lines


def as_toml(value: Any, name: str) -> str:
    """Return a value as TOML writes it; `name` is its key.

    Raises:
        SettingsError: if it has no form in TOML.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, list | tuple):
        return f"[{', '.join(as_toml(item, name) for item in value)}]"
    if isinstance(value, str | Path):
        text = json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")  # the escapes of JSON are TOML's
        if text.isprintable() or text.encode("utf-8", "replace").decode() == text:
            return text
    raise SettingsError(f"{name} is {_shown(value)}, which TOML cannot hold")


def as_dict(settings: Any) -> dict[str, Any]:
    """Return a settings dataclass as plain JSON values, keys sorted by field order."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(settings), default=str))
    return plain


def settings_hash(settings: Any) -> str:
    """Return a sha256 hex digest that changes whenever a value of the settings dataclass does."""
    text = json.dumps(as_dict(settings), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
