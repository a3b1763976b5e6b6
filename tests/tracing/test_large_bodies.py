"""Bodies larger than what the network sees at once: one node each, solid or with a dark nucleus, with neurites around them."""

import numpy as np
import pytest

import neurorecon
from neurorecon.core.tree import NodeType, Tree
from neurorecon.pipeline import ReconstructSettings
from neurorecon.segmentation import SegmentSettings
from neurorecon.synth import SynthSettings, synthesize
from neurorecon.tracing import TraceSettings


def neuron(radius, shape, rng):
    """A body in the middle of a stack (Z, Y, X), with five dendrites that begin at its surface."""
    middle = np.array(shape[::-1]) / 2
    nodes = [(middle, float(radius), -1, NodeType.SOMA)]
    for _ in range(5):
        way, above, thick = rng.normal(size=3) * (1, 1, 0.3), 0, 3.0
        way /= np.linalg.norm(way)
        at = middle + way * radius
        for _ in range(60):
            way = (way + rng.normal(size=3) * 0.12) * (1, 1, 0.9)
            way /= np.linalg.norm(way)
            at = at + way * 2.5
            if ((at < 4) | (at > np.array(shape[::-1]) - 5)).any():
                break
            nodes.append((at, thick, above, NodeType.DENDRITE))
            above, thick = len(nodes) - 1, max(1.2, thick * 0.985)
    xyz, radii, parent, kind = (np.array(column) for column in zip(*nodes, strict=True))
    return Tree(xyz, radii, parent, kind, "voxel")


@pytest.mark.slow
@pytest.mark.parametrize("nucleus", [0.0, 1.0])
@pytest.mark.parametrize("radius", [16, 24])
def test_a_large_body_is_one_node_at_its_place(radius, nucleus):
    shape = (int(2.6 * radius), 4 * radius + 100, 4 * radius + 100)
    tree = neuron(radius, shape, np.random.default_rng(radius))
    made = synthesize(tree, SynthSettings(soma_nucleus=nucleus, seed=radius))
    settings = ReconstructSettings(SegmentSettings(device="cpu"), TraceSettings(units="voxel"))
    found = neurorecon.reconstruct(made.stack, settings).tree
    (soma,) = np.flatnonzero(found.type == NodeType.SOMA)
    ball = (3 * made.soma.sum() / (4 * np.pi)) ** (1 / 3)
    assert found.parent[soma] == -1
    middle = np.argwhere(made.soma)[:, ::-1].mean(0)  # of the drawn body, which is lopsided: the root is off by a fifth
    assert np.linalg.norm(found.xyz[soma] - middle) < 0.4 * ball
    assert found.radius[soma] == pytest.approx(ball, rel=0.3)
