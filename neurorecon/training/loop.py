"""The training loop: AdamW, warm-up and cosine, rates by layer, weight average, a checkpoint that survives kill -9.

The settings decide a run: weights, crops and all random choices of the network come from `seed`, on a CPU to the last bit
(unless `minutes` or `fresh` depend on the clock). A resumed run takes weights, averages, optimiser and the random state of the
network from the checkpoint, and continues with new crops: their stream is seeded by `seed` and the step of the checkpoint.
"""

import copy
import dataclasses
import logging
import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from neurorecon.core.errors import InputError
from neurorecon.core.files import write_beside
from neurorecon.segmentation.device import fast_bf16_cpu, pick_device
from neurorecon.training.build import groups_of, student_of
from neurorecon.training.log_picture import draw_log
from neurorecon.training.logbook import Logbook
from neurorecon.training.losses import LossParts, loss_of
from neurorecon.training.model_folder import History, export
from neurorecon.training.settings import TrainSettings
from neurorecon.training.sources.stream import Crop, batches, load_sources
from neurorecon.training.teaching.distil import Distiller
from neurorecon.training.validation import WHOLE, Watch, crop_dice, watched_crops

__all__ = ["Run", "run_training", "train"]

log = logging.getLogger(__name__)

# Set by hand; not tuned, unless a line says more.
LOG_EVERY = 25  # steps
CLIP_NORM = 1.0  # of the gradient, as is usual for vision transformers (Dosovitskiy et al. 2021)
MOST_UNSOUND = 20  # steps in a row whose gradient is not a number: it does not come back
LEAST_RATE = 0.01  # of the highest, at the end
PARTS = ("cross_entropy", "dice", "skeleton", "soma", "latent")
COLUMNS = ("step", "seconds", "rate", *PARTS, "dev_dice", *WHOLE)


class Run:
    """State of a training run: everything that a checkpoint keeps."""

    def __init__(self, settings: TrainSettings, *, student: Callable[[TrainSettings], nn.Module] | None = None) -> None:
        """Make the network of the start, its optimiser and its average; `student` makes another network."""
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.device = device_of(settings)
        self.distiller: Distiller | None = None
        if student is not None:
            net = student(settings)
        else:
            net, teacher = student_of(settings)
            if teacher is not None and settings.teacher is not None and settings.teacher.distil:
                moved = {name: getattr(teacher, name).to(self.device) for name in ("net", "mean", "std")}
                teacher = dataclasses.replace(teacher, **moved)
                self.distiller = Distiller(net.config.width, teacher, settings.teacher).to(self.device)
        self.net: nn.Module = net.to(self.device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.net).eval()
        modules = [self.net] if self.distiller is None else [self.net, self.distiller]
        self.optimiser = torch.optim.AdamW(groups_of(modules, settings), lr=settings.rate, betas=(0.9, 0.98))
        self.dtype = half_type(self.device)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=settings.amp and self.dtype == torch.float16)
        self.step = 0
        self.seconds = 0.0
        self.unsound = 0
        self.stacks: dict[str, int] = {}

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
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "random": torch.get_rng_state(),
        }
        if self.device.type == "cuda":
            state["random_cuda"] = torch.cuda.get_rng_state(self.device)
        if self.distiller is not None:
            state["distiller"] = self.distiller.state_dict()  # the teacher must not become a submodule
        with write_beside(self.checkpoint, overwrite=True) as beside:
            torch.save(state, beside)

    def load(self) -> None:
        """Restore the state of the checkpoint."""
        state: dict[str, Any] = torch.load(self.checkpoint, weights_only=True, map_location=self.device)
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        if self.distiller is not None:
            self.distiller.load_state_dict(state["distiller"])
        self.step, self.seconds = int(state["step"]), float(state["seconds"])
        torch.set_rng_state(state["random"].cpu())
        if self.device.type == "cuda" and "random_cuda" in state:
            torch.cuda.set_rng_state(state["random_cuda"].cpu(), self.device)

    @property
    def progress(self) -> float:
        """Share of the run that is done, by steps or by time, whichever is further."""
        return max(self.step / self.settings.steps, self.seconds / (60 * self.settings.minutes))

    @property
    def crop_seed(self) -> int:
        """Seed of the stream of crops from this step on."""
        if not self.step:
            return self.settings.seed
        return int(np.random.SeedSequence([self.settings.seed, self.step]).generate_state(1)[0])

    def autocast(self) -> torch.autocast:
        """Return the context of the network's arithmetic."""
        slow = self.device.type == "cpu" and not fast_bf16_cpu()
        return torch.autocast(self.device.type, self.dtype, enabled=self.settings.amp and not slow)

    def update(self, images: Tensor, labels: Tensor) -> LossParts:
        """Take one step on images (B, 1, Z, Y, X) and labels (B, Z, Y, X)."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * group["share"]
        images = images.to(self.device, memory_format=torch.channels_last_3d)
        with self.autocast():
            if self.distiller is None:
                logits, latent = self.net(images), 0.0
            else:
                logits, tokens = self.net.look(images)  # type: ignore[operator]  # only the student has a distiller
                latent = self.distil_weight * self.distiller(images, tokens)
        parts = dataclasses.replace(loss_of(logits.float(), labels.to(self.device)), latent=latent)
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(parts.total).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimiser)
        norm = torch.nn.utils.clip_grad_norm_([p for p in self.net.parameters() if p.grad is not None], CLIP_NORM)
        if self.scaler.is_enabled() or self.sound(float(norm)):
            self.scaler.step(self.optimiser)
            self.scaler.update()
        decay = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.net.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)
        self.step += 1
        return parts

    def sound(self, norm: float) -> bool:
        """Return whether a gradient of this norm may be used; one that is not a number would destroy the weights.

        Raises:
            InputError: if MOST_UNSOUND gradients in a row are not a number.
        """
        if math.isfinite(norm):
            self.unsound = 0
            return True
        self.unsound += 1
        log.warning("step %d is left out: its gradient is not a number", self.step)
        if self.unsound == MOST_UNSOUND:
            raise InputError(
                f"{self.settings.out}: the gradient of {MOST_UNSOUND} steps in a row was not a number; set `amp = false` or a "
                "lower `rate`, and go on with --resume or begin anew"
            )
        return False

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


def device_of(settings: TrainSettings) -> torch.device:
    """Return where a run trains: auto takes CUDA where it is, else the CPU (MPS lacks operators that tubes need).

    Raises:
        InputError: if there is no such device.
    """
    if settings.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return pick_device(settings.device)


def half_type(device: torch.device) -> torch.dtype:
    """Return the short number type of a device: bfloat16, or float16 on GPUs that have only that."""
    return torch.float16 if device.type == "cuda" and not torch.cuda.is_bf16_supported() else torch.bfloat16


def train(settings: TrainSettings, *, resume: bool = False) -> Path:
    """Train a network as `settings` say, and return the folder of the exported model.

    With `watch_every` it is the network that was best on the whole stacks of `dev`, else the last one.

    Raises:
        InputError: if there is nothing to train on, `settings.out` holds a run already and `resume` is not set, or step after
            step gives no gradient.
        ModelError: if the teacher's weights or the model to start from cannot be used.
    """
    run = run_training(settings, resume=resume)
    best = Watch(settings).load_best(run.average) if settings.watch_every else None
    history = History(run.step, run.seconds, run.stacks, best)
    return export(run.average.cpu(), settings, history)


def run_training(
    settings: TrainSettings,
    *,
    resume: bool = False,
    student: Callable[[TrainSettings], nn.Module] | None = None,
) -> Run:
    """Train to the end, and return the run; checkpoint.pt, log.csv and log.png stand in `settings.out`.

    Raises:
        InputError: if there is nothing to train on, `settings.out` holds a run already and `resume` is not set, or step after
            step gives no gradient.
        ModelError: if the teacher's weights or the model to start from cannot be used.
    """
    settings.out.mkdir(parents=True, exist_ok=True)
    run = Run(settings, student=student)
    if run.checkpoint.exists() and not resume:
        raise InputError(f"{run.checkpoint}: a run was begun here; give --resume, or another `out`")
    if run.checkpoint.exists():
        run.load()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    sources, dev = load_sources(settings)
    run.stacks = {name: len(group) for name, group in sources.items()}
    watch = Watch(settings) if settings.watch_every else None
    stream = cast("Generator[tuple[Tensor, Tensor]]", batches(sources, settings, seed=run.crop_seed))
    with Logbook(settings.out / "log.csv", COLUMNS, step=run.step) as book, closing(stream):
        if watch is not None and settings.start is not None and not run.step:
            book.write({"step": 0, "seconds": 0, **watch.score(run.average, 0)})  # scores before the first step
        _loop(run, stream, watched_crops(dev, settings), watch, book)
    return run


def _loop(
    run: Run, stream: Iterator[tuple[Tensor, Tensor]], watched: Sequence[Crop], watch: Watch | None, book: Logbook
) -> None:
    """Step until the run is done, logging and saving on the way."""
    recent: list[list[float]] = []  # the parts of the loss since the last line of the log
    while run.progress < 1:
        start = time.perf_counter()
        parts = run.update(*next(stream))
        recent.append([float(torch.as_tensor(getattr(parts, name)).detach()) for name in PARTS])
        run.seconds += time.perf_counter() - start
        last = run.progress >= 1
        save = run.step % run.settings.checkpoint_every == 0 or last
        scores: dict[str, float] = {}
        if save and watched:
            scores["dev_dice"] = crop_dice(run.average, watched, run.autocast(), run.device)
        if watch is not None and watch.due(run.step, last=last):
            scores |= watch.score(run.average, run.step)
        if run.step % LOG_EVERY == 0 or scores or last:
            means = {name: round(float(value), 4) for name, value in zip(PARTS, np.mean(recent, axis=0), strict=True)}
            row = {"step": run.step, "seconds": round(run.seconds), "rate": f"{run.rate:.2e}", **means, **scores}
            book.write(row)
            log.info("%s", row)
            recent.clear()
        if save:
            run.save()
            draw_log(run.settings.out / "log.csv", run.settings.out / "log.png")
