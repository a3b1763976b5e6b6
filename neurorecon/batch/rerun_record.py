"""A result made again from its record: whether input, settings and model of an OUT.json still give the same bytes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from neurorecon.batch.job import ReconstructJob, StackSettings
from neurorecon.core.address import path_or_address
from neurorecon.core.errors import InputError, ModelError, NoNeuronError, OutputError
from neurorecon.core.files import check_regular, hash_path
from neurorecon.core.settings import from_dict
from neurorecon.core.stack import Stack
from neurorecon.core.voxel_hash import hash_input
from neurorecon.io import read_stack
from neurorecon.pipeline import ReconstructSettings
from neurorecon.report import Command, check_outputs
from neurorecon.report.manifest import FORMAT, versions

__all__ = ["Recorded", "Rerun", "read_again", "read_record", "rerun"]

T = TypeVar("T")

LISTED = ".review.csv"  # the file that every result has, named after its OUT.swc
PAGE = ".html"  # the file that a result has unless --no-page was given
HARDWARE = ("platform",)  # named among the versions, and no version


@dataclass(frozen=True, slots=True)
class Recorded:
    """The contents of an OUT.json: how to make its result again, and the hashes of that result.

    Attributes:
        path: the OUT.json.
        command: see Command.
        settings: of both stages.
        source: the input's path as it stands in the header of the SWC.
        source_sha256: hash of the input.
        model: (name, sha256) of the network.
        device: where it ran.
        versions: of neurorecon, Python and the packages.
        outputs: file name -> sha256.
    """

    path: Path
    command: Command
    settings: ReconstructSettings
    source: str
    source_sha256: str
    model: tuple[str, str]
    device: str
    versions: Mapping[str, str]
    outputs: Mapping[str, str]

    @property
    def swc(self) -> str:
        """The name of OUT.swc, for which several neurons have OUT_1.swc and so on."""
        listed = [name for name in self.outputs if name.endswith(LISTED)]
        return (listed[0].removesuffix(LISTED) if listed else self.path.stem) + ".swc"


@dataclass(frozen=True, slots=True)
class Rerun:
    """The comparison of a repeated result with the recorded one.

    Attributes:
        same: names of the outputs that have the recorded bytes.
        differ: names of the outputs that have not, each with how; "" is not known.
        changes: differences of the conditions, "torch 2.13.0, was 2.12.0" say.
    """

    same: tuple[str, ...]
    differ: Mapping[str, str]
    changes: tuple[str, ...]


def read_record(path: Path) -> Recorded:
    """Read the parts of an OUT.json that a rerun needs.

    Raises:
        InputError: if it cannot be read, is not of neurorecon, or does not say how to repeat its result.
        SettingsError: if it holds settings that this neurorecon does not know.
    """
    table = _json(path)
    if not isinstance(table, Mapping) or table.get("format") != FORMAT or "outputs" not in table:
        raise InputError(
            f"{path}: is no record of neurorecon; give the OUT.json beside the OUT.swc of `neurorecon run`"
        )
    versions = {name: str(version) for name, version in _part(path, table, dict, "versions").items()}
    if not isinstance(table.get("command"), Mapping):
        raise InputError(
            f"{path}: does not say how its result was made, as the records of neurorecon {versions.get('neurorecon', '?')} "
            "did not; make it once more by `neurorecon run`"
        )
    settings = {stage: _part(path, table, dict, "settings", stage) for stage in ("segment", "trace")}
    outputs = {name: str(digest) for name, digest in _part(path, table, dict, "outputs").items()}
    if not outputs or any(Path(name).name != name for name in outputs):
        raise InputError(f"{path}: its outputs are no file names; the record is damaged")
    return Recorded(
        path,
        from_dict(Command, table["command"], where=f"{path}: command"),
        settings=from_dict(ReconstructSettings, settings, where=f"{path}: settings"),
        source=_part(path, table, str, "input", "path"),
        source_sha256=_part(path, table, str, "input", "sha256"),
        model=(_part(path, table, str, "model", "name"), _part(path, table, str, "model", "sha256")),
        device=_part(path, table, str, "device"),
        versions=versions,
        outputs=outputs,
    )


def rerun(recorded: Recorded, folder: Path, *, source: Path | None = None, model: str | None = None) -> Rerun:
    """Make a result again in `folder`, under the names of the record, and compare.

    Args:
        recorded: see `read_record`.
        folder: takes the outputs, and is made where it is not there; nothing in it is overwritten.
        source: where the input lies now.
        model: name or folder of the network now.

    Raises:
        InputError: if the input is not there, or is another.
        ModelError: if the network is not there, or damaged.
        OutputError: if a file of the result is in `folder`, or it cannot be made.
    """
    path, command = recorded.path, recorded.command
    source = path_or_address(source or command.input)
    _check_input(recorded, source)
    _make(folder)
    if there := [name for name in recorded.outputs if (folder / name).exists()]:
        raise OutputError(f"{folder / there[0]}: exists already, and rerun overwrites nothing; give -o another folder")
    check_outputs(folder / recorded.swc)
    settings = StackSettings(
        recorded.settings.segment,
        recorded.settings.trace,
        voxel_size=command.voxel_size,
        channel=command.channel,
        single_file=command.single_file,
        invert=command.invert,
        time=command.time,
        soma_outline=command.soma_outline,
    )
    try:
        page = any(name.endswith(PAGE) for name in recorded.outputs)
        job = ReconstructJob(settings, model=model or command.model, called=command.name, page=page)
    except ModelError as error:
        raise ModelError(f"{path}: its network cannot be used: {error}; give --model") from error
    job.prepare(None)
    try:
        made = job(source, recorded.source, folder / recorded.swc, recorded.source_sha256)
    except NoNeuronError:
        return Rerun((), dict.fromkeys(recorded.outputs, "no neuron was found"), _changes(recorded, job, {}))
    now: Mapping[str, str] = made["outputs"]
    same = tuple(name for name in recorded.outputs if now.get(name) == recorded.outputs[name])
    others = [name for name in [*recorded.outputs, *(n for n in now if n not in recorded.outputs)] if name not in same]
    return Rerun(same, {name: _how(recorded, now, folder, name) for name in others}, _changes(recorded, job, made))


def _make(folder: Path) -> None:
    """Make a folder, unless it is there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: no folder can be made there: {error.strerror or error}") from error


def _check_input(recorded: Recorded, source: Path) -> None:
    """Raise InputError unless the input exists and is the recorded one."""
    try:
        digest = hash_input(source, lambda: read_again(source, recorded.command))
    except InputError as error:
        raise InputError(
            f"{recorded.path}: its input is gone: {error}; give --input STACK, where it lies now"
        ) from error
    if digest != recorded.source_sha256:
        raise InputError(
            f"{recorded.path}: its input is another now: {source} has sha256 {digest[:12]}, recorded is "
            f"{recorded.source_sha256[:12]}; give --input STACK, where the recorded one lies"
        )


def read_again(source: Path, command: Command) -> Stack:
    """Return the stack at `source`, read as a command read its input."""
    of_file: dict[str, Any] = {"channel": command.channel, "time": command.time, "invert": command.invert}
    return read_stack(source, voxel_size=command.voxel_size, **of_file)


def _how(recorded: Recorded, now: Mapping[str, str], folder: Path, name: str) -> str:
    """Return how an output differs from the recorded one, "" where that is not known."""
    if name not in now:
        return "missing"
    if name not in recorded.outputs:
        return "new"
    former = recorded.path.with_name(name)
    if not name.endswith(".swc") or not former.is_file() or hash_path(former) != recorded.outputs[name]:
        return ""
    return "the header alone" if _nodes(former) == _nodes(folder / name) else "other nodes"


def _nodes(swc: Path) -> list[bytes]:
    """Return the lines of an SWC file that are no header."""
    return [line for line in swc.read_bytes().splitlines() if not line.startswith(b"#")]


def _changes(recorded: Recorded, job: ReconstructJob, made: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the conditions that differ from the recorded ones, besides the outputs."""
    said, prints = [], job.fingerprint
    if prints.model_sha256 != recorded.model[1]:
        said.append(f"network {prints.model_sha256[:12]}, was {recorded.model[1][:12]}")
    if made and made["device"] != recorded.device:
        said.append(f"device {made['device']}, was {recorded.device}")
    now, former = versions(), recorded.versions
    others = [n for n in dict.fromkeys([*former, *now]) if now.get(n) != former.get(n) and n not in HARDWARE]
    return (*said, *(f"{name} {now.get(name, 'none')}, was {former.get(name, 'none')}" for name in others))


def _json(path: Path) -> Any:
    """Return the content of a JSON file."""
    check_regular(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; give the OUT.json of a result") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no JSON, or damaged; give the OUT.json of a result") from error


def _part(path: Path, table: Any, kind: type[T], *keys: str) -> T:
    """Return a value of a nested table, or raise InputError if it is not there or of another type."""
    for key in keys:
        table = table.get(key) if isinstance(table, Mapping) else None
    if not isinstance(table, kind):
        raise InputError(f"{path}: has no usable value under {'.'.join(keys)}; the record is damaged")
    return table
