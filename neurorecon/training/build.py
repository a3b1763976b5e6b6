"""The network at the start of a run: random, transferred from a teacher, or another run's."""

import dataclasses

import torch
from torch import nn

from neurorecon.nets.model_registry import load_model
from neurorecon.nets.student import NeuriteViT
from neurorecon.training.settings import TrainSettings
from neurorecon.training.teaching.teacher import Teacher, load_teacher
from neurorecon.training.teaching.transfer import shape_for, transfer
from neurorecon.training.widen import widened

__all__ = ["groups_of", "student_of"]

# Parts with the weights of a teacher, or that depend on them.
TOKEN_PARTS = ("embed.", "patch.", "positions.", "prefix", "blocks.")
SHAPES = ("patch.steps", "patch.predict", "tubes.predict")  # of tubes: in voxels, not in units of a weight
# Set by hand; not tuned, unless a line says more.
SHAPE_RATE = 5.0  # times the rate: a tube has to move by whole voxels to be another tube


def student_of(settings: TrainSettings) -> tuple[NeuriteViT, Teacher | None]:
    """Return the network with which a run starts, and the teacher where there is one.

    With `start` alone the run continues that model. With `start` and a teacher the convolutional path continues the model, and
    the tokens start from the teacher. With `widen` the convolutions get more channels first. With `bodies` the model gets a
    head for cell bodies, and is not changed otherwise.

    Raises:
        ModelError: if `start` or the teacher's file cannot be used.
        InputError: if the teacher is unknown.
    """
    first = None if settings.start is None else widened(load_model(settings.start).net, settings.widen)
    if first is not None and settings.skips is not None:
        first = with_skips(first, settings.skips)
    if first is not None and settings.bodies:
        return with_bodies(first, settings.bodies), None
    shape = settings.net if first is None else first.config
    if settings.teacher is None:
        return (NeuriteViT(shape) if first is None else first.train().requires_grad_(True)), None
    teacher = load_teacher(settings.teacher.name, settings.teacher.weights)
    if first is not None and not settings.teacher.blocks and settings.teacher.patch == "scratch":
        return first.train().requires_grad_(True), teacher  # only the latent space is matched
    net = NeuriteViT(shape_for(dataclasses.replace(shape, tube=settings.net.tube), settings.teacher, teacher))
    if first is not None:
        state = {k: v for k, v in first.state_dict().items() if not k.startswith(TOKEN_PARTS)}
        net.load_state_dict(state, strict=False)
    transfer(net, teacher, settings.teacher)
    return net, teacher


def with_skips(net: NeuriteViT, skips: int) -> NeuriteViT:
    """Return a network with the weights of `net` whose decoder is given the features of the finest `skips` levels."""
    made = NeuriteViT(dataclasses.replace(net.config, skips=skips))
    made.load_state_dict(net.state_dict())
    return made


def with_bodies(net: NeuriteViT, channels: int) -> NeuriteViT:
    """Return a network with the weights of `net` and a head for cell bodies: its own if that is as wide, else a new one.

    Only the head learns.
    """
    made = NeuriteViT(dataclasses.replace(net.config, bodies=channels))
    kept = net.config.bodies == channels
    state = {key: value for key, value in net.state_dict().items() if kept or not key.startswith("bodies.")}
    made.load_state_dict(state, strict=False)
    for name, parameter in made.named_parameters():
        parameter.requires_grad_(name.startswith("bodies."))
    return made.train()


def groups_of(modules: list[nn.Module], settings: TrainSettings) -> list[dict[str, object]]:
    """Return AdamW's parameter groups: layer-wise rates, weight decay on matrices and kernels alone.

    With d blocks, block i learns at `layer_decay ** (d - i)` of the rate and the layers before the blocks at
    `layer_decay ** (d + 1)`; convolutions and heads at the full rate (Clark et al. 2020, ELECTRA; Bao et al. 2022, BEiT).
    The key `share` of a group is that factor.
    """
    found: dict[tuple[float, float], list[torch.Tensor]] = {}
    for module in modules:
        depth = len(module.blocks) if isinstance(module, NeuriteViT) else 0
        for name, parameter in module.named_parameters():
            if not parameter.requires_grad:
                continue
            before = name.startswith(("positions.", "prefix", "patch."))
            level = depth + 1 if before else depth - int(name.split(".")[1]) if name.startswith("blocks.") else 0
            share = SHAPE_RATE if name.startswith(SHAPES) else settings.layer_decay**level
            plain = parameter.ndim <= 1 or name.startswith(("positions.", "prefix", *SHAPES))
            found.setdefault((share, 0.0 if plain else settings.weight_decay), []).append(parameter)
    return [
        {"params": parameters, "weight_decay": decay, "share": share} for (share, decay), parameters in found.items()
    ]
