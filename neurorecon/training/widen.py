"""Widen a trained network without changing its output: capacity is added without training from scratch.

Net2WiderNet (Chen, Goodfellow and Shlens 2016, arXiv 1511.05641): every channel of the convolutional path is there several
times, and what reads it splits its weight among the copies. Each channel has as many copies, so mean and deviation over
the channels of a voxel stay what they were, and with them the norms. The split is uneven, by chance: copies that are read
alike would learn alike.
"""

import dataclasses

import torch
from torch import Tensor, nn

from neurorecon.core.errors import ModelError
from neurorecon.nets.layers import ChannelNorm
from neurorecon.nets.student import NeuriteViT

__all__ = ["widened"]

# Set by hand; not tuned, unless a line says more.
UNEVEN = 0.5  # of an even share: largest difference of the share of a copy from it


def widened(net: NeuriteViT, factor: int) -> NeuriteViT:
    """Return a network with `factor` times the channels at each level of the convolutions, and the same answers.

    The tokens stay as wide as they are. The split is drawn from torch's random stream.

    Raises:
        ModelError: if the tubes of the network are bent by its features, which read the channels in their own way.
    """
    if net.config.embed == "dynamic":
        raise ModelError("a network with dynamic tubes cannot be widened; start from one with static tubes or none")
    channels = tuple(factor * each for each in net.config.channels)
    wide = NeuriteViT(dataclasses.replace(net.config, channels=channels))
    state = net.state_dict()
    for name, module in wide.named_modules():
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d | ChannelNorm):
            for key, parameter in module.named_parameters(prefix=name, recurse=False):
                out, into = (1, 0) if isinstance(module, nn.ConvTranspose3d) else (0, 1)
                state[key] = _copied(state[key], parameter, out)
                if parameter.ndim > 1:
                    state[key] = _split(state[key], parameter, into)
    wide.load_state_dict(state)
    return wide.train(net.training)


def _copied(weight: Tensor, like: Tensor, axis: int) -> Tensor:
    """Return the channels that a layer writes as often as `like` has them; a bias and a norm have one axis alone."""
    axis = min(axis, weight.ndim - 1)
    return weight.repeat_interleave(like.shape[axis] // weight.shape[axis], axis)


def _split(weight: Tensor, like: Tensor, axis: int) -> Tensor:
    """Return the weights of the channels that a layer reads, split among the copies in `like`."""
    copies = like.shape[axis] // weight.shape[axis]
    if copies == 1:
        return weight
    out = weight.repeat_interleave(copies, axis)
    share = 1 + UNEVEN * (2 * torch.rand(*weight.shape[:2], copies) - 1)
    share = (share / share.sum(-1, keepdim=True)).to(weight)  # (out, in, copies), or (in, out, copies)
    share = share.flatten(1) if axis == 1 else share.transpose(1, 2).flatten(0, 1)
    return out * share.reshape(*share.shape, *[1] * (weight.ndim - 2))
