"""The training loop: AdamW, warm-up and cosine, weight average, a checkpoint that survives kill -9."""

import copy
import csv
import dataclasses
import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neurorecon.core.errors import InputError
from neurorecon.training.build import groups_of, student_of
from neurorecon.training.data import Source, crops
from neurorecon.training.distil import Distiller
from neurorecon.training.export import export
from neurorecon.training.losses import LossParts, loss_of
from neurorecon.training.settings import TrainSettings
from neurorecon.training.stream import Crop, batches, load_sources, stacked

__all__ = ["Run", "run_training", "train"]

log = logging.getLogger(__name__)

LOG_EVERY = 25
DEV_CROPS = 24
CLIP_NORM = 1.0
LEAST_RATE = 0.01  # of the highest, at the end
COLUMNS = ("step", "seconds", "rate", "cross_entropy", "dice", "skeleton", "soma", "latent", "dev_dice")


class Run:
    """State of a training run: everything that a checkpoint keeps."""

    def __init__(self, settings: TrainSettings, *, student: Callable[[TrainSettings], nn.Module] | None = None) -> None:
        """Make the network of the start, its optimiser and its average; `student` makes another network."""
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.distiller: Distiller | None = None
        if student is not None:
            net = student(settings)
        else:
            net, teacher = student_of(settings)
            if teacher is not None and settings.teacher is not None and settings.teacher.distil:
                self.distiller = Distiller(net.config.width, teacher, settings.teacher)
        self.net: nn.Module = net.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.net).eval()
        modules = [self.net] if self.distiller is None else [self.net, self.distiller]
        self.optimiser = torch.optim.AdamW(groups_of(modules, settings), lr=settings.rate, betas=(0.9, 0.98))
        self.step = 0
        self.seconds = 0.0

    @property
    def checkpoint(self) -> Path:
        """File of the checkpoint."""
        return self.settings.out / "checkpoint.pt"

    def save(self) -> None:
        """Write the checkpoint beside, then rename: a kill leaves the one before."""
        state = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        if self.distiller is not None:
            state["distiller"] = trained(self.distiller)
        beside = self.checkpoint.with_suffix(".part")
        torch.save(state, beside)
        os.replace(beside, self.checkpoint)

    def load(self) -> None:
        """Take up the checkpoint."""
        state: dict[str, Any] = torch.load(self.checkpoint, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.distiller is not None:
            self.distiller.load_state_dict(state["distiller"], strict=False)
        self.step, self.seconds = int(state["step"]), float(state["seconds"])

    @property
    def progress(self) -> float:
        """Share of the run that is done, by steps or by time, whichever is further."""
        return max(self.step / self.settings.steps, self.seconds / (60 * self.settings.minutes))

    def update(self, images: Tensor, labels: Tensor) -> LossParts:
        """Take one step on images (B, 1, Z, Y, X) and labels (B, Z, Y, X)."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * group["share"]
        images = images.to(memory_format=torch.channels_last_3d)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.settings.amp):
            if self.distiller is None:
                logits, latent = self.net(images), 0.0
            else:
                logits, tokens = self.net.look(images)  # type: ignore[operator]  # only the student has a distiller
                latent = self.distil_weight * self.distiller(images, tokens)
        parts = dataclasses.replace(loss_of(logits.float(), labels), latent=latent)
        self.optimiser.zero_grad(set_to_none=True)
        parts.total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([p for p in self.net.parameters() if p.grad is not None], CLIP_NORM)
        self.optimiser.step()
        decay = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.net.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)
        self.step += 1
        return parts

    @property
    def distil_weight(self) -> float:
        """Weight of the distillation: falls to 0 along a cosine, so that the end of the run is about neurites alone."""
        teacher = self.settings.teacher
        return 0.0 if teacher is None else teacher.distil * 0.5 * (1 + math.cos(math.pi * min(self.progress, 1.0)))

    @property
    def rate(self) -> float:
        """Learning rate of the next step: warm-up, then a cosine."""
        if self.step < self.settings.warmup:
            return self.settings.rate * (self.step + 1) / self.settings.warmup
        wave = 0.5 * (1 + math.cos(math.pi * min(self.progress, 1.0)))
        return self.settings.rate * (LEAST_RATE + (1 - LEAST_RATE) * wave)


def trained(distiller: Distiller) -> dict[str, Tensor]:
    """Return the weights of a distiller that training changes: not the teacher's."""
    return {key: value for key, value in distiller.state_dict().items() if not key.startswith("teacher.")}


def train(settings: TrainSettings, *, resume: bool = False) -> Path:
    """Train a network as `settings` say, and return the folder of the exported model.

    Raises:
        InputError: if there is nothing to train on, or `settings.out` holds a run already and `resume` is not set.
        ModelError: if the teacher's weights or the model to start from cannot be used.
    """
    run = run_training(settings, resume=resume)
    return export(run.average, settings, steps=run.step, seconds=run.seconds)


def run_training(
    settings: TrainSettings,
    *,
    resume: bool = False,
    student: Callable[[TrainSettings], nn.Module] | None = None,
) -> Run:
    """Train to the end, and return the run; its checkpoint and its log stand in `settings.out`.

    Raises:
        InputError: if there is nothing to train on, or `settings.out` holds a run already and `resume` is not set.
    """
    settings.out.mkdir(parents=True, exist_ok=True)
    run = Run(settings, student=student)
    if resume and run.checkpoint.exists():
        run.load()
    elif run.checkpoint.exists():
        raise InputError(f"{run.checkpoint}: a run was begun here; give --resume, or another `out`")
    if settings.threads:
        torch.set_num_threads(settings.threads)
    sources, dev = load_sources(settings)
    stream = batches(sources, settings, seed=settings.seed + run.step)
    watched = _watched(dev, settings)
    with open(settings.out / "log.csv", "a", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS)
        if handle.tell() == 0:
            writer.writeheader()
        _loop(run, stream, watched, writer, handle.flush)
    return run


def _loop(run: Run, stream: Iterator[tuple[Tensor, Tensor]], watched: list[Crop], writer: Any, flush: Any) -> None:
    """Step until the run is done, logging and saving on the way."""
    sums = dict.fromkeys(COLUMNS[3:8], 0.0)
    while run.progress < 1:
        start = time.perf_counter()
        parts = run.update(*next(stream))
        for name in sums:
            sums[name] += float(torch.as_tensor(getattr(parts, name)).detach()) / LOG_EVERY
        last = run.progress >= 1
        save = run.step % run.settings.checkpoint_every == 0 or last
        score = dev_dice(run.average, watched) if save and watched else None
        run.seconds += time.perf_counter() - start
        if run.step % LOG_EVERY == 0 or last:
            rounded = {name: round(value, 4) for name, value in sums.items()}
            row = {
                "step": run.step,
                "seconds": round(run.seconds),
                "rate": f"{run.rate:.2e}",
                "dev_dice": score,
                **rounded,
            }
            writer.writerow(row)
            flush()
            log.info("%s", row)
            sums = dict.fromkeys(sums, 0.0)
        if save:
            run.save()


def _watched(dev: list[Source], settings: TrainSettings) -> list[Crop]:
    """Draw the crops on which the run is watched: always the same."""
    if not dev:
        return []
    stream = crops(dev, settings.crop, np.random.default_rng(0), augment=False)
    return [next(stream) for _ in range(DEV_CROPS)]


def dev_dice(net: nn.Module, watched: list[Crop]) -> float:
    """Return the mean soft Dice of `net` on the watched crops."""
    total = 0.0
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for crop in watched:
            images, labels = stacked([crop])
            total += 1 - float(loss_of(net(images.to(memory_format=torch.channels_last_3d)).float(), labels).dice)
    return round(total / len(watched), 4)
