"""From a training run to a model folder: weights, description and card."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neurorecon.core.files import hash_path
from neurorecon.nets.model_registry import find_model
from neurorecon.nets.student import NeuriteViT
from neurorecon.nets.weights import read_config, write_model
from neurorecon.training.logbook import read_log
from neurorecon.training.settings import TrainSettings

__all__ = ["History", "export"]

CARD = """# {name}

Neurite and soma probability from a 3D light-microscopy stack. {parameters:.1f} million parameters, GPL-3.0-or-later.

{lines}

Settings of the run:

{settings}
"""

# Kinds of sources in the words of the card; everything else is a folder of stacks.
KINDS = {"synthetic": "synthetic crops", "flat": "projections", "sparse": "stacks with labels on some planes"}


@dataclasses.dataclass(frozen=True, slots=True)
class History:
    """The facts of a run for its card.

    Attributes:
        steps: taken.
        seconds: of training.
        stacks: number of stacks (crops, projections) of each kind that were trained on.
        best: step of the exported network where the best was chosen on watched stacks; None: the last.
    """

    steps: int
    seconds: float
    stacks: Mapping[str, int] = dataclasses.field(default_factory=dict)
    best: int | None = None


def export(net: NeuriteViT, settings: TrainSettings, history: History) -> Path:
    """Write the averaged network to `settings.out / settings.name` and return that folder.

    Deformable tubes that are the same everywhere are folded into a plain kernel first.

    Raises:
        OutputError: if the folder cannot be written.
    """
    net = net.folded()
    folder = settings.out / settings.name
    parameters = sum(p.numel() for p in net.parameters()) / 1e6
    sentences = [
        _shape(net),
        _start(settings),
        _teacher(settings),
        _length(settings, history),
        _data(settings, history),
    ]
    card = CARD.format(
        name=settings.name,
        parameters=parameters,
        lines="\n".join(f"- {line}" for line in [*sentences, _watched(settings, history)] if line),
        settings="\n".join(f"    {key} = {value}" for key, value in _plain(settings).items()),
    )
    summary = f"3D ViT, {parameters:.1f} million parameters, {history.steps} steps"
    curve: tuple[tuple[float, float], ...] = ()
    if settings.start is not None:
        summary += f" from {find_model(settings.start).resolve().name}"
        curve = read_config(find_model(settings.start)).calibration  # it fits this network nearly as well
    write_model(folder, net, name=settings.name, summary=summary, card=card, calibration=curve, overwrite=True)
    return folder


def _shape(net: NeuriteViT) -> str:
    config = net.config
    channels = "/".join(map(str, config.channels))
    grey = {"none": "", "plain": ", which also sees grey values by a kernel of 8 x 8 x 8"}
    return (
        f"Network: 3D ViT of {config.depth} blocks, width {config.width}, on patches of 8 voxels"
        f"{grey.get(config.embed, ', which also sees grey values along deformable tubes')}, "
        f"beside convolutions of {channels} channels."
    )


def _start(settings: TrainSettings) -> str:
    if settings.start is None:
        return ""
    folder = find_model(settings.start)
    config = read_config(folder)
    return f"Went on from: {config.name}, sha256 of its weights {config.sha256}."


def _teacher(settings: TrainSettings) -> str:
    teacher = settings.teacher
    if teacher is None:
        return ""
    source = "weights from timm"
    if teacher.weights is not None:
        source = f"weights of {teacher.weights.name}, sha256 {hash_path(teacher.weights)}"
    taken = []
    if teacher.patch != "scratch":
        kind = f" ({teacher.kind})" if teacher.patch == "dtt" else ""
        taken.append(f"its patch kernel by {teacher.patch}{kind}")
    if teacher.blocks:
        taken.append("its first blocks with positions and prefix tokens")
    if teacher.distil:
        first, last = teacher.distil_blocks
        taken.append(f"its latent space, blocks {first} to {last}, by distillation of weight {teacher.distil:g}")
    return f"Teacher: {teacher.name} ({source}); taken over: {', '.join(taken) or 'nothing'}."


def _length(settings: TrainSettings, history: History) -> str:
    return (
        f"Trained: {history.steps} steps of {settings.batch} crops {settings.crop} in {history.seconds / 60:.0f} minutes, "
        "by `neurorecon train`."
    )


def _data(settings: TrainSettings, history: History) -> str:
    parts = [f"{count} {KINDS.get(kind, f'stacks of `{kind}`')}" for kind, count in history.stacks.items()]
    left_out = f"ids of {settings.leave_out.name} left out" if settings.leave_out else "none left out"
    return f"{'Fine-tuned on' if settings.start else 'Data'}: {', '.join(parts) or 'not known'} ({left_out})."


def _watched(settings: TrainSettings, history: History) -> str:
    """Return a sentence on the step of the exported network, and on the scores of the `dev` stacks early and late."""
    if history.best is None:
        return ""
    _, rows = read_log(settings.out / "log.csv")
    f1 = [(int(row["step"]), float(row["dev_f1"])) for row in rows if row.get("dev_f1")]
    said = ", ".join(
        f"step {step}: {value:.3f}" for step, value in dict.fromkeys([f1[0], max(f1, key=_second), f1[-1]])
    )
    return (
        f"Exported: step {history.best}, the best by mean F1 after tracing of {len(settings.dev)} ids that were watched "
        f"and not trained on ({said}); chosen on them, so not to be reported as a result."
    )


def _second(pair: tuple[int, float]) -> float:
    return pair[1]


def _plain(value: Any) -> Any:
    """Return settings as plain values; of a path only the name, as a card is published."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value.name if isinstance(value, Path) else value
