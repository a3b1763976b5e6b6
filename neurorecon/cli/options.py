"""Options that several commands share; defaults are read from the settings dataclasses, their only home."""

import dataclasses
import functools
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from neurorecon.core.geometry import VoxelSize

__all__ = [
    "SettingOption",
    "StackPath",
    "block_option",
    "input_argument",
    "output_option",
    "overwrite_option",
    "segment_options",
    "settings_option",
    "several_stack_options",
    "stack_options",
    "strict_option",
    "trace_options",
    "voxel_size_given",
]

F = TypeVar("F", bound=Callable[..., Any])

SEGMENT, TRACE = "neurorecon.segmentation:SegmentSettings", "neurorecon.tracing:TraceSettings"
FILE = "neurorecon.settings"  # key of the context for what --settings holds


def _settings_class(home: str) -> Any:
    """Return the settings dataclass that "module:Name" names."""
    module, name = home.split(":")
    return getattr(importlib.import_module(module), name)


class SettingOption(click.Option):
    """An option that fills the field of a settings dataclass, and shows that field's default in the help.

    Args:
        home: "module:Name" of the dataclass.
        fills: the field, where it has another name than the option. The help may name any field: "{spur_px:g}".
    """

    def __init__(self, *args: Any, home: str, fills: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.home = home
        self.fills = fills or str(self.name)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the option's line of the help, with the default of its field."""
        record = super().get_help_record(ctx)
        if record is None:
            return None
        defaults = {f.name: _shown(f.default) for f in dataclasses.fields(_settings_class(self.home))}
        named, default = f"{{{self.fills}" in record[1], defaults[self.fills]
        text = record[1].format(**defaults)
        if named or default is None or default is False or default == "":
            return record[0], text
        if default is True:  # of two options the one that is meant
            default = self.opts[0].lstrip("-")
        return record[0], f"{text}  [default: {f'{default:g}' if isinstance(default, float) else default}]"


def _shown(default: Any) -> Any:
    """Return a default as an option takes it: a tuple as "Z,Y,X"."""
    return ",".join(map(str, default)) if isinstance(default, tuple) else default


def _fills(home: str, into: str, *options: Callable[[F], F]) -> Callable[[F], F]:
    """Return a decorator that adds `options` and hands the command their values as settings, by the name `into`.

    An option that was not given leaves the field as the file of --settings has it, else at its default. Of that file the table
    counts that has the first word of `into` for its name.
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            ctx = click.get_current_context()
            values = {name: kwargs.pop(name) for name in names}
            given = {name: v for name, v in values.items() if ctx.get_parameter_source(name) != ParameterSource.DEFAULT}
            whole = ctx.meta.get(FILE)
            filed = _settings_class(home)() if whole is None else getattr(whole, into.partition("_")[0])
            kwargs[into] = dataclasses.replace(filed, **given)
            return function(*args, **kwargs)

        before = len(getattr(function, "__click_params__", []))
        command: Any = wrapper
        for option in reversed(options):
            command = option(command)
        names = [parameter.name for parameter in command.__click_params__[before:]]
        return command  # type: ignore[no-any-return]

    return decorate


def voxel_size_given(ctx: click.Context, parameter: click.Parameter, text: str | None) -> "VoxelSize | None":
    """Return the value of --voxel-size; a callback of click."""
    from neurorecon.core.geometry import VoxelSize

    return None if text is None else VoxelSize.parse(text)


def _soma(
    ctx: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> tuple[tuple[float, float, float], ...]:
    from neurorecon.core.geometry import parse_zyx

    return tuple(parse_zyx(text, what="--soma") for text in texts)


_segment_option = functools.partial(click.option, cls=SettingOption, home=SEGMENT)
_trace_option = functools.partial(click.option, cls=SettingOption, home=TRACE)

segment_options = _fills(
    SEGMENT,
    "segment_settings",
    _segment_option(
        "--model", metavar="NAME|DIR", help="The network, by its name (see `neurorecon models list`) or its folder."
    ),
    _segment_option(
        "--device",
        metavar="auto|cpu|cuda[:N]|mps",
        help="Device of the network; a GPU with little memory gets smaller tiles.",
    ),
    _segment_option(
        "--precision",
        type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
        help="Arithmetic of the network; auto takes the fastest one that the device supports well.",
    ),
    _segment_option(
        "--fit-voxels/--given-voxels",
        default=None,
        help="Fit the voxels to the network, or take them as given. Fitting interpolates planes where neurites look flat (only "
        "if the voxel size is known), and averages voxels where neurites are thick.",
    ),
    _segment_option(
        "--skip-dark/--no-skip-dark",
        default=None,
        help="Skip tiles without anything long above the noise: faster on large volumes that are mostly empty, but very faint "
        "neurites are missed.",
    ),
    _segment_option(
        "--tta/--no-tta",
        default=None,
        help="Test-time augmentation: average over all 8 mirror images of each tile. The network takes 8 times as long.",
    ),
)
"""Adds --model, --device, --precision, --fit-voxels, --skip-dark and --tta.

The command gets `segment_settings: SegmentSettings`.
"""

trace_options = _fills(
    TRACE,
    "trace_settings",
    _trace_option(
        "--soma",
        multiple=True,
        metavar="Z,Y,X",
        callback=_soma,
        help="Centre of a soma in voxels; repeat it for several neurons. Default: found automatically.",
    ),
    _trace_option(
        "--threshold",
        type=float,
        metavar="P",
        help="Probability (0 to 1) from which a voxel counts as neurite. Default: 0.7 in the map of a network, else 0.5.",
    ),
    _trace_option(
        "--min-length",
        type=float,
        metavar="LENGTH",
        help="Shortest end branch that is kept, in the unit of the output. Default: {spur_px:g} pixels, or the radius of its "
        "parent neurite if that is more.",
    ),
    _trace_option(
        "--confidence",
        type=float,
        metavar="P",
        help="Remove branches with a lower confidence than this (0 to 1); 0 keeps all.",
    ),
    _trace_option(
        "--fragments",
        type=float,
        metavar="LENGTH",
        help="Shortest separate piece that is kept, in the unit of the output; --confidence applies as well. Default: at least "
        "30 pixels and a quarter of a whole neuron.",
    ),
    _trace_option(
        "--spines/--no-spines",
        default=None,
        help="Keep spines and boutons as branches, unless --confidence removes them. Without this option, side branches of "
        "less than 1.5 um are removed if the voxel size is known and --min-length is not given.",
    ),
    _trace_option(
        "--units",
        type=click.Choice(["um", "voxel"]),
        help="Unit of the SWC. Default: um if the voxel size is known, else voxel.",
    ),
    _trace_option(
        "--missing",
        type=float,
        metavar="P",
        help="Put into the review list as well where a neurite may go on that the tree lacks, with at least this confidence "
        "(0 to 1; 0.05 is good). Takes as long as the tracing once more: see docs/review.md.",
    ),
    _trace_option(
        "--kinds/--no-kinds",
        default=None,
        help="Tell axon (type 2), dendrite (3) and apical dendrite (4) apart, where that is 0.9 certain. For neurons of "
        "vertebrates, and only if the voxel size is known: see docs/kinds.md.",
    ),
)
"""Adds --soma, --threshold, --min-length, --confidence, --fragments, --spines, --units, --missing and --kinds.

The command gets `trace_settings: TraceSettings`.
"""


def _settings_file(ctx: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    """Read the file of --settings, and keep it for `_fills`."""
    if path is not None:
        from neurorecon.core.settings import from_toml
        from neurorecon.pipeline import ReconstructSettings

        ctx.meta[FILE] = from_toml(ReconstructSettings, path)


settings_option = click.option(
    "--settings",
    metavar="FILE.toml",
    type=click.Path(path_type=Path),
    expose_value=False,
    callback=_settings_file,
    help="Settings of both stages, in the tables [segment] and [trace]: see docs/settings.md. Options win over the file.",
)
"""Adds --settings, for what `segment_options` and `trace_options` give; the command gets no argument."""

overwrite_option = click.option("--overwrite", is_flag=True, help="Replace existing outputs.")
"""Adds --overwrite; the command gets `overwrite: bool`."""


strict_option = click.option(
    "--strict", is_flag=True, help="Refuse an input that causes a warning (see `neurorecon doctor STACK`)."
)
"""Adds --strict; the command gets `strict: bool`."""


class _Number(click.IntRange):
    """A number from 0, or "all" where that is taken."""

    def __init__(self, *, all_too: bool) -> None:
        super().__init__(min=0)
        self.all_too = all_too

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or "all"."""
        if value != "all":
            return super().convert(value, param, ctx)
        if self.all_too:
            return value
        return self.fail("'all' is for `neurorecon run` and `neurorecon batch`; give a number", param, ctx)


def stack_options(function: F) -> F:
    """Add --voxel-size, --channel, --time and --invert.

    The command gets `voxel_size: VoxelSize | None`, `channel: int | None`, `time: int | None` and `invert: bool | None`.
    """
    return _stack_options(function, all_too=False)


def several_stack_options(function: F) -> F:
    """Add the same as `stack_options`, where --channel and --time may be "all" as well."""
    return _stack_options(function, all_too=True)


def _stack_options(function: F, *, all_too: bool) -> F:
    number, metavar = _Number(all_too=all_too), "N|all" if all_too else "N"
    every = "; all makes one tree for each: OUT_{} and so on" if all_too else ""
    function = click.option(
        "--invert/--no-invert",
        default=None,
        help="Neurites are dark on a bright ground, or bright as stored. Default: as the file says; a stack that looks "
        "inverted is refused.",
    )(function)
    function = click.option(
        "--time",
        type=number,
        metavar=metavar,
        help=f"The time point to read, from 0; needed for a time series{every.format('t000.swc')}.",
    )(function)
    function = click.option(
        "--channel",
        type=number,
        metavar=metavar,
        help=f"The channel to read, from 0; needed if there are several{every.format('c0.swc')}.",
    )(function)
    return click.option(
        "--voxel-size",
        metavar="Z,Y,X",
        callback=voxel_size_given,
        help="Voxel size in micrometres; replaces that of the file.",
    )(function)


class StackPath(click.Path):
    """A path, or the address of an OME-Zarr on a server of the net."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a Path or an Address."""
        from neurorecon.core.address import path_or_address

        return path_or_address(super().convert(value, param, ctx))


def input_argument(function: F) -> F:
    """Add the argument INPUT; the command gets `input_path: Path`, an Address where it is one."""
    return click.argument("input_path", metavar="INPUT", type=StackPath())(function)


def block_option(home: str, what: str) -> Callable[[F], F]:
    """Return a decorator that adds --block; the command gets `block: tuple[int, int, int] | None`.

    Args:
        home: "module:Name" of the settings that have the default.
        what: the help, with "{block}" for the default.
    """
    return click.option("--block", metavar="Z,Y,X", callback=_block, cls=SettingOption, home=home, help=what)


def _block(ctx: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, int, int] | None:
    from neurorecon.volumes import parse_block

    return None if text is None else parse_block(text)


def output_option(what: str) -> Callable[[F], F]:
    """Return a decorator that adds -o/--output, explained by `what`; the command gets `output: Path`."""
    return click.option("-o", "--output", metavar="OUT", type=click.Path(path_type=Path), required=True, help=what)
