"""Kinds of neurites: sections, their figures, the model on the tree, and what a tree is given."""

import logging

import numpy as np
import pytest

from neurorecon import Probability, TraceSettings, VoxelSize, trace, with_kinds
from neurorecon.core.errors import InputError
from neurorecon.core.tree import NodeType, Tree
from neurorecon.report.manifest import kind_summary
from neurorecon.tracing.kinds.boosted_trees import FILE, Forest, kind_model
from neurorecon.tracing.kinds.label_kinds import with_kinds_if_certain
from neurorecon.tracing.kinds.pooled import PARTS, Pool, views_of
from neurorecon.tracing.kinds.section_features import FEATURES, features_of
from neurorecon.tracing.kinds.sections import STEP_UM, sections_of

KINDS = np.array([0, 2, 3, 4])


def line(start, end, count):
    """`count` points from `start` to `end`, without the start."""
    share = np.linspace(0, 1, count + 1)[1:, None]
    return np.array(start) + share * (np.array(end, float) - np.array(start, float))


def grown(parts, *, soma=8.0):
    """A tree from (row to hang on, end, nodes, radius at start, radius at end); a soma at the origin."""
    xyz, radius, parent = [np.zeros((1, 3))], [soma], [-1]
    for host, end, count, thick, thin in parts:
        start = np.concatenate(xyz)[host]
        first = len(parent)
        xyz.append(line(start, end, count))
        radius += np.linspace(thick, thin, count).tolist()
        parent += [host, *range(first, first + count - 1)]
    kind = np.zeros(len(parent), int)
    kind[0] = NodeType.SOMA
    return Tree(np.concatenate(xyz), np.array(radius), parent=np.array(parent), type=kind)


@pytest.fixture
def forked():
    """A neurite of 100 um that forks into 60 and 80 um, and another of 30 um."""
    return grown([
        (0, (100, 0, 0), 50, 1.5, 1.0), (50, (100, 60, 0), 30, 0.8, 0.6), (50, (180, 0, 0), 40, 0.8, 0.6),
        (0, (0, 0, -30), 15, 0.4, 0.4),
    ])  # fmt: skip


def random_cell(seed, neurites=5, branchings=6):
    """A cell of straight sections whose ends fork at random."""
    rng = np.random.default_rng(seed)
    parts, size = [], 1
    for _ in range(neurites):
        ends = [(0, np.zeros(3), 2.0)]
        for _ in range(branchings):
            host, at, thick = ends.pop(rng.integers(len(ends)))
            for _ in range(1 if host == 0 else 2):
                to = at + rng.normal(size=3) * 60
                parts.append((host, to, 20, thick, 0.7 * thick))
                size += 20
                ends.append((size - 1, to, 0.7 * thick))
    return grown(parts)


class TestSections:
    def test_they_are_what_lies_between_two_branch_points(self, forked):
        found = sections_of(forked)
        assert found.length == pytest.approx([100, 60, 80, 30])
        assert found.parent.tolist() == [-1, 0, 0, -1]
        assert found.of_node[[0, 1, 50, 51, 81, 121]].tolist() == [-1, 0, 0, 1, 2, 3]
        assert (found.tree == 0).all()
        assert found.body.tolist() == [8.0]

    def test_points_lie_on_the_neurite_at_even_steps(self, forked):
        found = sections_of(forked)
        points = found.xyz[found.start[2] :][: int(80 / STEP_UM) + 1]
        np.testing.assert_allclose(points, np.concatenate([[[100, 0, 0]], line((100, 0, 0), (180, 0, 0), 20)]))

    def test_a_short_twig_belongs_to_its_neurite(self, forked):
        xyz = np.concatenate([forked.xyz, [[50.0, 2.0, 0.0]]])
        twig = Tree(xyz, np.r_[forked.radius, 0.3], parent=np.r_[forked.parent, 25], type=np.r_[forked.type, 0])
        found = sections_of(twig)
        assert found.length == pytest.approx([100, 60, 80, 30])
        assert found.of_node[-1] == 0

    def test_a_short_neurite_of_a_soma_is_no_twig(self):
        tree = grown([(0, (0, 0, 2.0), 4, 0.5, 0.5), (0, (60, 0, 0), 30, 1.0, 1.0)])
        assert len(sections_of(tree)) == 2

    def test_the_outline_of_a_soma_is_no_cable(self):
        xyz = np.array([[0, 0, 0], [0, 8, 0], [0, -8, 0], [8, 0, 0], [20, 0, 0], [40, 0, 0]], float)
        parent, kind = np.array([-1, 0, 0, 0, 3, 4]), np.array([1, 1, 1, 1, 0, 0])
        found = sections_of(Tree(xyz, np.full(6, 2.0), parent=parent, type=kind))
        assert found.length == pytest.approx([40])
        assert found.of_node.tolist() == [-1, -1, -1, -1, 0, 0]

    def test_a_node_of_type_soma_on_a_neurite_without_a_soma_is_cable(self):
        xyz = np.c_[np.arange(0, 60, 10.0), np.zeros((6, 2))]
        kind = np.array([0, 0, 0, 1, 0, 0])
        found = sections_of(Tree(xyz, np.ones(6), parent=np.arange(-1, 5), type=kind))
        assert found.length == pytest.approx([50])
        assert found.of_node.tolist() == [-1, 0, 0, 0, 0, 0]

    def test_trees_of_a_forest_stay_apart(self, forked):
        both = Tree.joined([forked, forked])
        found = sections_of(both)
        assert found.tree.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
        assert found.parent.tolist() == [-1, 0, 0, -1, -1, 4, 4, -1]

    @pytest.mark.parametrize("nodes", [0, 1])
    def test_a_tree_without_cable_has_none(self, nodes):
        tree = Tree(np.zeros((nodes, 3)), np.ones(nodes), parent=np.full(nodes, -1))
        assert len(sections_of(tree)) == 0
        assert with_kinds(tree).type.tolist() == [0] * nodes


class TestFigures:
    def test_they_do_not_depend_on_how_the_neuron_lies(self):
        tree = random_cell(1)
        turn = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
        moved = Tree(tree.xyz @ turn.T + (30, -500, 7), tree.radius, parent=tree.parent, type=tree.type)
        before, after = features_of(sections_of(tree)), features_of(sections_of(moved))
        np.testing.assert_allclose(before, after, atol=1e-6)

    def test_they_are_those_of_the_drawing(self, forked):
        table = dict(zip(FEATURES, features_of(sections_of(forked)).T, strict=True))
        assert np.exp(table["behind_cable"]) == pytest.approx([240, 60, 80, 30])
        assert np.exp(table["primary_cable"]) == pytest.approx([240, 240, 240, 30])
        assert np.exp(table["behind_longest"]) == pytest.approx([180, 60, 80, 30])
        assert np.expm1(table["path"]) == pytest.approx([0, 100, 100, 0])
        assert table["turn"] == pytest.approx([0, np.pi / 2, 0, 0], abs=1e-6)
        assert table["behind_strahler"].tolist() == [2, 1, 1, 1]
        assert table["is_tip"].tolist() == [0, 1, 1, 1]
        assert np.exp(table["radius"])[3] == pytest.approx(0.4)
        assert table["primary_share"] == pytest.approx([240 / 270] * 3 + [30 / 270])
        assert table["neuron_primaries"].tolist() == [2, 2, 2, 2]
        assert table["tortuosity"] == pytest.approx(0, abs=1e-9)

    def test_more_nodes_on_the_same_lines_change_nothing(self):
        coarse, fine = (grown([(0, (100, 0, 0), n, 1.0, 1.0), (n, (160, 60, 0), n, 0.5, 0.5)]) for n in (10, 40))
        first, second = (features_of(sections_of(tree)) for tree in (coarse, fine))
        apart = np.abs(first - second).max(0)
        assert {name for name, d in zip(FEATURES, apart, strict=True) if d > 0.12} == set()


def test_the_forest_gives_the_softmax_of_its_leaves():
    """One tree a kind: the first splits at 0.5 of column 1, the second adds a constant."""
    forest = Forest(
        feature=np.array([1, -1, -1, -1]), threshold=np.array([0.5, 0, 0, 0]), left=np.array([1, 1, 2, 3]),
        right=np.array([2, 1, 2, 3]), value=np.array([0, -1.0, 2.0, 0.5]), root=np.array([[0, 3]]),
        base=np.array([0.1, 0.2]), depth=1,
    )  # fmt: skip
    given = np.array([[9.0, 0.5], [9.0, 0.6]])
    sums = np.array([[0.1 - 1.0, 0.2 + 0.5], [0.1 + 2.0, 0.2 + 0.5]])
    expected = np.exp(sums) / np.exp(sums).sum(1, keepdims=True)
    np.testing.assert_allclose(np.exp(forest.log_probability(given)), expected)


class TestPool:
    def test_parts_are_means_by_length(self, forked):
        """Of four sections of 100, 60, 80 and 30 um, the second and the third on the first."""
        a, b, c, d = log_p = np.log(np.random.default_rng(3).dirichlet(np.full(4, 5.0), 4))
        views = views_of(log_p, sections_of(forked))
        neurite, neuron = (100 * a + 60 * b + 80 * c) / 240, (100 * a + 60 * b + 80 * c + 30 * d) / 270
        expected = {
            "section": log_p, "behind": [neurite, b, c, d], "neurite": [neurite] * 3 + [d], "above": [a, a, a, d],
            "neuron": [neuron] * 4,
        }  # fmt: skip
        for part, values in zip(PARTS, views.log_p, strict=True):
            np.testing.assert_allclose(values, expected[part], atol=1e-12)
        assert views.soma.tolist() == [1] * 4

    def test_one_part_alone_with_weight_1_is_that_part(self, forked):
        log_p = np.log(np.random.default_rng(3).dirichlet(np.full(4, 5.0), 4))
        pool = Pool(np.eye(5)[0], np.zeros(3), np.zeros(4), np.zeros(4))
        np.testing.assert_allclose(pool.probability(views_of(log_p, sections_of(forked))), np.exp(log_p))

    def test_certainty_scales_the_evidence_and_shifts_are_odds(self, forked):
        """p^2 times odds, normalised."""
        log_p = np.log(np.random.default_rng(3).dirichlet(np.full(4, 5.0), 4))
        odds = np.array([1.0, 2.0, 1.0, 0.5])
        pool = Pool(np.eye(5)[0], np.array([np.log(2), 0, 0]), np.zeros(4), np.log(odds))
        due = np.exp(2 * log_p) * odds
        found = pool.probability(views_of(log_p, sections_of(forked)))
        np.testing.assert_allclose(found, due / due.sum(1, keepdims=True))


class TestKinds:
    def test_the_model_is_small_and_knows_its_figures(self):
        assert FILE.stat().st_size < 300_000
        assert kind_model().features == FEATURES
        assert kind_model().kinds.tolist() == KINDS.tolist()

    def test_a_soma_stays_and_a_type_is_only_given_where_it_is_certain(self):
        tree = with_kinds(random_cell(4))
        assert tree.type[0] == NodeType.SOMA
        assert set(tree.type[1:].tolist()) <= {0, 2, 3, 4}
        assert ((tree.kind_probability >= 0.9) == (tree.type > 1)).all()

    def test_a_thick_bush_without_an_axon_is_dendrite(self):
        """Short tapering trees around a soma, as of a cell whose axon was not filled."""
        rng, parts, size = np.random.default_rng(6), [], 1
        for way in np.concatenate([np.eye(3), -np.eye(3)]):
            parts.append((0, 25 * way, 10, 1.6, 1.1))
            size += 10
            fork = size - 1
            for _ in range(2):
                parts.append((fork, 115 * way + rng.normal(0, 30, 3), 30, 0.7, 0.35))
                size += 30
        tree = with_kinds(grown(parts))
        length = tree.edge_length
        assert length[tree.type == NodeType.AXON].sum() == 0

    def test_voxels_and_micrometres_give_the_same(self):
        tree, size = random_cell(5), VoxelSize(2.0, 0.5, 0.5)
        voxels = Tree(tree.xyz / (0.5, 0.5, 2.0), tree.radius / 0.5, parent=tree.parent, type=tree.type, unit="voxel")
        one, other = with_kinds(tree), with_kinds(voxels, size)
        assert one.type.tolist() == other.type.tolist()
        assert one.kind_probability == pytest.approx(other.kind_probability)
        assert other.unit == "voxel"

    def test_voxels_of_unknown_size_are_refused(self):
        tree = random_cell(5)
        with pytest.raises(InputError, match="voxel_size"):
            with_kinds(Tree(tree.xyz, tree.radius, parent=tree.parent, unit="voxel"))

    @pytest.mark.parametrize("least", [0.2, 1.5])
    def test_a_probability_out_of_range_is_refused(self, least):
        with pytest.raises(InputError, match="a probability from"):
            with_kinds(random_cell(5), least=least)

    def test_the_record_counts_cable_by_kind(self):
        tree = with_kinds(random_cell(4))
        said = kind_summary(tree)
        assert sum(part["cable_length"] for part in said.values()) == pytest.approx(tree.cable_length)
        assert kind_summary(random_cell(4)) is None


def tube(size):
    """A map of one straight neurite."""
    neurite = np.zeros((20, 30, 120), np.uint8)
    neurite[9:12, 14:17, 10:110] = 255
    return Probability(neurite, size)


def test_the_tracer_tells_kinds_only_where_asked():
    assert trace(tube((1, 1, 1))).kind_probability is None
    found = trace(tube((1, 1, 1)), TraceSettings(kinds=True))
    assert found.kind_probability.shape == (len(found),)


def test_where_the_calibre_is_not_resolved_kinds_stay_undefined_and_a_warning_says_why(caplog):
    tree = Tree(np.c_[np.arange(50.0), np.zeros((50, 2))], np.full(50, 0.4), parent=np.arange(-1, 49), finest=0.6)
    with caplog.at_level(logging.WARNING, "neurorecon"):
        assert with_kinds_if_certain(tree, tube((1, 1, 1))) is tree
    assert "100 % of the cable is thinner" in caplog.text
    partly = Tree(tree.xyz, np.where(np.arange(50) < 20, 0.4, 0.9), parent=tree.parent, finest=0.6)
    assert with_kinds_if_certain(partly, tube((1, 1, 1))).kind_probability is not None
    finer = Tree(tree.xyz, tree.radius, parent=tree.parent, finest=0.3)
    assert with_kinds_if_certain(finer, tube((1, 1, 1))).kind_probability is not None


def test_without_a_voxel_size_kinds_stay_undefined_and_a_warning_says_why(caplog):
    with caplog.at_level(logging.WARNING, "neurorecon"):
        tree = trace(tube(None), TraceSettings(kinds=True))
    assert (tree.type == 0).all()
    assert "--voxel-size" in caplog.text
