"""Verdicts at the desk are those of the page: the same file, undone and given again, applied and audited."""

import csv

import numpy as np
import pytest

from neurorecon.core.errors import InputError
from neurorecon.core.tree import Tree
from neurorecon.mend import Verdict, read_verdicts, simulation
from neurorecon.mend.person import Person
from neurorecon.napari_plugin.review_desk import Mark, open_desk
from neurorecon.napari_plugin.verdict_history import replaces
from neurorecon.swc import read_swc, validate_swc, write_swc


def test_the_list_goes_look_by_look_as_its_file_does_and_holds_all_cable(result, neuron):
    path = result(neuron(), neuron(30.0))
    desk = open_desk(path)
    lines = list(csv.DictReader(path.with_name("cell.review.csv").read_text().splitlines()))
    listed = [(desk.files[one.file].swc.name, int(desk.files[one.file].ids[one.listed.node])) for one in desk.list]
    assert listed == [(line["file"], int(line["node"])) for line in lines]
    assert len({file for file, _ in listed[: len(listed) // 2]}) == 2  # the files of one result share one list
    expected = [float(line["length"]) * float(line["doubt"]) for line in lines]
    worth = [sum(expected[number] for number in look) for look in desk.looks]
    assert worth[0] == max(worth)
    for look in desk.looks:
        doubts = [desk.list[number].listed.doubt for number in look]
        assert doubts == sorted(doubts, reverse=True)


def test_a_step_by_looks_and_one_verdict_for_the_rest_of_a_look(result):
    path = result()
    desk = open_desk(path)
    look = desk.looks[0]
    assert len(look) > 1
    with pytest.raises(InputError, match="no stretch is chosen"):
        desk.keep_rest()
    desk.step(1)
    desk.judge("drop")
    assert desk.keep_rest() == len(look) - 1
    file = path.with_name("cell.verdicts.json")
    assert [v.do for v in read_verdicts(file).verdicts] == ["drop"] + ["keep"] * (len(look) - 1)
    assert desk.step_look(1) is desk.list[desk.looks[1][0]]
    assert desk.look == 1
    assert desk.step_look(-1) is desk.list[0]
    assert desk.step_look(-1) is None
    desk.undo()  # one undo takes them all back
    assert [v.do for v in read_verdicts(file).verdicts] == ["drop"]


def test_a_desk_opens_at_the_list_and_holds_all_cable(result):
    desk = open_desk(result())
    total = sum(stretch.listed.length for stretch in desk.list)
    assert total == pytest.approx(desk.files[0].tree.cable_length, rel=1e-3)
    assert desk.step(1) is desk.list[0]
    assert desk.node == (0, desk.list[0].listed.node)


def test_a_verdict_is_in_the_file_at_once_and_the_file_is_that_of_the_page(result, saved):
    path = result()
    desk = open_desk(path)
    desk.by = "Santiago"
    desk.step(1)
    desk.judge("drop", note="a vessel")
    table = saved(path.with_name("cell.verdicts.json"))
    assert {key: table[key] for key in ("format", "version", "by")} == {
        "format": "neurorecon-verdicts", "version": 1, "by": "Santiago",
    }  # fmt: skip
    (verdict,) = table["verdicts"]
    assert set(verdict) == {"at", "do", "node", "from", "to", "kind", "note"}
    assert (verdict["do"], verdict["note"], verdict["kind"]) == ("drop", "a vessel", None)
    assert verdict["at"].endswith("Z")
    read = read_verdicts(path.with_name("cell.verdicts.json"))
    assert read.tree_sha256 == desk.files[0].sha256


def test_verdicts_are_taken_up_where_they_were_left(result):
    path = result()
    desk = open_desk(path)
    desk.step(1)
    desk.judge("keep")
    again = open_desk(path)
    assert again.said() == {0: "keep"}
    assert again.step(1) is again.list[1]


def test_undo_and_redo_change_the_file_too(result):
    path = result()
    file = path.with_name("cell.verdicts.json")
    desk = open_desk(path)
    assert not desk.undo()
    desk.step(1)
    desk.judge("drop")
    desk.judge("keep")
    assert [v.do for v in read_verdicts(file).verdicts] == ["keep"]
    assert desk.undo()
    assert [v.do for v in read_verdicts(file).verdicts] == ["drop"]
    assert desk.undo()
    assert read_verdicts(file).verdicts == ()
    assert desk.redo()
    assert desk.redo()
    assert not desk.redo()
    assert [v.do for v in read_verdicts(file).verdicts] == ["keep"]
    desk.remove(0, 0)
    assert read_verdicts(file).verdicts == ()


def test_verdicts_of_another_tree_are_not_overwritten(result, neuron):
    path = result()
    desk = open_desk(path)
    desk.step(1)
    desk.judge("keep")
    write_swc(neuron(0.5), path.with_name("cell.swc"), overwrite=True)
    with pytest.raises(InputError, match="is about another tree"):
        open_desk(path.with_name("cell.swc"))


def test_each_file_of_a_result_has_its_own_verdicts(result, neuron):
    path = result(neuron(), neuron(9.0))
    desk = open_desk(path)
    assert [file.swc.name for file in desk.files] == ["cell_1.swc", "cell_2.swc"]
    second = next(number for number, stretch in enumerate(desk.list) if stretch.file == 1)
    desk.choose(second)
    desk.judge("keep")
    assert not path.with_name("cell_1.verdicts.json").exists()
    assert len(read_verdicts(path.with_name("cell_2.verdicts.json")).verdicts) == 1


def test_marks_show_what_is_kept_dropped_and_cut(result):
    desk = open_desk(result())
    desk.step(1)
    desk.judge("drop")
    rows = list(desk.list[0].listed.rows)
    assert (desk.marks(0)[rows] == Mark.DROPPED).all()
    desk.judge("keep")
    assert (desk.marks(0)[rows] == Mark.KEPT).all()
    desk.mark(0, 20)
    desk.judge("detach")
    assert desk.marks(0)[20] == Mark.CUT


def test_a_mark_chooses_the_stretch_of_the_node(result):
    desk = open_desk(result())
    desk.mark(0, 35)
    assert 35 in desk.stretch.listed.rows
    assert desk.node == (0, 35)
    desk.mark(0, 0)  # a root has no edge above it: the stretch below
    assert 1 in desk.stretch.listed.rows


def test_what_cannot_be_decided_is_refused_in_words(result):
    desk = open_desk(result())
    with pytest.raises(InputError, match="no stretch is chosen"):
        desk.judge("keep")
    desk.mark(0, 0)
    with pytest.raises(InputError, match="is a root"):
        desk.judge("detach")
    with pytest.raises(InputError, match="joined with itself"):
        desk.judge("join", to=0)
    with pytest.raises(InputError, match="of one tree already, a join would make a loop"):
        desk.judge("join", to=39)
    assert desk.history.files == ((),)


def test_a_join_of_two_trees_with_somata_is_said_at_once(result, neuron):
    desk = open_desk(result(neuron(), neuron(9.0), single_file=True))
    somata = np.flatnonzero(desk.files[0].tree.type == 1).tolist()
    assert len(somata) == 2
    desk.mark(0, somata[0] + 5)
    desk.join(0, somata[1] + 5)
    assert desk.two_somata
    assert "both trees have a soma" in desk.apply(0)[1].mended.outcomes[0].what
    desk.undo()
    desk.mark(0, somata[1] + 1)
    desk.judge("detach")
    desk.mark(0, somata[0] + 5)
    desk.join(0, somata[1] + 5)
    assert not desk.two_somata
    assert all(one.done for one in desk.apply(0)[1].mended.outcomes)


def test_a_join_waits_for_the_cut_that_makes_two_trees_of_one(result):
    desk = open_desk(result())
    desk.mark(0, 30)
    desk.judge("detach")
    desk.judge("keep")  # the stretch is right but for its link
    desk.judge("join", to=29)
    with pytest.raises(InputError, match="of one tree already"):
        desk.judge("join", to=0)
    desk.undo()
    desk.mark(0, 30)
    desk.judge("join", to=0)
    assert [outcome.done for outcome in desk.apply(0)[1].mended.outcomes] == [True, True, True]


def test_all_verdicts_together_make_a_valid_mended_tree(result, neuron):
    path = result()
    desk = open_desk(path)
    with pytest.raises(InputError, match="nothing to carry out"):
        desk.apply(0)
    desk.mark(0, 20)
    desk.judge("detach")
    desk.mark(0, 29)
    desk.judge("join", to=39)
    desk.mark(0, 39)
    desk.judge("kind", kind=2)
    output, applied = desk.apply(0)
    assert output.name == "cell_mended.swc"
    assert [outcome.done for outcome in applied.mended.outcomes] == [True, True, True]
    assert validate_swc(output) == []
    tree = read_swc(output)
    assert len(tree.roots) == 1
    assert (tree.type == 2).sum() >= 10
    desk.undo()
    assert desk.apply(0)[0] == output


def test_an_audit_says_how_much_is_wrong_at_most(result):
    desk = open_desk(result())
    reviewed = desk.list
    with pytest.raises(InputError, match="no sample was drawn"):
        desk.audited()
    desk.audit(0, 60)
    assert desk.auditing
    assert 1 < len(desk.list) <= len(reviewed)
    with pytest.raises(InputError, match="judges none"):
        desk.audited()
    for number in range(len(desk.list)):
        desk.choose(number)
        desk.judge("keep")
    assert desk.audited().startswith("at most 4.9 % of the cable is wrong (95 %): 0 of 60 places")
    desk.leave_audit()
    assert desk.list == reviewed


def test_trees_without_a_list_share_one_by_their_shape(result, neuron):
    path = result(neuron(), neuron(9.0))
    path.with_name("cell.review.csv").unlink()
    desk = open_desk(path)
    assert [stretch.listed.rank for stretch in desk.list] == list(range(1, len(desk.list) + 1))
    for file in (0, 1):
        edges = sorted(row for one in desk.list if one.file == file for row in one.listed.rows)
        assert edges == list(range(1, 40))
    assert [number for look in desk.looks for number in look] == list(range(len(desk.list)))


def test_a_tree_without_a_list_gets_one_by_its_shape(neuron, tmp_path):
    write_swc(neuron(), tmp_path / "other.swc")
    desk = open_desk(tmp_path / "other.swc")
    edges = sorted(row for stretch in desk.list for row in stretch.listed.rows)
    assert edges == list(range(1, 40))
    desk.step(1)
    desk.judge("drop")
    assert desk.apply(0)[1].mended.outcomes[0].done


# The same cases as `Verdicts.replaces` of the page.
@pytest.mark.parametrize(
    ("new", "old", "gives_way"),
    [
        (Verdict(1, "keep", 3, 1, 5), Verdict(2, "drop", 4, 1, 5), True),
        (Verdict(1, "keep", 3, 1, 5), Verdict(2, "drop", 4, 1, 6), False),
        (Verdict(1, "detach", 3), Verdict(2, "detach", 3), True),
        (Verdict(1, "detach", 3), Verdict(2, "keep", 3, 1, 5), False),
        (Verdict(1, "root", 3), Verdict(2, "root", 3), False),
        (Verdict(1, "join", 3, to=4), Verdict(2, "join", 3, to=5), False),
        (Verdict(1, "kind", 3, kind=2), Verdict(2, "kind", 3, kind=3), True),
    ],
)
def test_a_verdict_takes_the_place_of_one_on_the_same_place(new, old, gives_way):
    assert replaces(new, old) is gives_way


def test_a_page_of_the_same_result_gives_the_same_stretches(result, neuron):
    """Ends of a stretch by id, as the page writes them into its verdicts."""
    desk = open_desk(result())
    file = desk.files[0]
    for stretch in desk.list:
        top, to = file.ids[stretch.listed.top], file.ids[stretch.listed.rows[0]]
        row, length = file.row(to), 0.0
        while file.ids[row] != top:
            length += float(np.linalg.norm(file.tree.xyz[row] - file.tree.xyz[file.tree.parent[row]]))
            row = int(file.tree.parent[row])
        assert length == pytest.approx(stretch.listed.length, abs=1e-3)


def branched():
    """A trunk of 200 nodes with a branch of 80 on its middle, 1.5 px apart; the branch is less sure, its end least."""
    trunk = [(0.75 * k, 8, 10) for k in range(200)]
    branch = [(75, 8 + 0.75 * k, 10) for k in range(1, 81)]
    sure = np.r_[np.linspace(0.99, 0.9, 200), np.linspace(0.8, 0.3, 80)]
    kind = np.full(280, 3)
    kind[0] = 1
    parent = np.array([*range(-1, 199), 100, *range(200, 279)])
    return Tree(np.array(trunk + branch, float), np.full(280, 0.5), parent, kind, "um", sure)


def drop_look(desk):
    """Drop what of the look is the branch, keep the rest, and go on."""
    for number in desk.looks[desk.look]:
        stretch = desk.list[number]
        if stretch.listed.rows[0] >= 200:
            desk.choose(number)
            desk.judge("drop")
    desk.keep_rest()
    return desk.go_on()


def test_a_dropped_neurite_is_followed_to_its_end_before_the_list_goes_on(result):
    desk = open_desk(result(branched()))
    false = [number for number, one in enumerate(desk.list) if one.listed.rows[0] >= 200]
    assert len({desk.list[number].listed.look for number in false}) >= 3
    desk.choose(false[len(false) // 2])
    home = desk.look
    seen = []
    stretch = drop_look(desk)
    while desk.following:
        assert desk.current in false
        ends = {end for number in false if number in desk.said() for end in _ends(desk.list[number])}
        assert ends & set(_ends(stretch))  # it adjoins what was dropped
        seen.append(desk.look)
        stretch = drop_look(desk)
    said = desk.said()
    assert all(said.get(number) == "drop" for number in false)
    assert len(seen) >= 2
    assert stretch is None or desk.look > home
    assert desk.current not in said
    assert desk.ahead() == []


def _ends(stretch):
    return stretch.listed.top, stretch.listed.low


def test_a_step_back_leaves_the_neurite_that_was_followed(result):
    desk = open_desk(result(branched()))
    desk.choose(next(number for number, one in enumerate(desk.list) if one.listed.low == 279))
    home = desk.look
    drop_look(desk)
    assert desk.following
    desk.step_look(-1)
    assert (desk.look, desk.following) == (home, False)


def test_keep_and_drop_stay_in_the_look_while_it_has_a_stretch_without_a_verdict(result):
    desk = open_desk(result())
    look = desk.looks[0]
    desk.choose(look[-1])
    desk.judge("keep")
    assert desk.go_on() is desk.list[look[0]]
    desk.keep_rest()
    assert desk.go_on() is desk.list[desk.looks[1][0]]


def test_the_desk_goes_the_way_of_the_simulated_person(result):
    """The figures of docs/review.md are of that person; the expert's tree is the trunk without its branch."""
    desk = open_desk(result(branched()))
    tree = desk.files[0].tree
    listed = [stretch.listed for stretch in desk.list]
    gold = tree.take(np.flatnonzero(tree.xyz[:, 1] < 8.1))
    review = simulation._Review(simulation._in_order(listed, "list", 0, None), Person(tree, gold), 0.5)
    wanted, taken = [], set()
    while review.taken < review.whole:
        review.go_on(review.taken + 1)
        wanted += review._taken - taken
        taken = set(review._taken)
    person, went = Person(tree, gold), []
    stretch = desk.choose(0)
    while stretch is not None:
        went.append(desk.look)
        for number in desk.looks[desk.look]:
            desk.choose(number)
            desk.judge("drop" if person.look(listed[number]) else "keep")
        stretch = desk.go_on()
    assert went == wanted
    assert wanted != sorted(wanted)  # a neurite was followed
