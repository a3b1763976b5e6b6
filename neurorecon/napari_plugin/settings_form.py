"""The settings of a stage as fields of a form: names, help, defaults, and the way from texts back to settings."""

import dataclasses
import inspect
import re
import textwrap
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from neurorecon.core.errors import SettingsError
from neurorecon.core.settings import as_toml, from_dict

__all__ = ["AUTOMATIC", "FormField", "fields_of", "settings_of"]

S = TypeVar("S")

AUTOMATIC = "automatic"  # shown in an empty field whose default is None


@dataclass(frozen=True, slots=True)
class FormField:
    """A field of the form.

    Attributes:
        name: of the setting.
        help: what it means, one paragraph.
        kind: "switch", "choice" or "text".
        default: as the form shows it.
        choices: of a choice.
    """

    name: str
    help: str
    kind: Literal["switch", "choice", "text"]
    default: str
    choices: tuple[str, ...] = ()


def fields_of(kind: type[Any]) -> list[FormField]:
    """Return a field for each setting of a dataclass of settings, in their order; its docstring has the help."""
    hints, meanings = typing.get_type_hints(kind), _meanings(kind)
    return [_field(one, hints[one.name], meanings.get(one.name, "")) for one in dataclasses.fields(kind)]


def settings_of(kind: type[S], texts: Mapping[str, str]) -> S:
    """Return settings from the texts of a form; an empty one, or one that is not there, is the default.

    Raises:
        SettingsError: names the setting, and what is wrong with it.
    """
    hints = typing.get_type_hints(kind)
    given = {name: text.strip() for name, text in texts.items() if text.strip() not in ("", AUTOMATIC)}
    return from_dict(kind, {name: _value(name, text, hints.get(name)) for name, text in given.items()})


def _field(one: "dataclasses.Field[Any]", hint: Any, meaning: str) -> FormField:
    """Return the field of one setting."""
    choices = _choices(hint)
    default = _shown(one.default, one.name)
    if hint is bool:
        return FormField(one.name, meaning, "switch", default)
    if choices:
        return FormField(one.name, meaning, "choice", default or AUTOMATIC, choices)
    return FormField(one.name, meaning, "text", default)


def _choices(hint: Any) -> tuple[str, ...]:
    """Return the words that a setting may have, "automatic" for None; empty where it is free."""
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    words = [word for option in options if typing.get_origin(option) is Literal for word in typing.get_args(option)]
    return tuple([AUTOMATIC, *words] if words and type(None) in options else words)


def _shown(default: Any, name: str) -> str:
    """Return a default as the form shows it: "48, 96, 96", "0.4", "" for None."""
    if default is None or default == ():
        return ""
    return default if isinstance(default, str) else as_toml(default, name).strip("[]")


def _value(name: str, text: str, hint: Any) -> Any:
    """Return the value that a text of the form stands for."""
    if hint is str or _choices(hint):
        return text
    if typing.get_origin(hint) is tuple and not text.startswith("["):
        text = f"[{text}]"
    if typing.get_args(hint)[-1:] == (Ellipsis,) and not text.startswith("[["):
        text = f"[{text}]"  # one point in a list of points
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError as error:
        raise SettingsError(f"settings: {name} is {text!r:.60}; a number is needed, or numbers with commas") from error


def _meanings(kind: type[Any]) -> dict[str, str]:
    """Return the description of each attribute in the docstring of a dataclass."""
    listed = textwrap.dedent((inspect.getdoc(kind) or "").partition("Attributes:\n")[2].partition("\nRaises:")[0])
    entries = re.findall(r"^(\w+): (.*(?:\n[ ]+.*)*)", listed, re.M)
    return {name: " ".join(meaning.split()) for name, meaning in entries}
