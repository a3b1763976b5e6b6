"""Morphologies whose kinds of neurite are known, and what a tracer would have left of them.

The corpus is a ZIP of SWC files in um, one folder a group. Of a group that begins with `fly` no cable has a kind; of the
others types 2, 3 and 4 are the truth, 5 to 7 of `aberra_human` are parts of its axon, and all else is not counted.
"""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from neurorecon.core.forest import children, heads, oriented, summed_below
from neurorecon.core.tree import NodeType, Tree

FLY, HUMAN = "fly", "aberra_human"
UNKNOWN = -1  # truth that is not counted
LINK_UM, AT_SOMA_UM = 6.0, 20.0  # between neurites that a tracer may mix up; between two at a soma
# Folder of the corpus -> laboratory, as the names of its files and README tell
LABS = {
    "rat_cortex": "Markram", "bbp": "Markram", "rat_l6b": "Feldmeyer", "climbing": "Sugihara", "motoneuron": "Burke",
    "purkinje": "purkinje", "hippocampal": "Wierenga", "rat_ca1": "Gulyas", "ca1_slice": "slice culture", "fly": "fly",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Neuron:
    """A neuron whose kinds are known: `truth` (N,) is that of the edge above each node, UNKNOWN where it does not count."""

    name: str
    group: str
    tree: Tree
    truth: NDArray[np.int64]

    @property
    def lab(self) -> str:
        """The laboratory it comes from."""
        return next((lab for start, lab in LABS.items() if self.group.startswith(start)), self.group)

    @property
    def animal(self) -> str:
        """Neurons of one animal, cell or series share this name: letters and the number of a file's name."""
        stem = Path(self.name).stem.lower()
        for word in ("left_", "right_", "dentrite_", "axon_", "_left", "_right"):
            stem = stem.replace(word, "")
        if self.group.startswith("fly"):
            return "fly " + re.sub(r"[_ -]*(neuron|t[123])[_\d -]*", " ", stem)[:40]
        found = re.match(r"[a-z_-]*\d+", stem)
        return (
            self.group if self.group in ("hippocampal_interneuron_axon", "hippocampal_interneuron_dendrite") else ""
        ) + (found.group() if found else stem)


def read_corpus(path: Path) -> list[Neuron]:
    """Return all neurons of the corpus, in the order of its names."""
    found = []
    with zipfile.ZipFile(path) as archive:
        for name in sorted(n for n in archive.namelist() if n.endswith(".swc")):
            rows = [r.split()[:7] for r in archive.read(name).decode().splitlines() if r.strip() and r[0] != "#"]
            table = np.array(rows, float)
            found.append(neuron_of(name, table))
    return found


def neuron_of(name: str, table: NDArray[np.float64]) -> Neuron:
    """Return the neuron of an SWC table (N, 7), whose parents come first."""
    group = name.split("/")[0]
    kind = table[:, 1].astype(np.int64)
    parent = np.where(table[:, 6] < 0, -1, np.searchsorted(table[:, 0], table[:, 6])).astype(np.int64)
    truth = np.where(np.isin(kind, (2, 3, 4)), kind, UNKNOWN)
    if group == HUMAN:
        truth[kind > 4] = NodeType.AXON
    body = kind == NodeType.SOMA
    if group.startswith(FLY):
        truth[:] = 0
        body &= parent < 0
    truth[body] = UNKNOWN
    tree = Tree(table[:, 2:5], table[:, 5], parent=parent, type=np.where(body, NodeType.SOMA, 0))
    return Neuron(name, group, tree, truth)


def folds_of(names: list[str], count: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each name (N,); equal names are in one fold."""
    own = sorted(set(names))
    number = np.random.default_rng(seed).permutation(len(own)) % count
    return np.array([number[own.index(name)] for name in names])


def finer(neuron: Neuron, step: float) -> tuple[Tree, NDArray[np.int64]]:
    """Return the tree with nodes at most `step` um apart, and the truth of its nodes."""
    tree = neuron.tree
    count = np.maximum(np.ceil(tree.edge_length / step), 1).astype(np.int64)
    node = np.repeat(np.arange(len(tree)), count)
    last = np.cumsum(count) - 1
    share = (np.arange(len(node)) - (last - count)[node]) / count[node]
    up = np.where(tree.parent < 0, np.arange(len(tree)), tree.parent)[node]
    xyz = tree.xyz[up] + share[:, None] * (tree.xyz[node] - tree.xyz[up])
    body = tree.type[up] == NodeType.SOMA  # the soma's own radius is no neurite's
    radius = np.where(body, tree.radius[node], tree.radius[up] + share * (tree.radius[node] - tree.radius[up]))
    parent = np.arange(len(node)) - 1
    first = np.flatnonzero(np.r_[True, node[1:] != node[:-1]])
    parent[first] = np.where(tree.parent < 0, -1, last[tree.parent])
    kind = np.zeros(len(node), np.int64)
    kind[last] = tree.type
    kind[(tree.type[node] == NodeType.SOMA) & (tree.type[up] == NodeType.SOMA)] = NodeType.SOMA
    return Tree(xyz, radius, parent=parent, type=kind), neuron.truth[node]


@dataclass(frozen=True, slots=True)
class Harm:
    """What a stack and a tracer do to a neuron; `hard` from 0 to 1 is how bad, and the numbers are drawn by its seed."""

    hard: float = 0.5
    whole: float = 0.4  # share of the neurons that lie in their stack as a whole
    no_soma: float = 0.25  # share whose soma is not found, or lies outside


def degraded(neuron: Neuron, rng: np.random.Generator, harm: Harm = Harm()) -> tuple[Tree, NDArray[np.int64]]:
    """Return what a tracer might leave of a neuron, and the truth of its nodes: see docs/kinds.md."""
    tree, truth = finer(neuron, 2.0)
    keep = np.ones(len(tree), bool)
    if rng.random() > harm.whole:
        keep &= _in_stack(tree, rng)
    keep &= ~_lost(tree, rng, harm.hard)
    tree, truth = _cut(tree, truth, keep, rng)
    tree, truth = _wrongly_linked(tree, truth, rng, harm.hard)
    jitter = rng.normal(0, 0.1 + 0.5 * harm.hard * rng.random(), (len(tree), 3))
    xyz = tree.xyz * rng.uniform(0.85, 1.2) * rng.normal(1, 0.04, 3) + jitter
    radius = _wrong(tree, rng, harm.hard)
    tree = Tree(xyz, radius, parent=tree.parent, type=tree.type)
    tree, truth = _with_false_twigs(tree, truth, rng, harm.hard)
    if rng.random() < harm.no_soma or not (tree.type == NodeType.SOMA).any():
        tree, truth = _without_soma(tree, truth, rng)
    return tree, truth


def _in_stack(tree: Tree, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which nodes lie in a stack of usual size, turned at random, that holds a random node or the soma."""
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    centre = tree.xyz[0] if rng.random() < 0.75 else tree.xyz[rng.integers(len(tree))]
    wide, deep = np.exp(rng.uniform(np.log(200), np.log(1200))), np.exp(rng.uniform(np.log(60), np.log(500)))
    half = np.array([wide, wide, min(wide, deep)]) / 2
    offset = rng.uniform(-0.6, 0.6, 3) * half
    return (np.abs((tree.xyz - centre) @ turn - offset) < half).all(1)


def _lost(tree: Tree, rng: np.random.Generator, hard: float) -> NDArray[np.bool_]:
    """Return which nodes are missed: twigs, the thin ones most, and all that hangs on a place that was not seen."""
    length = tree.edge_length
    head = heads(tree.parent)
    below = summed_below(tree.parent, length)
    thin = 1 / (1 + (tree.radius / np.median(tree.radius)) ** 2)
    starts = np.flatnonzero(head == np.arange(len(tree)))
    short = np.exp(-below[starts] / 25.0)
    chance = hard * (0.6 * short + 0.03 * thin[starts])
    lost = np.zeros(len(tree), bool)
    lost[starts] = rng.random(len(starts)) < chance
    lost |= rng.random(len(tree)) < hard * 0.5e-3 * length * thin
    lost[tree.parent < 0] = False
    for row, up in enumerate(tree.parent.tolist()):
        if up >= 0 and lost[up]:
            lost[row] = True
    return lost


def _cut(
    tree: Tree, truth: NDArray[np.int64], keep: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Tree, NDArray[np.int64]]:
    """Return the nodes that are kept without crumbs; a piece that is cut off is a tree of its own, or lost."""
    if keep.sum() < 30:
        keep = np.ones(len(tree), bool)
    rows = np.flatnonzero(keep)
    part, own = tree.take(rows), truth[rows]
    root = part.root_of()
    cable = np.bincount(root, part.edge_length, len(part))
    stays = cable > 60.0
    stays &= (rng.random(len(part)) < 0.7) | (part.type == NodeType.SOMA) | (cable == cable.max())
    stays[cable.argmax()] = True
    rows = np.flatnonzero(stays[root])
    return part.take(rows), own[rows]


def _wrongly_linked(
    tree: Tree, truth: NDArray[np.int64], rng: np.random.Generator, hard: float
) -> tuple[Tree, NDArray[np.int64]]:
    """Return the tree with branches hung on another neurite that passes within LINK_UM, up to one a millimetre."""
    head, parent = heads(tree.parent), tree.parent.copy()
    starts = np.flatnonzero((head == np.arange(len(tree))) & (parent >= 0))
    first = tree.type[parent[starts]] == NodeType.SOMA
    inner, primaries = starts[~first], starts[first]
    count = min(rng.poisson(hard * 1e-3 * tree.cable_length), len(inner))
    chosen = rng.choice(inner, count, replace=False).tolist() if count else []
    chosen += primaries[
        rng.random(len(primaries)) < hard * rng.random()
    ].tolist()  # two meet before they reach the soma
    near, limit = cKDTree(tree.xyz), dict.fromkeys(primaries.tolist(), AT_SOMA_UM)
    for start in chosen:
        for other in rng.permutation(near.query_ball_point(tree.xyz[start], limit.get(start, LINK_UM)))[:20].tolist():
            strange = head[other] not in (head[start], head[parent[start]]) and tree.type[other] != NodeType.SOMA
            if strange and not _hangs_on(other, start, parent):
                parent[start] = other
                break
    child = np.flatnonzero(parent >= 0)
    edges = np.stack([parent[child], child], 1)
    order, above = oriented(len(tree), edges, np.flatnonzero(parent < 0))
    return Tree(tree.xyz[order], tree.radius[order], parent=above, type=tree.type[order]), truth[order]


def _hangs_on(row: int, above: int, parent: NDArray[np.int64]) -> bool:
    """Tell whether a node lies below another."""
    while row >= 0:
        if row == above:
            return True
        row = int(parent[row])
    return False


def _wrong(tree: Tree, rng: np.random.Generator, hard: float) -> NDArray[np.float64]:
    """Return radii as a tracer measures them: scaled, noisy along the neurite, no smaller than the optics resolve."""
    noise = rng.normal(0, 0.1 + 0.25 * hard, len(tree))
    for row, up in enumerate(tree.parent.tolist()):  # correlated over some 10 um
        if up >= 0:
            noise[row] = 0.8 * noise[up] + 0.6 * noise[row]
    radius = tree.radius * np.exp(noise + rng.normal(0, 0.15 + 0.2 * hard))
    if rng.random() < 0.75:
        finest = np.exp(rng.uniform(np.log(0.1), np.log(1.6)))
        radius = np.sqrt(radius**2 + finest**2) if rng.random() < 0.5 else np.maximum(radius, finest)
    if rng.random() < 0.08:
        radius = np.full(len(tree), np.median(radius)) * np.exp(rng.normal(0, 0.05, len(tree)))
    return np.where(tree.type == NodeType.SOMA, tree.radius * np.exp(rng.normal(-0.3, 0.4)), np.maximum(radius, 0.05))


def _with_false_twigs(
    tree: Tree, truth: NDArray[np.int64], rng: np.random.Generator, hard: float
) -> tuple[Tree, NDArray[np.int64]]:
    """Return the tree with twigs of 3 to 12 um that are not there, about one a millimetre; they are not counted."""
    count = rng.poisson(hard * 1.5e-3 * tree.cable_length)
    hosts = rng.integers(len(tree), size=count)
    way = rng.normal(size=(count, 3))
    way *= (rng.uniform(3, 12, count) / np.linalg.norm(way, axis=1))[:, None]
    xyz = np.concatenate([tree.xyz, tree.xyz[hosts] + way])
    hosts_radius = np.where(tree.type[hosts] == NodeType.SOMA, np.median(tree.radius), tree.radius[hosts])
    radius = np.concatenate([tree.radius, hosts_radius])
    parent = np.concatenate([tree.parent, hosts])
    kind = np.concatenate([tree.type, np.zeros(count, np.int64)])
    made = Tree(xyz, radius, parent=parent, type=kind)
    return made, np.concatenate([truth, np.full(count, UNKNOWN)])


def _without_soma(tree: Tree, truth: NDArray[np.int64], rng: np.random.Generator) -> tuple[Tree, NDArray[np.int64]]:
    """Return the forest without its somata: each piece hangs on its thickest tip, or on any."""
    body = tree.type == NodeType.SOMA
    radius = tree.radius.copy()
    radius[body] = np.median(radius[~body]) if (~body).any() else radius[body]
    child = np.flatnonzero(tree.parent >= 0)
    edges = np.stack([tree.parent[child], child], 1)
    degree = children(tree.parent) + (tree.parent >= 0)
    top = tree.root_of()
    roots = []
    for root in np.flatnonzero(tree.parent < 0):
        tips = np.flatnonzero((top == root) & (degree == 1))
        if not len(tips):
            roots.append(root)
        else:
            roots.append(tips[radius[tips].argmax()] if rng.random() < 0.6 else rng.choice(tips))
    order, parent = oriented(len(tree), edges, np.array(sorted(roots)))
    # the truth stands at the lower end of an edge: where an edge is turned, the lower end is the other one
    up = np.where(parent < 0, 0, order[parent])
    turned = (parent >= 0) & (tree.parent[order] != up)
    own = np.where(turned, truth[up], truth[order])
    own[parent < 0] = UNKNOWN
    return Tree(tree.xyz[order], radius[order], parent=parent, type=np.zeros(len(tree), np.int64)), own


def section_truth(
    of_node: NDArray[np.int64], count: int, tree: Tree, truth: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the kind that most of the cable of each section has (S,), UNKNOWN where none counts, and its length (S,)."""
    inside = of_node >= 0
    length = tree.edge_length
    votes = np.zeros((count, 5))
    for kind in (0, 2, 3, 4):
        own = inside & (truth == kind)
        votes[:, kind] = np.bincount(of_node[own], length[own], count)
    best = votes.argmax(1)
    return np.where(votes.sum(1) > 0, best, UNKNOWN), votes.sum(1)
