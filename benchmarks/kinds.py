"""How far the kinds of neurites can be trusted: confusion, coverage, accuracy, calibration; on insects how often any is told.

    python benchmarks/kinds.py CORPUS.zip [--copies 4] [--labs] [--traced N] [--insects NAME=FOLDER ...]

Measured on the neurons that fit and calibration of the model have not seen (one in 4, with all of the same animal or series):
whole, as in the corpus, and `--copies` times as a tracer might have left them (kind_cases.py), with seeds of their own. All
figures are by cable; beside them the mean over neurons, each of which counts the same. Told means a probability of 0.9 or more.

--labs fits the boosted trees anew without each laboratory in turn, and tells its neurons; the pool stays as stored.
--traced N renders N kept neurons as stacks and traces them from their somata, in a perfect map and by their own light.
--insects are further trees of insects, in um: files *.swc of a folder.
"""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from fit_kinds import fit_forest, kept_back, observe
from kind_cases import UNKNOWN, Harm, Neuron, degraded, read_corpus
from maps import draw_tube, line_points, say
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from neurorecon.core.probability import Probability
from neurorecon.core.tree import NodeType, Tree
from neurorecon.swc import read_swc
from neurorecon.synth import SynthSettings, synthesize
from neurorecon.tracing import TraceSettings, evidence_of, trace
from neurorecon.tracing.kinds import boosted_trees
from neurorecon.tracing.kinds.label_kinds import probabilities, with_kinds

NAMES = {NodeType.AXON: "axon", NodeType.DENDRITE: "dendrite", NodeType.APICAL: "apical"}
TOLD = 0.9
BINS = (0.34, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)
INKS = {0: (165, 165, 165), 2: (0, 114, 178), 3: (225, 140, 0), 4: (190, 40, 130)}  # of a kind, as in OUT.html
TILE = 300  # px of the picture
STACK: dict[str, Any] = {"voxel_size": (2.0, 0.8, 0.8), "crop_zyx": (90, 420, 420), "crop_at": "soma"}
NEAR_UM = 4.0  # from a traced node to the truth that lends its kind
SEED = 1000  # of degraded copies: others than those of the fit


@dataclass(frozen=True, slots=True)
class Case:
    """One tree: what was said of each of its edges, and the truth (E,), with lengths; edges without a truth are left out."""

    neuron: str
    group: str
    soma: bool
    truth: NDArray[np.int64]
    kind: NDArray[np.int64]
    probability: NDArray[np.float64]
    length: NDArray[np.float64]


def case_of(neuron: Neuron, tree: Tree, truth: NDArray[np.int64], model: boosted_trees.KindModel | None = None) -> Case:
    """Tell the kinds of a tree, and set them beside the truth."""
    model = boosted_trees.kind_model() if model is None else model
    told = probabilities(tree, model)
    section = told.sections.of_node
    own = (section >= 0) & (truth != UNKNOWN)
    columns = np.flatnonzero(model.kinds != NodeType.UNDEFINED)
    said = told.probability[:, columns]
    kind, probability = model.kinds[columns][said.argmax(1)], said.max(1)
    soma = bool((tree.type == NodeType.SOMA).any())
    at = section[own]
    return Case(neuron.name, neuron.group, soma, truth[own], kind[at], probability[at], tree.edge_length[own])


def cases_of(neurons: Iterable[tuple[int, Neuron]], copies: int) -> dict[str, list[Case]]:
    """Return cases of the neurons whole, and degraded."""
    found: dict[str, list[Case]] = {"whole": [], "as traced": []}
    for number, neuron in neurons:
        found["whole"].append(case_of(neuron, neuron.tree, neuron.truth))
        rng = np.random.default_rng([number, SEED])
        for _ in range(copies):
            found["as traced"].append(case_of(neuron, *degraded(neuron, rng, Harm(hard=rng.random()))))
    return found


def joined(cases: list[Case]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return truth, kind, probability and length of all edges of all cases."""
    return tuple(
        np.concatenate([getattr(case, name) for case in cases]) for name in ("truth", "kind", "probability", "length")
    )


def traced(neuron: Neuron, seed: int, *, raw: bool) -> Case:
    """Return the case of a neuron that was rendered around its soma, and traced from a given soma: by its own
    light (`raw`), or in a map that shows every neurite as a tube."""
    truth = np.where(neuron.truth == UNKNOWN, NodeType.UNDEFINED, neuron.truth)
    tree = replace(neuron.tree, type=np.where(neuron.tree.type == NodeType.SOMA, NodeType.SOMA, truth))
    made = synthesize(tree, SynthSettings(seed=seed, **STACK))
    body = made.truth.xyz[made.truth.type == NodeType.SOMA][:, ::-1]
    settings = TraceSettings(units="voxel", soma=(tuple(map(float, body[0])),))
    probability = evidence_of(made.stack)
    if not raw:
        neurite = np.zeros(made.stack.shape, np.uint8)
        draw_tube(neurite, line_points(made.truth))
        probability = Probability(neurite, made.stack.voxel_size)
    found = trace(probability, settings, stack=made.stack)
    scale = np.array(STACK["voxel_size"])[::-1]
    distance, row = cKDTree(made.truth.xyz * scale).query(found.xyz * scale)
    own = np.where((distance <= NEAR_UM) & (made.truth.type[row] > NodeType.SOMA), made.truth.type[row], UNKNOWN)
    own[found.parent < 0] = UNKNOWN
    said = replace(found, xyz=found.xyz * scale, radius=found.radius * scale.min(), unit="um")
    say(f"{neuron.name}: {said.cable_length:.0f} um traced, {len(said.roots)} trees")
    return case_of(neuron, said, own)


def print_figures(title: str, cases: list[Case]) -> None:
    """Print confusion, coverage and accuracy of neurons that have kinds."""
    cases = [case for case in cases if len(case.truth)]
    truth, kind, probability, length = joined(cases)
    told = probability >= TOLD
    print(f"\n{title}: {len(cases)} trees, {length.sum() / 1e3:.0f} mm\n")
    print("| truth | cable, mm | axon | dendrite | apical | undefined | right of what is told |\n" + "|---" * 7 + "|")
    for row, name in NAMES.items():
        own = truth == row
        cable = max(length[own].sum(), 1e-9)
        cells = [f"{100 * length[own & told & (kind == column)].sum() / cable:.1f} %" for column in NAMES]
        cells.append(f"{100 * length[own & ~told].sum() / cable:.1f} %")
        right = length[own & told & (kind == row)].sum() / max(length[told & (kind == row)].sum(), 1e-9)
        print(f"| {name} | {cable / 1e3:.0f} | " + " | ".join(cells) + f" | {100 * right:.1f} % |")
    each = []
    for case in cases:
        sure = case.probability >= TOLD
        cable = case.length[sure].sum()
        right = case.length[sure & (case.kind == case.truth)].sum() / cable if cable else np.nan
        each.append((cable / case.length.sum(), right))
    shares, rights = np.array(each).T
    right = length[told & (kind == truth)].sum() / max(length[told].sum(), 1e-9)
    best = length[kind == truth].sum() / length.sum()
    print(
        f"\ntold: {100 * length[told].sum() / length.sum():.1f} % of the cable (mean of neurons {100 * shares.mean():.1f} %); "
        f"right: {100 * right:.1f} % of that (mean of neurons {100 * rights[shares > 0].mean() if shares.any() else 0:.1f} %); "
        f"right if all were told: {100 * best:.1f} %"
    )


def print_line(name: str, cases: list[Case]) -> None:
    """Print coverage and accuracy in one line."""
    truth, kind, probability, length = joined(cases)
    told = probability >= TOLD
    cable = length[told].sum()
    right = f"{100 * length[told & (kind == truth)].sum() / cable:.0f} %" if cable else "-"
    print(f"| {name} | {len(cases)} | {length.sum() / 1e3:.0f} | {100 * cable / length.sum():.0f} % | {right} |")


def print_calibration(sets: dict[str, list[Case]]) -> None:
    """Print what share is right by bins of probability; each neuron counts the same."""
    print("\n| probability | " + " | ".join(f"{name}: share of cable, right" for name in sets) + " |")
    print("|---" * (1 + len(sets)) + "|")
    for low, high in pairwise(BINS):
        cells = []
        for cases in sets.values():
            truth, kind, probability, _ = joined(cases)
            weight = np.concatenate([case.length / max(case.length.sum(), 1e-9) for case in cases])
            own = (probability >= low) & ((probability < high) | (high == 1.0))
            total = weight[own].sum()
            said = (weight * probability)[own].sum() / max(total, 1e-9)
            right = weight[own & (truth == kind)].sum() / max(total, 1e-9)
            cells.append(f"{100 * total / weight.sum():.0f} %: {100 * right:.0f} % (said {100 * said:.0f} %)")
        print(f"| {low:.2f} to {high:.2f} | " + " | ".join(cells) + " |")


def print_insects(title: str, cases: list[Case]) -> None:
    """Print how much cable of neurons without kinds is told one."""
    _, kind, probability, length = joined(cases)
    told = probability >= TOLD
    cells = [f"{100 * length[told & (kind == own)].sum() / length.sum():.1f} %" for own in NAMES]
    trees = sum(bool((case.probability >= TOLD).any()) for case in cases)
    print(f"| {title} | {len(cases)} | " + " | ".join(cells) + f" | {trees} |")


def draw(neurons: list[tuple[int, Neuron]], path: Path) -> None:
    """Draw neurons in columns: truth above, then what is told of the whole neuron, and of what a tracer might leave."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (TILE * len(neurons), 3 * TILE), "white")
    pen = ImageDraw.Draw(picture)
    for column, (number, neuron) in enumerate(neurons):
        rng = np.random.default_rng([number, SEED])
        rows = [(neuron.tree, neuron.truth), (neuron.tree, None), (degraded(neuron, rng, Harm(hard=0.5))[0], None)]
        middle = neuron.tree.xyz.mean(0)
        axes = np.linalg.svd(neuron.tree.xyz - middle, full_matrices=False)[2][[1, 0]]
        flat = (neuron.tree.xyz - middle) @ axes.T
        low, high = flat.min(0), flat.max(0)
        for row, (tree, kind) in enumerate(rows):
            kind = with_kinds(tree).type if kind is None else kind
            at = ((tree.xyz - middle) @ axes.T - (low + high) / 2) / (high - low).max() * (TILE - 20)
            at += TILE * np.array([column + 0.5, row + 0.5])
            for node, up in enumerate(tree.parent.tolist()):
                if up >= 0:
                    ink = INKS.get(int(kind[node]), INKS[0])
                    pen.line([*at[up], *at[node]], fill=ink, width=1 if kind[node] == NodeType.AXON else 2)
    for row, text in enumerate(("truth", "told: whole", "told: as traced")):
        pen.text((6, row * TILE + 4), text, fill="black")
    for place, (kind, text) in enumerate({**NAMES, 0: "undefined"}.items()):
        pen.text((6 + 70 * place, 3 * TILE - 16), text, fill=INKS[int(kind)])
    picture.quantize(32).save(path, optimize=True)


def by_lab(corpus: list[Neuron], copies: int) -> dict[str, list[Case]]:
    """Return cases of each laboratory but the largest and the flies, told by boosted trees that saw none of its neurons."""
    seen = [one for k, neuron in enumerate(corpus) for one in observe(k, neuron, 2)]
    stored = boosted_trees.kind_model()
    labs = sorted({neuron.lab for neuron in corpus} - {"fly", "Markram"})
    found: dict[str, list[Case]] = {}
    for lab in labs:
        model = replace(stored, forest=fit_forest([one for one in seen if corpus[one.neuron].lab != lab]))
        say(f"without {lab}")
        for number, neuron in enumerate(corpus):
            if neuron.lab != lab:
                continue
            found.setdefault(f"{lab}, whole", []).append(case_of(neuron, neuron.tree, neuron.truth, model))
            rng = np.random.default_rng([number, SEED])
            for _ in range(copies):
                tree, truth = degraded(neuron, rng, Harm(hard=rng.random()))
                found.setdefault(f"{lab}, as traced", []).append(case_of(neuron, tree, truth, model))
    return found


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--copies", type=int, default=4)
    parser.add_argument("--labs", action="store_true")
    parser.add_argument("--traced", type=int, default=0)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--draw", nargs="*", default=[], metavar="NAME", help="neurons of the picture")
    parser.add_argument("--insects", nargs="*", default=[], metavar="NAME=FOLDER")
    args = parser.parse_args()
    corpus = read_corpus(args.corpus)
    kept = kept_back(corpus)
    own = [(k, neuron) for k, neuron in enumerate(corpus) if kept[k]]
    sets = cases_of(((k, n) for k, n in own if n.lab != "fly"), args.copies)
    for name, cases in sets.items():
        print_figures(f"Kept back, {name}", cases)
    for soma, name in ((True, "with soma"), (False, "without soma")):
        print_figures(f"Kept back, as traced, {name}", [case for case in sets["as traced"] if case.soma == soma])
    print_calibration(sets)
    print("\n| insects | trees | axon | dendrite | apical | trees with any |\n" + "|---" * 6 + "|")
    for name, cases in cases_of(((k, n) for k, n in own if n.lab == "fly"), args.copies).items():
        print_insects(f"kept back, {name}", cases)
    for told in args.insects:
        name, folder = told.split("=", 1)
        trees = [(path.name, read_swc(path)) for path in sorted(Path(folder).glob("*.swc"))]
        flies = [Neuron(f, "fly", t, np.where(t.parent < 0, UNKNOWN, 0)) for f, t in trees]
        print_insects(name, [case_of(fly, fly.tree, fly.truth) for fly in flies])
    if args.picture:
        draw([(k, n) for name in args.draw for k, n in own if name in n.name], args.picture)
    if args.traced:
        chosen = [(k, n) for k, n in own if n.lab != "fly" and (n.tree.type == NodeType.SOMA).any()]
        chosen = chosen[:: max(len(chosen) // args.traced, 1)][: args.traced]
        for raw, way in ((False, "perfect map"), (True, "trace --raw")):
            print_figures(f"Kept back, rendered, {way}", [traced(neuron, k, raw=raw) for k, neuron in chosen])
    if args.labs:
        print("\n| laboratory left out | trees | cable, mm | told | right of that |\n" + "|---" * 5 + "|")
        for name, cases in by_lab(corpus, args.copies).items():
            print_line(name, cases)


if __name__ == "__main__":
    main()
