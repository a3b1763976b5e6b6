"""Validation during a run: soft Dice on crops of the `dev` stacks, and scores of the whole stacks, traced.

Both use the averaged weights. The best network by mean F1 of the traced stacks is kept beside the checkpoint; its score
is the best of several, so it is no figure to report: that takes stacks that were not used for any choice.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from neurorecon.core.errors import InputError, SettingsError
from neurorecon.core.files import write_beside
from neurorecon.swc import stated_unit
from neurorecon.training.losses import loss_of
from neurorecon.training.score_stacks import score_stacks
from neurorecon.training.settings import TrainSettings
from neurorecon.training.sources.pairs import Source, crops
from neurorecon.training.sources.stream import Crop, stacked
from neurorecon.training.sources.truth import find_pairs, name_of

__all__ = ["WHOLE", "Watch", "crop_dice", "watched_crops"]

log = logging.getLogger(__name__)

# Set by hand; not tuned, unless a line says more.
DEV_CROPS = 24  # crops of the `dev` stacks, the same at every validation
# Column of the log: field of StackScores.
WHOLE = {
    "dev_f1": "f1", "dev_stack_dice": "dice", "dev_cldice": "cldice", "dev_pds": "pds",
    "dev_hd95": "hd95", "dev_esa": "esa", "dev_dsa": "dsa",
}  # fmt: skip


class Watch:
    """Whole stacks on which a run is judged now and then, and the best network so far."""

    def __init__(self, settings: TrainSettings) -> None:
        """Find the stacks, and the best network of a run that is resumed.

        Raises:
            SettingsError: if no stack of `dev` has a tracing.
            InputError: if a tracing is in micrometres.
        """
        self.settings = settings
        self.pairs = _traced(settings)
        self.best_f1 = -1.0
        if self.file.exists():
            self.best_f1 = float(torch.load(self.file, weights_only=True)["f1"])

    @property
    def file(self) -> Path:
        """Where the best network is kept."""
        return self.settings.out / "best.pt"

    def due(self, step: int, *, last: bool) -> bool:
        """Return whether the stacks are scored after `step`: every few steps, and at the end."""
        return last or step % self.settings.watch_every == 0

    def score(self, net: nn.Module, step: int) -> dict[str, float]:
        """Return the mean scores of `net` by their columns of the log, and keep `net` if it is the best so far."""
        scores = score_stacks(net, self.pairs, threads=self.settings.threads)
        row = {
            column: round(float(np.mean([score.bounded(field) for score in scores])), 4)
            for column, field in WHOLE.items()
        }
        log.info("step %d: F1 %.4f on %d whole stacks", step, row["dev_f1"], len(scores))
        if row["dev_f1"] > self.best_f1:
            self.best_f1 = row["dev_f1"]
            with write_beside(self.file, overwrite=True) as beside:
                torch.save({"average": net.state_dict(), "step": step, "f1": self.best_f1}, beside)
        return row

    def load_best(self, net: nn.Module) -> int:
        """Put the best weights into `net`, and return the step that they are from."""
        state: dict[str, Any] = torch.load(self.file, weights_only=True, map_location="cpu")
        net.load_state_dict(state["average"])
        return int(state["step"])


def _traced(settings: TrainSettings) -> list[tuple[Path, Path]]:
    """Return (stack, tracing) of the stacks in `dev`."""
    pairs = [pair for folder in settings.pairs for pair in find_pairs(folder) if name_of(pair[0]) in settings.dev]
    traced = [(stack, truth) for stack, truth in pairs if truth.suffix.lower() == ".swc"]
    if not traced:
        raise SettingsError("watch_every needs stacks to look at: name some that have a tracing in `dev`")
    for _, truth in traced:
        if stated_unit(truth) == "um":
            raise InputError(f"{truth}: is in micrometres; a stack that is watched needs its tracing in voxels")
    return traced


def watched_crops(dev: Sequence[Source], settings: TrainSettings) -> list[Crop]:
    """Draw the crops on which a run is watched: always the same; none where there is no `dev` stack."""
    if not dev:
        return []
    stream = crops(dev, settings.crop, np.random.default_rng(0), augment=False)
    return [next(stream) for _ in range(DEV_CROPS)]


def crop_dice(net: nn.Module, watched: Sequence[Crop], autocast: torch.autocast, device: torch.device) -> float:
    """Return the mean soft Dice of `net` on crops."""
    total = 0.0
    with torch.inference_mode(), autocast:
        for crop in watched:
            images, labels = stacked([crop])
            logits = net(images.to(device, memory_format=torch.channels_last_3d)).float()
            total += 1 - float(loss_of(logits, labels.to(device)).dice)
    return round(total / len(watched), 4)
