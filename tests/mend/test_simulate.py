"""The simulated person: what it does with a drawn fault, and what the curves say."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from neurorecon.cli import main
from neurorecon.core.left_out import LeftOut
from neurorecon.core.tree import Tree
from neurorecon.mend.change import mend
from neurorecon.mend.listed import Listed, read_listed
from neurorecon.mend.person import Person
from neurorecon.mend.simulation import gained, gained_by, reviewed, simulate, simulate_tree
from neurorecon.report import file_rows, review_path, write_review
from neurorecon.report.stretches import stretches_of
from neurorecon.swc import write_swc


def tree_of(*lines, confidence=None):
    """Lines of points 1.5 apart along (x, y) corners; a line that begins on a node hangs on it."""
    points, parent = [], []
    for corners in lines:
        corners = np.array(corners, float)
        along = np.r_[0, np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))]
        at = np.linspace(0, along[-1], round(along[-1] / 1.5) + 1)
        new = np.stack([np.interp(at, along, axis) for axis in corners.T] + [np.zeros(len(at))], axis=1)
        hung = [k for k, point in enumerate(points) if np.linalg.norm(point - new[0]) < 0.1]
        new = new[1:] if hung else new
        parent += [hung[0] if hung else -1, *range(len(points), len(points) + len(new) - 1)]
        points += list(new)
    n = len(points)
    sure = None if confidence is None else np.full(n, confidence)
    return Tree(np.array(points), np.ones(n), np.array(parent), np.zeros(n, int), "voxel", sure)


def listed(tree):
    """All stretches in the order of the tree, each a look of its own."""
    length = tree.edge_length
    return [
        Listed(
            tuple(rows[::-1].tolist()),
            int(tree.parent[rows[0]]),
            int(rows[0]),
            float(length[rows].sum()),
            doubt=0.5,
            reasons=(),
            look=look,
        )
        for look, rows in enumerate(stretches_of(tree), start=1)
    ]


TRUNK = [(0, 0), (120, 0)]


def beyond(tree, tip, *corners, confidence=0.5):
    """A way on from the node at `tip` along corners, as a line of the list."""
    row = int(np.linalg.norm(tree.xyz - [*tip, 0], axis=1).argmin())
    way = tree_of([tip, *corners]).xyz[1:]
    length = float(np.linalg.norm(np.diff(way, axis=0), axis=1).sum()) + 1.5
    told = {"confidence": confidence, "look": 0, "way": tuple(map(tuple, way.tolist()))}
    return Listed((), row, node=row, length=length, doubt=confidence, reasons=("missing",), **told)


def seen(tree, gold):
    person = Person(tree, gold)
    for stretch in listed(tree):
        person.look(stretch)
    return person


def test_perfect_tree_is_left_alone():
    tree = tree_of(TRUNK, [(60, 0), (60, 45)])
    person = seen(tree, tree)
    assert person.done["drop"] == person.done["detach"] == person.done["join"] == 0
    assert person.mender.draft.tree()[0].cable_length == pytest.approx(165)


def test_false_branch_is_dropped():
    person = seen(tree_of(TRUNK, [(60, 0), (60, 45)]), tree_of(TRUNK))
    made = person.mender.draft.tree()[0]
    assert made.xyz[:, 1].max() <= 9  # what is left of it lies on a stretch that is right for the most part
    assert person.done["drop"] > 0
    assert len(made.roots) == 1


def test_gap_is_joined_along_the_experts_neurite():
    """The expert's way makes a bow of 4 to the side; a straight line would leave it."""
    bow = [(0, 0), (45, 0), (47, 4), (50, 4), (52, 0), (120, 0)]
    person = seen(tree_of([(0, 0), (45, 0)], [(52, 0), (120, 0)]), tree_of(bow))
    made = person.mender.draft.tree()[0]
    assert person.done["join"] == 1
    assert len(made.roots) == 1
    assert made.xyz[:, 1].max() == pytest.approx(4, abs=0.5)


def test_neurite_that_goes_over_to_another_is_cut_and_joined_rightly():
    """Gold: two neurites pass at 6; the tree takes the lower one's beginning with the upper one's end."""
    gold = tree_of([(0, 0), (120, 0)], [(0, 6), (120, 6)])
    tree = tree_of([(0, 0), (57, 0), (63, 6), (120, 6)], [(63, 0), (120, 0)], [(0, 6), (57, 6)])
    person = seen(tree, gold)
    made = person.mender.draft.tree()[0]
    assert person.done["detach"] >= 1
    for y in (0, 6):
        far = np.flatnonzero(np.linalg.norm(made.xyz - [120, y, 0], axis=1) < 1)[0]
        begin = np.flatnonzero(np.linalg.norm(made.xyz - [0, y, 0], axis=1) < 1)[0]
        assert made.root_of()[far] == made.root_of()[begin]


def test_way_on_is_added_where_the_expert_has_one_and_refused_elsewhere():
    tree = tree_of([(0, 0), (60, 0)])
    person = Person(tree, tree_of(TRUNK))
    assert person.worth(beyond(tree, (60, 0), (120, 0))) == pytest.approx(60)
    assert person.worth(beyond(tree, (30, 0), (30, 40))) == 0
    person.look(beyond(tree, (30, 0), (30, 40)))
    person.look(beyond(tree, (60, 0), (120, 0)))
    assert [(verdict.do, verdict.point) for verdict in person.verdicts] == [
        ("refuse", (30.0, 40.0, 0.0)), ("extend", (120.0, 0.0, 0.0)),
    ]  # fmt: skip
    made = person.mender.draft.tree()[0]
    assert made.cable_length == pytest.approx(120)
    assert len(made.roots) == 1


def test_long_way_on_is_as_many_looks_as_close_ups():
    tree = tree_of([(0, 0), (60, 0)])
    lines = [*listed(tree), beyond(tree, (60, 0), (120, 0))]
    points = simulate_tree(tree, tree_of(TRUNK), lines, orders=("list",), marks=(0, 1))
    assert points[-1].looks == len(listed(tree)) + 2  # 60 long, and a close-up is 40 wide
    assert points[-1].stretches == len(listed(tree))
    assert points[-1].cable_share == 1
    assert points[-1].scores["f1"] == 1
    assert points[-1].done[-1] == 1


def test_list_that_names_the_fault_first_gains_all_at_once():
    tree, gold = tree_of(TRUNK, [(60, 0), (60, 60)]), tree_of(TRUNK)
    stretches = sorted(listed(tree), key=lambda one: -tree.xyz[one.rows[0], 1])
    points = simulate_tree(tree, gold, stretches, orders=("list",), marks=(0, 0.4, 1))
    assert [point.stretches for point in points] == [0, round(0.4 * len(stretches)), len(stretches)]
    assert points[0].scores["f1"] < 0.85
    assert points[1].scores["f1"] == points[2].scores["f1"] > 0.95
    assert gained(points, "list", "f1", 0.4) == 1
    assert gained(points, "list", "f1", 0.2) == 0.5  # halfway, by the straight line between two marks


def test_neurite_that_is_dropped_is_followed_before_the_list_goes_on():
    """The list names the end of a false branch first and the rest of it last; what adjoins the dropped comes next."""
    tree, gold = tree_of(TRUNK, [(60, 0), (60, 60)]), tree_of(TRUNK)
    stretches = sorted(listed(tree), key=lambda one: tree.xyz[one.rows[0], 1])
    stretches = [stretches[-1], *stretches[:-1]]
    false = sum(bool(tree.xyz[one.rows[0], 1] > 6) for one in stretches)
    assert false >= 3
    share = false / len(stretches)
    points = simulate_tree(tree, gold, stretches, orders=("list",), marks=(0, share, 1))
    assert points[1].stretches == false
    assert points[1].scores["f1"] == points[2].scores["f1"] > 0.95


def test_true_neurite_from_which_a_dropped_twig_springs_is_not_looked_at_for_that():
    """Two false twigs stand first in the list; the trunk beside the first comes after the second."""
    tree, gold = tree_of(TRUNK, [(30, 0), (30, 16)], [(90, 0), (90, 16)]), tree_of(TRUNK)
    stretches = sorted(listed(tree), key=lambda one: -tree.xyz[one.rows[0], 1])
    points = simulate_tree(tree, gold, stretches, orders=("list",), marks=(0, 2 / len(stretches), 1))
    assert points[1].done[1] == points[2].done[1] == 2
    assert points[1].scores["f1"] == points[2].scores["f1"]


def test_best_order_takes_the_looks_by_their_false_cable_alone():
    """A false twig is longer than the rest of a false branch: it comes before what the branch goes on with."""
    tree = tree_of(TRUNK, [(40, 0), (40, 26)], [(80, 0), (80, 18)])
    marks = [n / len(listed(tree)) for n in range(4)]
    points = simulate_tree(tree, tree_of(TRUNK), listed(tree), orders=("best",), marks=marks)
    gains = np.diff([point.scores["f1"] for point in points])
    assert 0 < gains[2] < min(gains[0], gains[1])


def test_what_one_look_shows_is_judged_at_once():
    """The false branch and what lies beside it is one look; the rest of the trunk is another."""
    tree, gold = tree_of(TRUNK, [(60, 0), (60, 36)]), tree_of(TRUNK)
    stretches = [replace(one, look=1 + (abs(tree.xyz[one.rows[0], 0] - 60) > 25)) for one in listed(tree)]
    stretches.sort(key=lambda one: one.look)
    points = simulate_tree(tree, gold, stretches, orders=("list",), marks=(0, 0.5, 1))
    assert [point.looks for point in points] == [0, 1, 2]
    assert points[1].scores["f1"] == points[2].scores["f1"] > 0.95
    assert points[1].stretches == sum(one.look == 1 for one in stretches)
    assert points[1].cable_share == pytest.approx(sum(o.length for o in stretches if o.look == 1) / tree.cable_length)
    assert gained_by(points, "list", "f1", 1) == gained(points, "list", "f1", 0.5) == 1


def test_verdicts_of_the_person_make_the_same_tree_when_they_are_carried_out():
    """The tree of the crossing above, and a false branch."""
    gold = tree_of([(0, 0), (120, 0)], [(0, 6), (120, 6)])
    tree = tree_of([(0, 0), (57, 0), (63, 6), (120, 6)], [(63, 0), (120, 0)], [(0, 6), (57, 6)], [(90, 6), (90, 42)])
    verdicts = reviewed(tree, gold, listed(tree), 1.0)
    assert {verdict.do for verdict in verdicts} >= {"keep", "drop", "detach"}
    straight = lambda a, b: (np.zeros((0, 3)), "straight")  # noqa: E731
    mended = mend(tree, np.arange(len(tree)), verdicts, straight).tree
    person = seen(tree, gold)
    assert mended.cable_length == pytest.approx(person.mender.draft.tree()[0].cable_length, rel=0.02)
    assert len(mended.roots) == len(person.mender.draft.tree()[0].roots)
    assert reviewed(tree, gold, listed(tree), 0.0) == []


def test_best_order_takes_the_most_false_cable_first():
    """A twig of 18 and a branch of 45 that should not be there; the list names neither first."""
    tree, gold = tree_of(TRUNK, [(30, 0), (30, 18)], [(90, 0), (90, 45)]), tree_of(TRUNK)
    points = simulate_tree(tree, gold, listed(tree), orders=("list", "best"), marks=(0, 0.3, 1))
    value = {point.order: point.scores["f1"] for point in points if point.share == 0.3}
    assert value["list"] + 0.05 < value["best"]


def test_single_looks_at_one_stretch_at_a_time_the_least_certain_first():
    tree, gold = tree_of(TRUNK, [(60, 0), (60, 36)]), tree_of(TRUNK)
    stretches = [replace(one, look=1, doubt=0.9 if tree.xyz[one.rows[0], 1] else 0.1) for one in listed(tree)]
    points = simulate_tree(tree, gold, stretches, orders=("list", "single"), marks=(0, 0.3, 1))
    assert [point.looks for point in points] == [0, 0, 1, 0, round(0.3 * len(stretches)), len(stretches)]
    assert points[4].scores["f1"] == points[5].scores["f1"] > points[3].scores["f1"]


def test_command_writes_table_and_picture(tmp_path):
    tree = tree_of(TRUNK, [(60, 0), (60, 60)], confidence=0.6)
    swc, gold = tmp_path / "cell.swc", tmp_path / "gold.swc"
    write_swc(tree, swc)
    write_swc(tree_of(TRUNK), gold)
    run = lambda *more: CliRunner().invoke(main, ["review", "simulate", str(swc), str(gold), *more])  # noqa: E731
    result = run()
    assert result.exit_code == 2
    assert "cell.review.csv: no such file" in result.stderr
    write_review(tree, file_rows(tree, swc), review_path(swc))
    result = run()
    assert result.exit_code == 0, result.output
    assert "of it at 20% of the looks" in result.stdout
    lines = list(csv.DictReader((tmp_path / "cell.simulation.csv").read_text().splitlines()))
    assert {line["order"] for line in lines} == {"list", "best", "random", "length"}
    ends = {tuple(line[key] for key in ("f1", "path_agreement", "branch_f1")) for line in lines if line["share"] == "1"}
    assert len({end[0] for end in ends}) == 1  # whatever the order, all stretches are all stretches
    assert (tmp_path / "cell.simulation.png").read_bytes().startswith(b"\x89PNG")
    assert run().exit_code == 2  # nothing is overwritten


def test_way_on_goes_through_the_file_of_the_list(tmp_path):
    tree = tree_of([(0, 0), (60, 0)], confidence=0.9)
    one = beyond(tree, (60, 0), (120, 0))
    lacking = replace(tree, left_out=(LeftOut(one.top, np.array(one.way), one.length, 0.5),))
    swc, gold = tmp_path / "cell.swc", tmp_path / "gold.swc"
    write_swc(lacking, swc)
    write_swc(tree_of(TRUNK), gold)
    write_review(lacking, file_rows(lacking, swc), review_path(swc))
    found = [line for line in read_listed(review_path(swc), swc, tree, np.arange(1, len(tree) + 1)) if line.way]
    assert [(line.top, line.tip, line.doubt, line.reasons) for line in found] == [
        (one.top, (120.0, 0.0, 0.0), 0.5, ("missing",))
    ]
    last = [point for point in simulate(swc, gold) if point.order == "list"][-1]
    assert last.scores["f1"] == 1


def test_list_with_the_byte_order_mark_of_a_spreadsheet_is_read(tmp_path):
    tree = tree_of(TRUNK)
    swc = tmp_path / "cell.swc"
    write_swc(tree, swc)
    write_review(tree, file_rows(tree, swc), review_path(swc))
    plain = read_listed(review_path(swc), swc, tree, np.arange(1, len(tree) + 1))
    review_path(swc).write_bytes(b"\xef\xbb\xbf" + review_path(swc).read_bytes())
    assert read_listed(review_path(swc), swc, tree, np.arange(1, len(tree) + 1)) == plain


def test_trees_of_two_units_are_warned_of(tmp_path):
    """In micrometres nothing of a neuron lies near to its tracing in voxels, and each score is near 0."""
    um, voxel = replace(tree_of(TRUNK), unit="um"), tree_of(TRUNK)
    swc, gold = tmp_path / "cell.swc", tmp_path / "gold.swc"
    write_swc(um, swc)
    write_swc(voxel, gold)
    write_review(um, file_rows(um, swc), review_path(swc))
    result = CliRunner().invoke(main, ["review", "simulate", str(swc), str(gold)])
    assert result.exit_code == 0, result.output
    assert f"{swc} is in um and {gold} in voxel" in result.stderr


def test_list_of_another_tree_is_refused(tmp_path):
    tree = tree_of(TRUNK, [(60, 0), (60, 60)])
    swc = tmp_path / "cell.swc"
    write_swc(tree, swc)
    write_review(tree, file_rows(tree, swc), review_path(swc))
    write_swc(tree_of(TRUNK), swc, overwrite=True)
    result = CliRunner().invoke(main, ["review", "simulate", str(swc), str(swc)])
    assert result.exit_code == 2
    assert "is of another one" in result.stderr or "is of another tree" in result.stderr
