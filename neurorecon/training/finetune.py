"""Fine-tune a trained network on a few stacks of a user: the settings that differ from training from scratch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neurorecon.core.errors import InputError, SettingsError
from neurorecon.core.settings import from_dict
from neurorecon.nets.model_registry import find_model
from neurorecon.training.settings import TrainSettings
from neurorecon.training.sources.truth import find_pairs

__all__ = ["configure", "finetune_defaults"]

# Set by hand; not tuned, unless a line says more.
# A tenth to a fifth of the rate of training from scratch: enough to take on new textures and noise, too little to undo
# the result of thousands of steps.
RATE = 1.5e-4
# Steps: one stack of a few hundred planes is seen often enough after 300; more stacks bring more to learn, and forgetting
# and over-fitting set in more slowly. 1, 3, 10 stacks: 300, 417, 599 steps; never more than 600.
STEPS_OF_ONE, STEPS_GROWTH, MOST_STEPS = 300, 0.3, 600
WARMUP = 20  # AdamW's second moments start at 0: a few dozen steps fill them
LAYER_DECAY = 0.8  # the first blocks hold features of all microscopes, the head and the stem depend on grey values
EMA = 0.99  # averages over the last 100 steps: a mean over 500, as in a long run, would still hold the start
CHECKPOINT_EVERY = 100  # steps: at least three checkpoints in the shortest run


def finetune_defaults(start: str, data: Path) -> dict[str, Any]:
    """Return the settings with which the model `start` is tuned on the stacks in `data`, by the keys of TrainSettings.

    Raises:
        ModelError: if there is no such model.
        InputError: if `data` holds no stack with a truth.
    """
    stacks = len(find_pairs(data))
    name = f"{find_model(start).resolve().name}-{data.resolve().name}"
    return {
        "out": Path("runs") / name,
        "name": name,
        "start": start,
        "pairs": (data,),
        "synthetic": 0,  # the stacks decide; few steps at a low rate keep the knowledge of the model
        "synthetic_share": 0.0,
        "rate": RATE,
        "steps": min(MOST_STEPS, round(STEPS_OF_ONE * stacks**STEPS_GROWTH)),
        "warmup": WARMUP,
        "layer_decay": LAYER_DECAY,
        "ema": EMA,
        "checkpoint_every": CHECKPOINT_EVERY,
    }


def configure(
    table: Mapping[str, Any],
    *,
    start: str | None = None,
    data: Path | None = None,
    teacher_weights: Path | None = None,
    where: str = "settings",
    **given: Any,
) -> TrainSettings:
    """Return the settings of a run: options go before the keys of a configuration, and these before the defaults.

    Args:
        table: keys of TrainSettings, as a TOML file gives them; may be empty.
        start: model to go on from, in place of the table's own.
        data: folder of stacks with their truth, in place of the table's `pairs`. With a model to go on from, it sets
            the defaults of fine-tuning.
        teacher_weights: file of the teacher that the table names, in place of its own.
        where: opens every message.
        given: further settings, which replace those of the table; None does not.

    Raises:
        SettingsError: if a key or a value cannot be used, or something is missing.
        ModelError: if there is no model `start`.
        InputError: if `data` holds no stack with a truth.
    """
    if data is not None and not data.is_dir():
        raise InputError(f"{data}: no such folder; --data names one that holds ID.tif with ID.swc or ID_mask.tif")
    values: dict[str, Any] = dict(table)
    values |= {key: value for key, value in given.items() if value is not None}
    values |= {} if start is None else {"start": start}
    values |= {} if data is None else {"pairs": (data,)}
    if teacher_weights is not None:
        values["teacher"] = _with_weights(values.get("teacher"), teacher_weights, where)
    if data is not None and isinstance(values.get("start"), str):
        values = finetune_defaults(values["start"], data) | values
    elif isinstance(values.get("start"), str):
        find_model(values["start"])  # an unknown model is reported before the stacks are read
    if "out" not in values:
        raise SettingsError(f"{where}: `out` is missing: the folder of the run; give it there or as --out")
    return from_dict(TrainSettings, values, where=where)


def _with_weights(teacher: Any, weights: Path, where: str) -> dict[str, Any]:
    """Return the table of the teacher with other weights."""
    if not isinstance(teacher, Mapping):
        raise SettingsError(f"{where}: --teacher-weights needs a teacher; name it in a table [teacher]")
    if not weights.is_file():
        raise InputError(f"{weights}: no such file; --teacher-weights names the teacher's safetensors file")
    return {**teacher, "weights": weights}
