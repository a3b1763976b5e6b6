"""The curve from the logit of a network to the share of neurites: measured on whole stacks, fitted by cross-entropy."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from neurorecon.core.tree import Tree
from neurorecon.io import read_stack
from neurorecon.nets.model_registry import Model
from neurorecon.segmentation import SegmentSettings, segment
from neurorecon.segmentation.adapt.survey import take_survey
from neurorecon.swc import read_swc
from neurorecon.training.sources.labels import BACKGROUND, IGNORE, label_tree

__all__ = ["count_levels", "count_logits", "fit_curve"]

Counts = NDArray[np.float64]  # (2, 256): voxels by truth and by level (which stands for a logit or a probability)
# Set by hand; not tuned, unless a line says more.
LEAST, MOST = -14.0, 22.0  # range of the logits, which is divided into the 256 levels of a map
KNOTS = (-12.0, -8.0, -4.0, -1.0, 2.0, 5.0, 8.0, 12.0, 18.0)  # logits: the curve is straight between two of them
FLATTEST = 0.02  # of the pieces: the order of the voxels stays


def logits() -> NDArray[np.float64]:
    """Return the logit that each of the 256 levels stands for."""
    return np.linspace(LEAST, MOST, 256)


def count_logits(model: Model, pairs: Iterable[tuple[Path, Path]]) -> Counts:
    """Return how many voxels of (stack, tracing) files have each logit, background and neurites apart."""
    levels = logits()[1:-1]
    share = (levels - LEAST) / (MOST - LEAST)
    spread = tuple((float(x), float(y)) for x, y in zip(levels, np.log(share / (1 - share)), strict=True))
    recalibrated = dataclasses.replace(model, config=dataclasses.replace(model.config, calibration=spread))
    counts = np.zeros((2, 256))
    once = SegmentSettings(half_share=0.0, contrast=0.0)  # the curve is that of a look
    for image, truth in pairs:
        stack = read_stack(image)
        survey = dataclasses.replace(take_survey(stack, once, model=recalibrated), shift=0.0, contrast=0.0)
        found = segment(stack, once, model=recalibrated, survey=survey)
        if found is None:
            raise TypeError("segment gave no probability")
        counts += count_levels(np.asarray(found.on_stack.neurite), read_swc(truth))
    return counts


def count_levels(said: NDArray[np.uint8], truth: Tree) -> Counts:
    """Return how many voxels of a map (Z, Y, X) have each level, background and neurites apart.

    A voxel is a neurite within 1.5 voxels of the tracing; what is near but further away is not counted (labels.py).
    """
    labels = label_tree(truth, said.shape) & 3
    true = (labels != BACKGROUND) & (labels != IGNORE)
    return np.array([np.bincount(said[own], minlength=256) for own in (labels == BACKGROUND, true)], np.float64)


def fit_curve(counts: Sequence[Counts]) -> tuple[tuple[float, float], ...]:
    """Return the points of the curve with the least cross-entropy on sets of stacks that count alike."""
    share = sum((each / each.sum() for each in counts), np.zeros((2, 256))) / len(counts)
    x = logits()
    knots = np.array(KNOTS)
    width = np.diff(knots)
    # y = first + sum_k slope_k * (length of piece k left of x), straight on beyond the ends
    pieces = np.clip(x[:, None] - knots[:-1], 0, width)
    pieces[:, 0] = np.minimum(x - knots[0], width[0])
    pieces[:, -1] = np.maximum(x - knots[-2], 0)

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        y = values[0] + pieces @ values[1:]
        value = (share[0] * np.logaddexp(0, y) + share[1] * np.logaddexp(0, -y)).sum()
        slope = share[0] / (1 + np.exp(-y)) - share[1] / (1 + np.exp(y))
        return float(value * 1e3), 1e3 * np.concatenate([[slope.sum()], slope @ pieces])

    bounds = [(None, None)] + [(FLATTEST, None)] * len(width)
    start = np.concatenate([[knots[0]], np.ones(len(width))])
    best = minimize(
        loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": 2000, "maxfun": 4000}
    ).x
    heights = best[0] + np.concatenate([[0], np.cumsum(best[1:] * width)])
    return tuple((float(a), round(float(b), 3)) for a, b in zip(knots, heights, strict=True))
