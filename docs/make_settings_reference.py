"""Write docs/settings.md from the settings of both stages: run `python docs/make_settings_reference.py` ("-": to stdout)."""

import dataclasses
import importlib
import inspect
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

from neurorecon.cli.options import SettingOption
from neurorecon.core.settings import as_toml
from neurorecon.segmentation import SegmentSettings
from neurorecon.tracing import TraceSettings

HEAD = """# Settings

Made from the settings of both stages by `python docs/make_settings_reference.py`; a test compares.

`run`, `segment`, `trace` and `batch` read a file of settings with `--settings FILE.toml`. It has a table for each stage,
and contains only the settings that differ from the defaults:

```toml
[segment]
core = [32, 96, 96]    # smaller tiles for a small GPU
tta = true

[trace]
confidence = 0.6       # fewer false twigs, more missed ones
reach_px = 30
soma = [[8, 20, 20.5]]
```

An option on the command line wins over the file: with the file above, `--no-tta --confidence 0.5` runs each tile once and
keeps more branches. A command uses the tables that it needs, and checks both. An unknown key, or a value of the wrong
type or out of range, is refused before the work begins. Paths in the file are relative to the folder in which the command
is run, as on the command line. A key without a default is automatic until it is given.

OUT.json contains all settings, including the defaults. A batch is refused if its settings differ from those of its
results, whether the difference comes from the file or from an option (`--overwrite` processes all stacks again).
"""

STAGES = (("segment", SegmentSettings, "run"), ("trace", TraceSettings, "run"))
"""Table, dataclass, and a command that has the options of the stage."""


def options_of(kind: type[Any], command: str) -> dict[str, str]:
    """Return the options that fill the fields of a settings dataclass."""
    found = importlib.import_module(f"neurorecon.cli.{command}").command.params
    return {
        option.fills: " ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
        for option in found
        if isinstance(option, SettingOption) and option.home.endswith(f":{kind.__name__}")
    }


def meanings_of(kind: type[Any]) -> tuple[str, dict[str, str]]:
    """Return what the docstring says before its Attributes, without the first line, and of each attribute."""
    text = inspect.getdoc(kind) or ""
    before, _, after = text.partition("Attributes:\n")
    listed = textwrap.dedent(after.partition("\nRaises:")[0])
    entries = re.findall(r"^(\w+): (.*(?:\n[ ]+.*)*)", listed, re.M)
    return before.partition("\n")[2].strip(), {name: " ".join(meaning.split()) for name, meaning in entries}


def table(name: str, kind: type[Any], command: str) -> str:
    """Return the section of a stage."""
    about, meanings = meanings_of(kind)
    options = options_of(kind, command)
    lines = [
        f"## [{name}]\n",
        *([f"{about}\n"] if about else []),
        "| key | default | option | meaning |",
        "|---|---|---|---|",
    ]
    for field in dataclasses.fields(kind):
        default = "" if field.default is None else f"`{as_toml(field.default, field.name)}`"
        meaning = meanings[field.name].replace("|", r"\|")
        lines.append(f"| `{field.name}` | {default} | {options.get(field.name, '')} | {meaning} |")
    return "\n".join(lines) + "\n"


def reference() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *(table(*stage) for stage in STAGES)])


if __name__ == "__main__":
    if sys.argv[1:] == ["-"]:
        sys.stdout.buffer.write(reference().encode())
    else:
        Path(__file__).with_name("settings.md").write_text(reference(), encoding="utf-8")
