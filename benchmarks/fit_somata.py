"""Fit the chance that the best place of a tree is a soma (`tracing/soma/grey_body.py`), and measure what it is worth.

    python benchmarks/fit_somata.py SETS --ids FILE --work FOLDER [FOLDER ...] [--leave-out 47,90,174,263]
        [--real STACKS --real-maps DIR]

SETS holds lifted, hard and dim with ID.tif and its truth ID.swc, in voxels; each FOLDER maps that tracer.py kept, best by a
network whose soma head has not seen the neurons. STACKS holds real stacks ID.tif without a soma, DIR their maps ID.npz. The
best place of the longest tree is right within max(10, 1.5 radii) of the root of the truth, as METRICS.md says; in a real stack
none is. A logistic regression of `right` on ln plain, ln lead and logit of the soma map, within limits of grey_body.py, with
a ridge of RIDGE on weights of features by their standard deviation; a real stack counts REAL times.

Printed are the weights, and what is marked of neurons left out of the fit, eight folds by neuron, at some chances.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
from maps import SETS, load_map, say
from numpy.typing import NDArray
from scipy.optimize import minimize

from neurorecon.core.errors import NoNeuronError
from neurorecon.core.files import read_ids
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree
from neurorecon.io import read_stack
from neurorecon.swc import read_swc
from neurorecon.tracing import TraceSettings, trace
from neurorecon.tracing.skeleton import Skeleton
from neurorecon.tracing.soma import grey_body
from neurorecon.tracing.soma.grey_body import Place, Thickest

Floats = NDArray[np.float64]

SETTINGS = TraceSettings(units="voxel")
WITHOUT_SOMA = "47,90,174,263"  # of the Gold166 neurons in the sets
RIDGE = 0.5
REAL = 1.5  # 14 stacks stand for many users' stacks in which no soma is
FOLDS = 8
CHANCES = (0.5, 0.6, 0.7, 0.75, 0.8)
LEAST_PX, LEAST_RADII = 10.0, 1.5  # METRICS.md


@dataclass(frozen=True, slots=True)
class Seen:
    """The best place of the longest tree of a stack: set, neuron, the place, whether it is right, and its weight."""

    name: str
    neuron: str
    place: Thickest
    right: bool
    weight: float


def best_place(probability: Probability, stack: Stack) -> Thickest | None:
    """Return the best place of the longest tree of a stack, before a piece of the map takes its place.

    It is None where somata were found before it was asked for.
    """
    seen: list[tuple[int, Thickest]] = []
    look = grey_body.best_of

    def watched(found: list[Place], skeleton: Skeleton, shape: tuple[int, ...], *, mapped: bool) -> Thickest:
        place = look(found, skeleton, shape, mapped=mapped)
        seen.append((len(skeleton), place))
        return place

    try:
        with patch.object(grey_body, "best_of", watched):
            trace(probability, SETTINGS, stack=stack)
    except NoNeuronError:
        return None
    return max(seen, key=lambda one: one[0])[1] if seen else None


def is_right(place: Thickest, planes: int, truth: Tree) -> bool:
    """Return whether a place is at the root of the truth, which is in voxels of the stack."""
    root = int(np.flatnonzero(truth.parent < 0)[0])
    away = np.linalg.norm((place.zyx / (planes, 1, 1))[::-1] - truth.xyz[root])
    return bool(away <= max(LEAST_PX, LEAST_RADII * truth.radius[root]))


def observe(args: argparse.Namespace) -> list[Seen]:
    """Trace all stacks and return what they tell."""
    wanted, seen = read_ids(args.ids) - set(args.leave_out.split(",")), []
    for folder in args.work:
        for path in [one for name in SETS for one in sorted((args.sets / name).glob("*.tif"))]:
            kept = folder / "net" / f"{path.parent.name}_{path.stem}.npz"
            if path.stem not in wanted or not kept.exists():
                continue
            found = replace(load_map(kept), voxel_size=None)
            place = best_place(found, replace(read_stack(path), voxel_size=None))
            if place is not None:
                right = is_right(place, found.planes, read_swc(path.with_suffix(".swc")))
                seen.append(Seen(path.parent.name, path.stem, place, right, 1.0))
            say(f"{folder} {kept.stem}")
    for path in sorted(args.real.glob("*.tif")) if args.real else []:
        kept = args.real_maps / f"{path.stem}.npz"
        place = best_place(load_map(kept), read_stack(path)) if kept.exists() else None
        if place is not None:
            seen.append(Seen("real", path.stem, place, False, REAL))
        say(path.stem)
    return seen


def features_of(place: Thickest) -> list[float]:
    """Return what the chance of a place is made of."""
    likely = float(np.clip(place.likely, *grey_body.MAP_WITHIN))
    shape = (
        grey_body.log_within(place.plain, grey_body.PLAIN_WITHIN),
        grey_body.log_within(place.lead, grey_body.LEAD_WITHIN),
    )
    return [*shape, float(np.log(likely / (1 - likely)))]


def fitted(features: Floats, right: NDArray[np.bool_], weight: Floats) -> Floats:
    """Return the weights of the features, and the offset."""
    scale = features.std(0) + 1e-9
    scaled = features / scale

    def loss(w: Floats) -> tuple[float, Floats]:
        s = scaled @ w[:-1] + w[-1]
        off = weight * (1 / (1 + np.exp(-s)) - right)
        value = (weight * (np.logaddexp(0, s) - right * s)).sum() + RIDGE * (w[:-1] ** 2).sum()
        return float(value), np.append(scaled.T @ off + 2 * RIDGE * w[:-1], off.sum())

    found = minimize(loss, np.zeros(features.shape[1] + 1), jac=True, method="L-BFGS-B").x
    return np.append(found[:-1] / scale, found[-1])


def main() -> None:
    """Print the weights, and a row a chance and a set."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sets", type=Path)
    parser.add_argument("--ids", type=Path, required=True)
    parser.add_argument("--work", type=Path, nargs="+", required=True)
    parser.add_argument("--leave-out", default=WITHOUT_SOMA)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--real-maps", type=Path)
    seen = observe(parser.parse_args())
    features = np.array([features_of(one.place) for one in seen])
    right, weight = np.array([one.right for one in seen]), np.array([one.weight for one in seen])
    print("plain, lead, map, offset:", fitted(features, right, weight).round(2).tolist())
    neurons = sorted({one.neuron for one in seen})
    fold = np.array([neurons.index(one.neuron) % FOLDS for one in seen])
    score = np.zeros(len(seen))
    for k in range(FOLDS):
        w = fitted(features[fold != k], right[fold != k], weight[fold != k])
        score[fold == k] = features[fold == k] @ w[:-1] + w[-1]
    able = np.array([not one.place.cut and one.place.room >= grey_body.LEAST_ROOM for one in seen])
    print("| chance | set | n | root | marked | false |\n|---|---|---|---|---|---|")
    for least in CHANCES:
        marked = able & (1 / (1 + np.exp(-score)) >= least)
        for name in (*SETS, "real"):
            own = np.array([one.name == name for one in seen])
            if own.any():
                share = f"{right[own].mean():.3f} | {(marked & right)[own].mean():.3f} | {(marked & ~right)[own].sum()}"
                print(f"| {least} | {name} | {own.sum()} | {share} |")


if __name__ == "__main__":
    main()
