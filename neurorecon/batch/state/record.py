"""The record of one stack in the ledger."""

import dataclasses
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Record", "Status", "parse_record"]

Status = Literal["publishing", "done", "no neuron", "failed"]

FORMAT = 1  # of a record: raised when a key changes its meaning


@dataclass(frozen=True, slots=True)
class Record:
    """The result of one stack, and its inputs.

    Attributes:
        input: its path below the folder of inputs; "a.tif, c1" where every channel of it is a stack.
        output: path of its SWC below the folder of outputs, as planned.
        status: "done" and "no neuron" are finished; "failed" is tried again by the next batch; "publishing" was
            interrupted while its files were put in place.
        reason: why it is not done, in one line.
        input_sha256: hash of the input.
        settings_sha256: hash of the settings.
        model_sha256: hash of the model.
        outputs: name -> sha256 of the files it left, relative to the folder of `output`, with forward slashes.
        tree: the part of the manifest on the tree: morphometrics, confidence, findings.
        seconds: time it took.
        peak_bytes: largest memory of the process.
        warnings: the warnings that were logged.
        traceback: where an unexpected error came from.
        input_stamp: sizes and times of the input when it was read, with "?" before where equal ones would prove nothing.
        outputs_stamp: the same of the outputs, once they were in place.
    """

    input: str
    output: str
    status: Status
    reason: str = ""
    input_sha256: str = ""
    settings_sha256: str = ""
    model_sha256: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    tree: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    peak_bytes: int = 0
    warnings: tuple[str, ...] = ()
    traceback: str = ""
    input_stamp: str = ""
    outputs_stamp: str = ""

    def as_json(self) -> str:
        """Return the text of the ledger's file."""
        return json.dumps({"format": FORMAT} | dataclasses.asdict(self), indent=1) + "\n"


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {sys.intern(name): value for name, value in pairs}


def parse_record(text: str) -> Record | None:
    """Read a record; None if it is damaged or of another format: such a stack is done again."""
    try:
        table = json.loads(text, object_pairs_hook=_table)
        if table.pop("format") != FORMAT:
            return None
        # A hundred thousand records share a few texts: stored once, they take a third of the memory.
        for name in ("settings_sha256", "model_sha256", "status"):
            table[name] = sys.intern(table[name])
        record = Record(**table)
    except (ValueError, TypeError, AttributeError, KeyError):
        return None
    right = isinstance(record.outputs, dict) and isinstance(record.tree, dict) and isinstance(record.warnings, list)
    return dataclasses.replace(record, warnings=tuple(record.warnings)) if right else None
