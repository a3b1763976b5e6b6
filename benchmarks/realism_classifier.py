"""A two-sample test: two classifiers try to tell synthetic patches from real ones.

Boosted stumps (Friedman 2001, Ann. Stat. 29, 1189) see moments, quantiles and autocorrelations of what a few filters leave
of a patch; a small 3D convolutional net sees its voxels, on the scale of the block (median 0, bright level 1). Each patch
is judged by a classifier that saw no patch of its group: a specimen, or a crop. The area under the curve is 0.5 where
nobody can tell, and 1 where everybody can.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

__all__ = ["area_out_of_fold", "boosted", "features", "trained_net"]

PATCH = (24, 48, 48)
SIGMAS = (0.7, 1.5, 3.0)  # voxels, of band-pass filters
LAGS = (1, 2, 4)
QUANTILES = (0.01, 0.1, 0.5, 0.9, 0.99)
BINS = 24  # thresholds tried of each feature
ROUNDS, RATE = 150, 0.2  # chosen for a steady out-of-fold area on patches of both kinds
FOLDS = 5
CHANNELS = (8, 16, 32)  # of the net, each with half of the resolution of the one before
EPOCHS, BATCH, STEP = 12, 16, 3e-3  # of its training; more epochs do not raise the area

Judge = Callable[[NDArray[np.floating], NDArray[np.bool_], NDArray[np.floating]], NDArray[np.float64]]


def features(patch: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return some seventy numbers (F,) of a patch (Z, Y, X) on the scale of its block."""
    grey = np.clip(np.asarray(patch, np.float32), -3, 3)
    found = [*np.quantile(grey, QUANTILES), grey.std(), (grey == grey.min()).mean(), (grey == grey.max()).mean()]
    found += [grey.mean((1, 2)).std(), grey.mean((0, 2)).std(), grey.mean((0, 1)).std()]
    found += [np.log(np.unique(grey).size)]
    finer = grey
    for sigma in SIGMAS:
        coarser = gaussian_filter(grey, sigma)
        found += _moments(finer - coarser)
        finer = coarser
    for axis in range(3):
        found += _moments(np.diff(grey, axis=axis))
    centred = grey - gaussian_filter(grey, (0, 6, 6))
    power = float((centred**2).mean()) + 1e-9
    for axis in range(3):
        along = np.moveaxis(centred, axis, 0)
        found += [float((along[:-lag] * along[lag:]).mean()) / power for lag in LAGS]
    return np.nan_to_num(np.asarray(found, np.float64))


def _moments(field: NDArray[np.float32]) -> list[float]:
    """Return log spread, skewness, kurtosis, and the spread of the quiet half by that of all."""
    spread = float(field.std()) + 1e-6
    unit = (field - field.mean()) / spread
    quiet = float(np.quantile(np.abs(unit), 0.5))
    return [np.log(spread), float(np.cbrt((unit**3).mean())), float(np.log((unit**4).mean() + 1e-6)), quiet]


def area_out_of_fold(
    table: NDArray[np.floating], real: NDArray[np.bool_], group: NDArray[np.int64], judge: Judge, *, seed: int = 0
) -> float:
    """Return the area under the curve of a judge that saw no row of the group of those that it judges: mean of the folds.

    Args:
        table: (N, ...), a row a patch.
        real: (N,), whether it is real.
        group: (N,), the specimen or crop that it is of.
        judge: gives a score to rows after training on others.
        seed: of the folds.
    """
    rng = np.random.default_rng(seed)
    fold = np.zeros(len(table), np.int64)
    for kind in (True, False):
        for k, name in enumerate(rng.permutation(np.unique(group[real == kind]))):
            fold[(group == name) & (real == kind)] = k % FOLDS
    areas = []
    for k in range(FOLDS):
        score = judge(table[fold != k], real[fold != k], table[fold == k])
        areas.append(auc(score, real[fold == k]))  # one fold at a time: each has a scale of its own
    return float(np.mean(areas))


def boosted(seen: NDArray[np.float64], real: NDArray[np.bool_], asked: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the score (M,) of rows `asked` after training on rows `seen`; both kinds weigh the same."""
    cuts = np.quantile(seen, np.linspace(0, 1, BINS + 2)[1:-1], axis=0).T  # (F, BINS)
    above = (seen[:, :, None] > cuts[None]).reshape(len(seen), -1).astype(np.float64)
    asked_above = (asked[:, :, None] > cuts[None]).reshape(len(asked), -1)
    weight = np.where(real, 0.5 / real.mean(), 0.5 / (~real).mean())
    value, answer = np.zeros(len(seen)), np.zeros(len(asked))
    for _ in range(ROUNDS):
        chance = 1 / (1 + np.exp(-value))
        pull, stiff = weight * (real - chance), weight * chance * (1 - chance)
        high_pull, high_stiff = pull @ above, stiff @ above
        low_pull, low_stiff = pull.sum() - high_pull, stiff.sum() - high_stiff
        gain = high_pull**2 / (high_stiff + 1) + low_pull**2 / (low_stiff + 1)
        best = int(gain.argmax())
        high, low = high_pull[best] / (high_stiff[best] + 1), low_pull[best] / (low_stiff[best] + 1)
        value += RATE * np.where(above[:, best] > 0, high, low)
        answer += RATE * np.where(asked_above[:, best], high, low)
    return answer


def trained_net(
    seen: NDArray[np.floating], real: NDArray[np.bool_], asked: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the score (M,) of patches `asked` (M, Z, Y, X) by a net trained on patches `seen`; both kinds weigh the same."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    layers: list[torch.nn.Module] = []
    for width, wider in zip((1, *CHANNELS), CHANNELS, strict=False):
        layers += [torch.nn.Conv3d(width, wider, 3, 2, 1), torch.nn.BatchNorm3d(wider), torch.nn.ReLU()]
    net = torch.nn.Sequential(
        *layers, torch.nn.AdaptiveAvgPool3d(1), torch.nn.Flatten(), torch.nn.Linear(CHANNELS[-1], 1)
    )
    steps = torch.optim.AdamW(net.parameters(), STEP, weight_decay=0.01)
    ahead = torch.optim.lr_scheduler.OneCycleLR(steps, STEP, total_steps=EPOCHS * (len(seen) // BATCH))
    weight = np.where(real, 0.5 / real.mean(), 0.5 / (~real).mean())
    for _ in range(EPOCHS):
        order = rng.permutation(len(seen))
        for start in range(0, len(seen) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            flips = [axis for axis in (2, 3, 4) if rng.random() < 0.5]
            said = net(torch.from_numpy(seen[rows].astype(np.float32))[:, None].flip(flips))[:, 0]
            truth, share = torch.from_numpy(real[rows].astype(np.float32)), torch.from_numpy(weight[rows])
            loss = torch.nn.functional.binary_cross_entropy_with_logits(said, truth, share)
            steps.zero_grad()
            loss.backward()
            steps.step()
            ahead.step()
    with torch.inference_mode():
        return np.asarray(net.eval()(torch.from_numpy(asked.astype(np.float32))[:, None])[:, 0], np.float64)


def auc(score: NDArray[np.float64], real: NDArray[np.bool_]) -> float:
    """Return the chance that a real row scores above a synthetic one."""
    rank = rankdata(score)
    count = int(real.sum())
    return float((rank[real].sum() - count * (count + 1) / 2) / (count * (len(real) - count)))
