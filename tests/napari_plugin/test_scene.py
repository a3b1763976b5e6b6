"""A desk in a viewer without a window: colours, the camera, clicks and joins."""

from dataclasses import dataclass

import numpy as np
import pytest

from neurorecon.core.errors import InputError
from neurorecon.core.tree import Tree
from neurorecon.napari_plugin.layer_data import rgba
from neurorecon.napari_plugin.layer_readers import result_reader
from neurorecon.napari_plugin.review_desk import Mark, open_desk
from neurorecon.napari_plugin.review_scene import CHOSEN, MARK_COLOURS, MARKED, ReviewScene

pytestmark = pytest.mark.napari


@dataclass
class Click:
    """What napari says of a click, in a view along z."""

    position: tuple
    view_direction: tuple = (1.0, 0.0, 0.0)
    dims_displayed: tuple = (0, 1, 2)


def edges_of(viewer, name="cell edges"):
    return viewer.layers[name]


def test_layers_that_show_the_tree_already_are_taken(viewer, result, put):
    path = result()
    put(viewer, result_reader(str(path))("path"))
    ReviewScene(viewer, open_desk(path))
    assert [layer.name for layer in viewer.layers] == ["cell.tif", "cell", "cell edges", CHOSEN, MARKED]
    assert viewer.dims.ndisplay == 3


def test_without_layers_the_tree_gets_some_with_its_confidence(viewer, result):
    ReviewScene(viewer, open_desk(result()))
    edges = edges_of(viewer)
    assert edges.features["confidence"].iloc[0] > edges.features["confidence"].iloc[-1]
    assert not np.allclose(edges.edge_color[0], edges.edge_color[-1])


def test_a_choice_shows_the_stretch_and_brings_its_look_into_the_middle(viewer, result):
    desk = open_desk(result())
    scene = ReviewScene(viewer, desk)
    stretch = desk.step(1)
    scene.show()
    zyx = desk.files[0].tree.xyz[:, ::-1]
    np.testing.assert_allclose(viewer.layers[CHOSEN].data[:, 0], zyx[list(stretch.listed.rows)])
    np.testing.assert_allclose(viewer.layers[MARKED].data, zyx[[stretch.listed.node]])
    look = [desk.list[number].listed for number in desk.looks[0]]
    rows = [row for listed in look for row in (*listed.rows, listed.top)]
    middle = (zyx[rows].min(axis=0) + zyx[rows].max(axis=0)) / 2
    np.testing.assert_allclose(viewer.scene.camera.center, middle)
    np.testing.assert_allclose(viewer.dims.point, middle, atol=0.51)  # on the grid of the sliders
    far = viewer.scene.camera.zoom * np.linalg.norm(zyx[rows] - middle, axis=1).max()
    assert 20 < far < 300  # pixels of a canvas of 600
    assert len(look) > 1
    viewer.scene.camera.center = (1, 2, 3)
    desk.step(1)
    scene.show()  # the same look: the camera stays where the person turned it
    np.testing.assert_allclose(viewer.scene.camera.center, (1, 2, 3))
    desk.step_look(1)
    scene.show()
    assert not np.allclose(viewer.scene.camera.center, (1, 2, 3))


def test_a_box_of_the_stack_is_shown_around_the_stretch_and_all_of_it_again(viewer, result, put):
    path = result()
    (stack, *_) = put(viewer, result_reader(str(path))("path"))
    desk = open_desk(path)
    scene = ReviewScene(viewer, desk)
    desk.step(1)
    scene.show()
    rows = [*desk.stretch.listed.rows, desk.stretch.listed.top]
    inside = desk.files[0].tree.xyz[rows, ::-1]
    planes = [(np.array(p.position), np.array(p.normal)) for p in stack.experimental_clipping_planes]
    assert len(planes) == 6
    assert all(((inside - position) @ normal > 0).all() for position, normal in planes)
    far = desk.files[0].tree.xyz[:1, ::-1]  # the soma, 20 um away
    assert any(((far - position) @ normal < 0).any() for position, normal in planes)
    scene.slab = False
    scene.show()
    assert len(stack.experimental_clipping_planes) == 0


def test_verdicts_colour_the_tree_and_undo_takes_the_colour_back(viewer, result):
    desk = open_desk(result())
    scene = ReviewScene(viewer, desk)
    plain = edges_of(viewer).edge_color.copy()
    desk.step(1)
    desk.judge("drop")
    scene.paint()
    rows = np.array(desk.list[0].listed.rows) - 1  # edges have no row for the root
    np.testing.assert_allclose(
        edges_of(viewer).edge_color[rows], [rgba(MARK_COLOURS[Mark.DROPPED])] * len(rows), atol=1e-6
    )
    desk.undo()
    scene.paint()
    np.testing.assert_allclose(edges_of(viewer).edge_color, plain)


def test_a_click_marks_the_node_under_it(viewer, result):
    desk = open_desk(result())
    scene = ReviewScene(viewer, desk)
    z, y, x = desk.files[0].tree.xyz[22, ::-1]
    assert scene.click(Click((z - 5, y, x))) == 22
    assert desk.node == (0, 22)
    assert 22 in desk.stretch.listed.rows
    np.testing.assert_allclose(viewer.layers[MARKED].data, [[z, y, x]])
    assert scene.click(Click((z - 5, y + 7, x))) is None
    assert desk.node == (0, 22)


def test_two_clicks_join_two_nodes_of_a_file(viewer, result, neuron):
    path = result(neuron(), neuron(9.0))
    desk = open_desk(path)
    scene = ReviewScene(viewer, desk)
    scene.take(0, 30)
    desk.judge("detach")
    scene.take(0, 29)
    scene.joining = True
    with pytest.raises(InputError, match="two SWC files"):
        scene.take(1, 3)
    scene.take(0, 39)
    assert not scene.joining
    assert [(v.do, v.node, v.to) for v in desk.history.files[0][1:]] == [("join", 30, 40)]


def test_brackets_walk_to_the_root_and_away(viewer, result):
    desk = open_desk(result())
    scene = ReviewScene(viewer, desk)
    assert not scene.walk(1)
    scene.take(0, 1)
    assert scene.walk(-1)
    assert desk.node == (0, 0)
    assert not scene.walk(-1)
    assert scene.walk(1)
    assert desk.node == (0, 1)


def test_closing_leaves_the_trees_as_they_were(viewer, result, put):
    path = result()
    put(viewer, result_reader(str(path))("path"))
    before = edges_of(viewer).edge_color.copy()
    desk = open_desk(path)
    scene = ReviewScene(viewer, desk)
    desk.step(1)
    desk.judge("drop")
    scene.paint()
    scene.close()
    np.testing.assert_allclose(edges_of(viewer).edge_color, before)
    assert CHOSEN not in viewer.layers


def test_a_large_tree_is_painted_in_a_blink(viewer, tmp_path):
    """50,000 nodes, as the page has to bear: a second for the layers, and far less for a verdict."""
    import time

    from neurorecon.swc import write_swc

    n = 50_000
    xyz = np.c_[np.arange(n) * 0.75, np.sin(np.arange(n) / 50) * 40, np.zeros(n)]
    write_swc(Tree(xyz, np.ones(n), np.arange(-1, n - 1)), tmp_path / "long.swc")
    desk = open_desk(tmp_path / "long.swc")
    scene = ReviewScene(viewer, desk)
    desk.step(1)
    desk.judge("drop")
    start = time.process_time()
    scene.paint()
    scene.show()
    assert time.process_time() - start < 2
