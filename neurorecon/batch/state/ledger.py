"""The memory of a batch, on disk beside its results: OUTDIR/.neurorecon.

    ledger.json         settings and model that the folder was begun with
    names.jsonl         output names given for good while a folder was watched
    records/KEY.json    the result of each stack
    leases/KEY.lock     the process that works on it
    scratch/KEY.TOKEN   unfinished files of that owner

A record is written beside and renamed, after the files it names are in place. No database: those lock files badly on
network disks.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from neurorecon.batch.job import Fingerprint
from neurorecon.batch.state.file_stamp import stamp_of_files
from neurorecon.batch.state.identity import new_token
from neurorecon.batch.state.record import Record, parse_record
from neurorecon.core.errors import InputError, OutputError, SettingsError
from neurorecon.core.files import hash_path

__all__ = ["Ledger", "differs"]

FORMAT = 1  # of fingerprint.json: raised when a key changes its meaning

_Mark = tuple[int, int, int]


def _mark(status: os.stat_result) -> _Mark:
    """Return a mark of a file that changes when the record is replaced."""
    return status.st_mtime_ns, status.st_size, status.st_ino


class Ledger:
    """The ledger of the output folder `outdir`."""

    def __init__(self, outdir: Path) -> None:
        self.outdir = outdir
        self.root = outdir / ".neurorecon"
        self.records, self.leases, self.scratch = (self.root / name for name in ("records", "leases", "scratch"))
        self._known: dict[str, tuple[_Mark, Record]] = {}

    def make(self) -> None:
        """Make the output folder and the ledger's own.

        Raises:
            OutputError: if the folder above is missing, or nothing can be written.
        """
        if not self.outdir.parent.is_dir():
            raise OutputError(f"{self.outdir}: the folder {self.outdir.parent} does not exist; make it first")
        try:
            self.outdir.mkdir(exist_ok=True)
            for folder in (self.root, self.records, self.leases, self.scratch):
                folder.mkdir(exist_ok=True)
        except FileExistsError as error:
            raise OutputError(f"{error.filename}: is a file; the output of a batch is a folder") from error
        except OSError as error:
            raise OutputError(f"{self.outdir}: cannot be written: {error.strerror}") from error

    def fingerprint(self) -> Mapping[str, Any] | None:
        """Return the settings and the model that the folder was begun with, None if it is new."""
        try:
            table = json.loads((self.root / "ledger.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        return table if isinstance(table, dict) and table.get("format") == FORMAT else None

    def check(self, now: Fingerprint) -> bool:
        """Say whether the folder was begun at all; settings and model have to be the same.

        Raises:
            SettingsError: names the first that differs.
        """
        before = self.fingerprint()
        if before is not None and (difference := differs(before, now)):
            raise SettingsError(
                f"{self.outdir}: was begun with {difference}; "
                "use the same, another output folder, or --overwrite to do all again"
            )
        return before is not None

    def begin(self, now: Fingerprint, *, overwrite: bool) -> None:
        """Write settings and model to the ledger, unless they are there already.

        Raises:
            SettingsError: if others stand there, and not `overwrite`.
        """
        before = self.fingerprint()
        if before is not None and not differs(before, now):
            return
        if not overwrite:
            self.check(now)
        table = {
            "format": FORMAT,
            "settings": now.settings,
            "settings_sha256": now.settings_sha256,
            "model": {"name": now.model_name, "sha256": now.model_sha256},
        }
        self._write(self.root / "ledger.json", json.dumps(table, indent=1) + "\n")

    def read(self, key: str) -> Record | None:
        """Return the record of a stack, None if there is none or it is damaged."""
        try:
            return parse_record((self.records / f"{key}.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, UnicodeDecodeError):
            return None

    def read_timed(self, key: str) -> tuple[Record, float] | None:
        """Return the record of a stack and when it was written, by the clock of the disk; None as in `read`.

        It is remembered, so that `all` need not read it again: with 100,000 stacks that is half of the time.
        """
        try:
            with open(self.records / f"{key}.json", encoding="utf-8") as handle:
                status = os.fstat(handle.fileno())
                record = parse_record(handle.read())
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        if record is None:
            return None
        self._known[key] = (_mark(status), record)
        return record, status.st_mtime

    def read_newer(self, key: str, since: float) -> Record | None:
        """Return the record of a stack if it was written after `since`, by the clock of the disk."""
        try:
            written = (self.records / f"{key}.json").stat().st_mtime
        except FileNotFoundError:
            return None
        return self.read(key) if written > since else None

    def write(self, key: str, record: Record) -> None:
        """Put a record in the place of the former one; it is on the disk when this returns."""
        self._write(self.records / f"{key}.json", record.as_json())

    def all(self) -> list[Record]:
        """Return all records, by input."""
        with os.scandir(self.records) as entries:
            found = [self._present(entry) for entry in entries if entry.name.endswith(".json")]
        return sorted((record for record in found if record is not None), key=lambda record: record.input)

    def _present(self, entry: os.DirEntry[str]) -> Record | None:
        """Return the record in a file of the ledger, as it is known if the file is still the same."""
        key = entry.name.removesuffix(".json")
        known = self._known.get(key)
        try:
            if known is not None and known[0] == _mark(os.stat(entry.path)):
                return known[1]
        except FileNotFoundError:
            return None
        return self.read(key)

    def place(self, record: Record, name: str) -> Path:
        """Return the path of an output file of a record: `name` is relative to the folder of its output."""
        return (self.outdir / record.output).parent / name

    def intact(self, record: Record) -> bool:
        """Say whether the files that a record names are there, unaltered."""
        paths = {self.place(record, name): digest for name, digest in record.outputs.items()}
        try:
            return all(path.is_file() and hash_path(path) == digest for path, digest in paths.items())
        except InputError:  # removed, or made unreadable, between the two looks
            return False

    def stamp(self, record: Record) -> str:
        """Return sizes and times of the files that a record names, "" if one is not there, or they prove nothing.

        Fine times count as proof: no file is altered within the tick of the clock in which it was put in place.
        """
        stamp = stamp_of_files(self.place(record, name) for name in sorted(record.outputs))
        return stamp.text if stamp is not None and (not stamp.is_coarse or stamp.proves(time.time())) else ""

    def has_stamp(self, record: Record) -> bool:
        """Say whether the files that a record names have the sizes and times that it says."""
        stamp = stamp_of_files(self.place(record, name) for name in sorted(record.outputs))
        return stamp is not None and stamp.text == record.outputs_stamp

    def _write(self, path: Path, text: str) -> None:
        """Write a file of the ledger, whole or not at all, and on the disk."""
        draft = self.scratch / f"{path.stem}.{new_token()}.json"
        try:
            with open(draft, "w", encoding="utf-8") as handle:
                handle.write(text)
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        if not hasattr(os, "O_DIRECTORY"):
            return  # Windows cannot open a folder
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)  # the renaming too
        finally:
            os.close(folder)

    def clear(self, leftovers: list[Path]) -> None:
        """Remove the leftovers of dead owners."""
        for path in leftovers:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def differs(before: Mapping[str, Any], now: Fingerprint) -> str:
    """Return the differences between the settings of a folder and the present ones, "" if there are none."""
    model = before.get("model", {})
    if before.get("settings_sha256") != now.settings_sha256:
        old, new = dict(_flat(before.get("settings", {}))), dict(_flat(now.settings))
        for name in [*new, *old]:
            if old.get(name) != new.get(name):
                return f"{name} {_say(old.get(name))}, now it is {_say(new.get(name))}"
        return "other settings"
    if model.get("sha256") != now.model_sha256:
        return f"model {model.get('name')} {str(model.get('sha256'))[:12]}, now it is {now.model_sha256[:12]}"
    return ""


def _say(value: Any) -> str:
    return "unset" if value is None else json.dumps(value)


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Give (name, value) of nested settings, names joined with points."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
