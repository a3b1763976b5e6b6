"""Cell bodies of synthetic neurons, large and small, with dark nuclei, in voxels of several shapes: is the soma at its place?

    python benchmarks/bodies.py [--radii 2.5,4,6,9,14,20,30] [--nuclei 0,0.6,1] [--anisotropy 1,3] [--seed 1] [--work DIR]

Each stack holds a neuron of one to six dendrites, drawn with a light, a noise, a texture and a shape of the body by chance.
A line a stack: how far the root and the nearest soma lie from the middle of the drawn body, in radii of a ball of its volume,
and the radius of that soma by that of the ball. At the end the shares of stacks of which the root lies in the body, and of
which the nearest soma lies within HALF a radius of its middle. `--work` keeps the maps.
"""

import argparse
import itertools
import pickle
from pathlib import Path

import numpy as np
from maps import say
from numpy.typing import NDArray

from neurorecon.core.errors import NoNeuronError
from neurorecon.core.geometry import ball_radius
from neurorecon.core.probability import Probability
from neurorecon.core.tree import NodeType, Tree
from neurorecon.segmentation import segment
from neurorecon.synth import Synthetic, SynthSettings, synthesize
from neurorecon.tracing import trace

STEP, TURN = 2.0, 0.12  # um: from node to node of a dendrite, and how much it turns there
MOST = 6  # dendrites with their branches that leave the body at one place
FORK = 0.03  # chance of a branch at a node
SHAPES = ("ball", "pear", "spindle", "star")
PHOTONS, TEXTURE, LIGHT = (15, 40, 100), (0, 0.05, 0.15), (0.8, 1.2, 2.0)  # of SynthSettings; one of each a stack
HALF = 0.5


def unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a vector of length 1."""
    return np.asarray(vector / np.linalg.norm(vector))


def neuron(radius: float, rng: np.random.Generator) -> Tree:
    """Return a body at the origin with dendrites that begin at its surface, in micrometres."""
    nodes = [(np.zeros(3), radius, -1, int(NodeType.SOMA))]
    for _ in range(int(rng.integers(1, 7))):
        way = unit(rng.normal(size=3) * (1, 1, 0.5))
        thick = min(3.0, max(1.0, radius / 3)) * rng.uniform(0.6, 1.2)
        left = [(way, way * radius, 0, thick, int(rng.integers(20, 60)))]
        for _ in range(MOST):
            if not left:
                break
            way, at, above, thick, steps = left.pop()
            for step in range(steps):
                outward = 0.2 * unit(at) if np.linalg.norm(at) < 1.5 * radius else np.zeros(3)
                way = unit(unit(way + rng.normal(size=3) * TURN) + outward)
                at = at + way * STEP
                nodes.append((at, thick, above, int(NodeType.DENDRITE)))
                above, thick = len(nodes) - 1, max(0.9, thick * 0.99)
                if step > 8 and rng.random() < FORK:
                    left.append(
                        (unit(way + rng.normal(size=3) * 0.6), at, above, thick * 0.8, int(rng.integers(15, 40)))
                    )
    xyz, radii, parent, kind = (np.array(column) for column in zip(*nodes, strict=True))
    return Tree(xyz, radii, parent, kind, "um")


def drawn(radius: float, nucleus: float, planes: float, seed: tuple[int, ...]) -> Synthetic:
    """Return the stack of a neuron, its planes `planes` um apart and its pixels 1 um wide."""
    rng = np.random.default_rng(seed)
    tree = neuron(radius, rng)
    shape, photons, texture, light = (
        str(rng.choice(SHAPES)),
        *(float(rng.choice(v)) for v in (PHOTONS, TEXTURE, LIGHT)),
    )
    settings = SynthSettings(
        seed=int(rng.integers(1 << 30)), voxel_size=(planes, 1.0, 1.0), soma_nucleus=nucleus,
        soma_shape=shape, photons=photons, texture=texture, soma_brightness=light,  # type: ignore[arg-type]
    )  # fmt: skip
    return synthesize(tree, settings)


def map_of(made: Synthetic, path: Path | None) -> Probability:
    """Return the map of the shipped network, kept at a path if there is one."""
    if path is not None and path.exists():
        return pickle.loads(path.read_bytes())[1]
    found = segment(made.stack)
    if path is not None:
        path.write_bytes(pickle.dumps((made, found)))
    return found


def scored(made: Synthetic, probability: Probability, edges: NDArray[np.float64]) -> tuple[float, float, float, int]:
    """Return distance of the nearest root and of the nearest soma in radii, radius of that soma in radii, number of somata.

    `edges` (3,) zyx are those of a voxel, in um.
    """
    voxels = np.argwhere(made.soma)
    middle, ball = (voxels.mean(0) * edges)[::-1], ball_radius(len(voxels) * float(np.prod(edges)))
    try:
        tree = trace(probability, stack=made.stack)
    except NoNeuronError:
        return np.inf, np.inf, 0.0, 0
    away = np.linalg.norm(tree.xyz - middle, axis=1) / ball
    somata = np.flatnonzero(tree.type == NodeType.SOMA)
    nearest = somata[away[somata].argmin()] if len(somata) else -1
    soma = (float(away[nearest]), float(tree.radius[nearest]) / ball) if len(somata) else (np.inf, 0.0)
    return float(away[tree.roots].min()), *soma, len(somata)


def numbers(text: str) -> list[float]:
    """Return numbers with commas between."""
    return [float(part) for part in text.split(",")]


def main() -> None:
    """Draw the neurons, trace them and print how well their bodies are found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--radii", type=numbers, default=numbers("2.5,4,6,9,14,20,30"), help="of the bodies, um")
    parser.add_argument("--nuclei", type=numbers, default=numbers("0,0.6,1"), help="darkness of the nucleus")
    parser.add_argument("--anisotropy", type=numbers, default=numbers("1,3"), help="distance of the planes, um")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, help="folder where maps are kept")
    args = parser.parse_args()
    if args.work:
        args.work.mkdir(parents=True, exist_ok=True)
    found = []
    for number, (radius, nucleus, planes) in enumerate(itertools.product(args.radii, args.nuclei, args.anisotropy)):
        made = drawn(radius, nucleus, planes, (args.seed, number))
        name = f"r{radius:g}_n{nucleus:g}_a{planes:g}"
        root, soma, size, somata = scored(
            made, map_of(made, args.work and args.work / f"{name}.pkl"), np.array([planes, 1.0, 1.0])
        )
        found.append((root < 1, soma < HALF, somata > 1))
        print(f"{name:<14} root {root:.2f} soma {soma:.2f} radius {size:.2f} somata {somata}", flush=True)
        say(name)
    root, soma, several = np.mean(found, axis=0)
    print(
        f"{len(found)} stacks: root in the body {root:.2f}, soma at its place {soma:.2f}, more than one soma {several:.2f}"
    )


if __name__ == "__main__":
    main()
