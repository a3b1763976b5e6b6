"""MorphIO, NeuroM and navis load what is written, without an error or an avoidable warning."""

import warnings

import numpy as np
import pytest

from neurorecon.core.tree import Tree
from neurorecon.swc import read_swc, repair_swc, validate_swc, write_swc

NO_SOMA = {"no_soma_found", "disconnected_neurite"}  # what MorphIO says of any tree without a soma


def neuron(*, soma=True, kind=3):
    """A soma (or a plain root) with four neurites of one type: three that fork, and a single edge."""
    xyz, parent = [[0.0, 0.0, 0.0]], [-1]

    def grow(up, *point):
        xyz.append(list(point))
        parent.append(up)
        return len(xyz) - 1

    for x, y in [(1, 0), (-1, 0), (0, -1)]:
        stem = grow(grow(0, 8 * x, 8 * y, 0.5), 15 * x, 16 * y, 1.25)
        grow(stem, 20 * x + 5 * y, 20 * y + 5 * x, 3)
        grow(grow(stem, 20 * x - 5 * y, 20 * y - 5 * x, 3), 30 * x, 30 * y, -2)
    grow(0, 0, 9, 0)
    n = len(xyz)
    radius, types = np.linspace(1.5, 0.25, n), np.full(n, kind)
    if soma:
        radius[0], types[0] = 6, 1
    return Tree(np.array(xyz), radius, np.array(parent), types)


def forest(parts):
    """Several trees as one, 500 apart along y."""
    starts = np.cumsum([0] + [len(part) for part in parts])
    return Tree(
        np.concatenate([part.xyz + [0, 500 * k, 0] for k, part in enumerate(parts)]),
        np.concatenate([part.radius for part in parts]),
        np.concatenate([np.where(p.parent < 0, -1, p.parent + s) for p, s in zip(parts, starts, strict=False)]),
        np.concatenate([part.type for part in parts]),
    )


def rotated(tree):
    """The same tree after a numbering that a repair has to turn back, as text."""
    return "".join(
        f"{len(tree) - k + 9} {tree.type[k]} {' '.join(map(str, tree.xyz[k]))} {tree.radius[k]} "
        f"{len(tree) - tree.parent[k] + 9 if tree.parent[k] >= 0 else -1}\n"
        for k in reversed(range(len(tree)))
    )


CASES = {
    "neuron": (neuron(), set()),
    "axon": (neuron(kind=2), set()),
    "undefined type": (neuron(kind=0), set()),
    "custom type": (neuron(kind=5), set()),
    "type out of range": (neuron(kind=274), set()),
    "no soma": (neuron(soma=False), NO_SOMA),
    "soma only": (neuron().take(np.array([0])), set()),
    "single edge": (neuron().take(np.array([0, 1])), set()),
    "hair-thin": (Tree(np.eye(3) * 1e-3, np.full(3, 1e-9), np.arange(3) - 1, np.array([1, 3, 3])), set()),
    "far away": (Tree(np.eye(3) * 1e5, np.ones(3), np.arange(3) - 1, np.array([1, 3, 3])), set()),
    "loose branch": (forest([neuron(), neuron(soma=False)]), {"disconnected_neurite"}),
}


@pytest.fixture(params=CASES)
def written(request, tmp_path):
    tree, allowed = CASES[request.param]
    path = tmp_path / "神経 'cell'.swc"
    write_swc(tree, path, header=["source: <script> 神経\n.tif", "model: default 0123abcd"])
    assert validate_swc(path) == []
    return path, read_swc(path), allowed


def test_morphio_loads_it_with_no_avoidable_warning(written):
    morphio = pytest.importorskip("morphio")
    path, tree, allowed = written
    handler = morphio.WarningHandlerCollector()
    loaded = morphio.Morphology(str(path), warning_handler=handler)
    assert {w.warning.warning().name for w in handler.get_all()} <= allowed
    assert len(loaded.soma.points) == (tree.type == 1).sum()
    lengths = [np.linalg.norm(np.diff(section.points, axis=0), axis=1).sum() for section in loaded.iter()]
    # MorphIO does not count edges that start at the soma; a root's edges count where the root is no soma
    counted = tree.edge_length[(tree.parent >= 0) & (tree.type[tree.parent] != 1)]
    assert sum(lengths) == pytest.approx(counted.sum(), rel=1e-4, abs=1e-3)


def test_neurom_loads_it_without_a_warning(written):
    neurom = pytest.importorskip("neurom")
    path, tree, _ = written
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = neurom.load_morphology(str(path))
    stems = (tree.parent >= 0) & (tree.type[tree.parent] == 1) & (tree.type != 1)
    loose = (tree.parent < 0) & (tree.type != 1) & (tree.children_count > 0)
    assert len(loaded.neurites) == stems.sum() + loose.sum()


@pytest.mark.slow  # importing navis takes most of it
def test_navis_loads_it_with_the_same_nodes(written):
    navis = pytest.importorskip("navis")
    path, tree, _ = written
    loaded = navis.read_swc(str(path))
    table = loaded.nodes.sort_values("node_id")
    assert table.node_id.tolist() == list(range(1, len(tree) + 1))
    assert table.parent_id.tolist() == np.where(tree.parent < 0, -1, tree.parent + 1).tolist()
    np.testing.assert_allclose(table[["x", "y", "z"]].to_numpy(float), tree.xyz, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(table.radius.to_numpy(float), tree.radius, rtol=1e-5)


@pytest.mark.parametrize(
    "text",
    [
        "1 1 0 0 0 5 -1\n2 3 10 0 0 1 1\n3 3 x 0 0 1 2\n",
        "1 1 0 0 0 5 -1\n2 3 10 0 0 1 1\n3 3 nan 0 0 1 2\n",
        "1 1 0 0 0 5 -1\n2 3 10 0 0 1 1\n3 3 20 0 0 1 9\n",
        "1 1 0 0 0 5 -1\n2 3 10 0 0 1 2\n",
        "1 1 0 0 0 5 -1\n2 3 10 0 0 1 1\n2 3 20 0 0 1 1\n",
        "1 1 0 0 0 5 -2\n2 3 10 0 0 1 1\n",
        "1 1 0 0 0 5 -1\n2 20 10 0 0 1 1\n3 20 20 0 0 1 2\n",
        "1 1 0 0 0 5 -1\n2 -1 10 0 0 1 1\n3 -1 20 0 0 1 2\n",
        "1 3 0 0 0 1 -1\n2 3 10 0 0 1 1\n3 1 20 0 0 1 2\n",
        "1 1 0 0 0 5 -1\n2 1 3 5 0 5 1\n3 1 0 -5 0 5 2\n4 1 0 -5 3 5 2\n",
        "\ufeff1 1 0 0 0 5 -1\n2 3 10 0 0 1 1\n3 3 20 0 0 1 2\n",
        "1,1,0,0,0,5,-1\n2,3,10,0,0,1,1\n",
        "1.0 1 0 0 0 5 -1\n2 3 10 0 0 1 1\n",
        "1 1 0 0 0 5 -1\n2 3 10 0 0 0 1\n3 3 20 0 0 1 2\n",
    ],
)
def test_what_morphio_refuses_or_warns_of_is_a_finding(tmp_path, text):
    morphio = pytest.importorskip("morphio")
    path = tmp_path / "a.swc"
    path.write_text(text, encoding="utf-8")
    handler = morphio.WarningHandlerCollector()
    try:
        morphio.Morphology(str(path), warning_handler=handler)
        complained = bool(handler.get_all())
    except morphio.MorphioError:
        complained = True
    assert complained
    assert validate_swc(path)


def test_repaired_file_loads_in_morphio(tmp_path):
    morphio = pytest.importorskip("morphio")
    path, out = tmp_path / "in.swc", tmp_path / "out.swc"
    path.write_text("\ufeff" + rotated(neuron()).replace(" ", ","), encoding="utf-8")
    repair_swc(path, out)
    handler = morphio.WarningHandlerCollector()
    loaded = morphio.Morphology(str(out), warning_handler=handler)
    assert handler.get_all() == []
    assert len(loaded.root_sections) == 4
