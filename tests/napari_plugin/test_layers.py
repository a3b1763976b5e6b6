"""What the readers give, what the writer makes of it, and that a viewer shows it in the right place."""

import json

import numpy as np
import pytest

from neurorecon.core.errors import InputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import Probability
from neurorecon.core.tree import Tree
from neurorecon.io import write_stack
from neurorecon.napari_plugin.layer_data import KEY, Frame3, map_layers, tree_layers
from neurorecon.napari_plugin.layer_readers import result_reader, stack_reader, swc_reader
from neurorecon.napari_plugin.layer_writer import write_tree_layer
from neurorecon.napari_plugin.sample_layers import sample_neuron
from neurorecon.swc import read_swc, validate_swc, write_swc

SIZE = VoxelSize(1.0, 0.5, 0.25)

# zyx in micrometres: the trunk of `neuron` lies along x at y = 8 and z = 10.
SOMA_ZYX = (10, 8, 4)


def by_name(layers):
    return {arguments["name"]: (data, arguments, kind) for data, arguments, kind in layers}


def attributes(layer):
    """What napari hands to a writer beside the data."""
    data, arguments, _ = layer
    return data, arguments


def test_a_tree_is_points_and_vectors_in_micrometres(neuron, tmp_path):
    write_swc(neuron(), tmp_path / "cell.swc")
    layers = by_name(swc_reader(str(tmp_path / "cell.swc"))("path"))
    nodes, arguments, kind = layers["cell"]
    assert kind == "points"
    assert nodes[0].tolist() == list(SOMA_ZYX)
    assert arguments["size"][0] == 4.0
    assert arguments["units"] == ("micrometer",) * 3
    assert arguments["scale"] == (1, 1, 1)
    edges, _, kind = layers["cell edges"]
    assert kind == "vectors"
    assert edges.shape == (39, 2, 3)
    np.testing.assert_allclose(edges[0].sum(axis=0), SOMA_ZYX)  # from the second node to its parent, the soma


def test_a_tree_in_voxels_takes_the_voxel_size_of_its_stack_as_scale(y_tree, y_stack):
    (_, arguments, _), _ = tree_layers(y_tree, "y", frame=Frame3.of_tree(y_tree, y_stack.voxel_size))
    assert arguments["scale"] == (0.5, 0.5, 0.5)
    assert arguments["units"] == ("micrometer",) * 3
    (_, alone, _), _ = tree_layers(y_tree, "y")
    assert alone["units"] == ("pixel",) * 3


def test_a_result_brings_stack_map_trees_and_the_confidence_of_its_list(result, neuron):
    path = result(neuron(), neuron(9.0), kept=True)
    layers = by_name(result_reader(str(path))("path"))
    names = ["cell.tif", "cell_prob.ome.zarr", "cell_1", "cell_1 edges", "cell_2", "cell_2 edges"]
    assert list(layers) == names
    assert layers["cell.tif"][1]["scale"] == (1.0, 0.5, 0.25)
    assert layers["cell.tif"][0].shape == (24, 60, 120)
    confidence = layers["cell_1 edges"][1]["features"]["confidence"]
    assert confidence[0] > 0.8 > 0.5 > confidence[-1]


def test_a_result_whose_stack_is_gone_is_shown_without_it(result, caplog):
    path = result()
    path.with_name("cell.tif").unlink()
    layers = by_name(result_reader(str(path))("path"))
    assert list(layers) == ["cell", "cell edges"]
    assert "shown without its stack" in caplog.text


def test_a_result_of_a_stack_in_memory_is_shown_without_it(result, caplog):
    path = result()
    path.write_text(json.dumps(json.loads(path.read_text()) | {"command": None}))
    layers = by_name(result_reader(str(path))("path"))
    assert list(layers) == ["cell", "cell edges"]
    assert "which was no file" in caplog.text


def test_a_result_whose_tree_is_gone_says_so(result):
    path = result()
    path.with_name("cell.swc").unlink()
    with pytest.raises(InputError, match=r"cell\.swc: is named by cell\.json and is gone"):
        result_reader(str(path))("path")


@pytest.mark.parametrize("text", ["{}", '{"format": 1}', "[1]", "no json", '{"format": "neurorecon-verdicts"}'])
def test_json_of_others_is_left_to_others(tmp_path, text):
    (tmp_path / "other.json").write_text(text)
    assert result_reader(str(tmp_path / "other.json")) is None


def test_files_that_are_no_stack_are_left_to_others(tmp_path):
    (tmp_path / "other.tif").write_bytes(b"no picture")
    (tmp_path / "folder").mkdir()
    assert stack_reader(str(tmp_path / "other.tif")) is None
    assert stack_reader(str(tmp_path / "folder")) is None
    assert swc_reader([str(tmp_path / "a.swc"), str(tmp_path / "other.tif")]) is None


def test_a_stack_keeps_its_voxel_size_and_a_map_its_kind(result):
    path = result(kept=True)
    ((data, arguments, kind),) = stack_reader(str(path.with_name("cell.tif")))("path")
    assert (kind, data.shape, arguments["scale"]) == ("image", (24, 60, 120), (1.0, 0.5, 0.25))
    ((data, arguments, _),) = stack_reader(str(path.with_name("cell_prob.ome.zarr")))("path")
    assert arguments["colormap"] == "magenta"
    assert int(np.asarray(data[10]).max()) == 220
    assert arguments["scale"] == (1.0, 0.5, 0.25)


def test_a_map_of_somata_is_a_layer_of_its_own():
    maps = np.zeros((9, 4, 4), np.uint8), np.ones((9, 4, 4), np.uint8)
    neurite, soma = map_layers(Probability(maps[0], SIZE, soma=maps[1]), "map")
    assert (neurite[1]["name"], soma[1]["name"]) == ("map", "map (soma)")
    assert neurite[1]["colormap"] != soma[1]["colormap"]


def test_planes_between_those_of_an_unscaled_stack_lie_closer():
    ((_, arguments, _),) = map_layers(Probability(np.zeros((9, 4, 4), np.uint8), planes=4), "map")
    assert arguments["scale"] == (0.25, 1.0, 1.0)


def test_the_sample_is_a_stack_with_its_truth():
    stack, nodes, edges = sample_neuron()
    assert stack[0].ndim == 3
    assert stack[1]["scale"] == nodes[1]["scale"]
    inside = nodes[0] < np.array(stack[0].shape)
    assert inside.all()
    values = stack[0][tuple(np.rint(nodes[0]).astype(int).T)]
    assert np.median(values) > 2 * np.median(stack[0])  # the truth lies on bright voxels
    assert len(edges[0]) == len(nodes[0]) - 1


def test_what_is_written_is_the_tree_that_was_read(result, tmp_path):
    path = result()
    layers = by_name(result_reader(str(path))("path"))
    out = tmp_path / "out.swc"
    assert write_tree_layer(str(out), *attributes(layers["cell"])) == [str(out)]
    assert validate_swc(out) == []
    before, after = read_swc(path.with_name("cell.swc")), read_swc(out)
    np.testing.assert_allclose(after.xyz, before.xyz)
    np.testing.assert_array_equal(after.parent, before.parent)
    np.testing.assert_allclose(after.radius, before.radius)
    assert after.unit == "um"


def test_points_that_were_moved_and_deleted_are_written_so(neuron, tmp_path):
    write_swc(neuron(), tmp_path / "cell.swc")
    data, arguments = attributes(swc_reader(str(tmp_path / "cell.swc"))("path")[0])
    keep = np.arange(40) != 15  # the branch point
    data = data[keep] + [0, 0, 1]
    features = {name: column[keep] for name, column in arguments["features"].items()}
    changed = arguments | {"features": features, "size": arguments["size"][keep]}
    write_tree_layer(str(tmp_path / "out.swc"), data, changed)
    tree = read_swc(tmp_path / "out.swc")
    assert len(tree.roots) == 3
    assert tree.xyz[0].tolist() == [5, 8, 10]


def test_points_that_are_no_tree_or_hang_on_nothing_are_refused(neuron, tmp_path):
    with pytest.raises(InputError, match="spots: is no tree"):
        write_tree_layer(str(tmp_path / "out.swc"), np.zeros((2, 3)), {"name": "spots", "metadata": {}, "size": 1})
    (data, arguments, _), _ = tree_layers(neuron(), "cell")
    features = {name: np.append(column, column[-1]) for name, column in arguments["features"].items()}
    with pytest.raises(InputError, match="a point was added"):
        write_tree_layer(str(tmp_path / "out.swc"), np.vstack([data, data[-1:]]), arguments | {"features": features})
    assert not (tmp_path / "out.swc").exists()


@pytest.mark.napari
def test_a_viewer_shows_stack_and_tree_in_one_place(viewer, result, put):
    layers = put(viewer, result_reader(str(result()))("path"))
    stack, nodes, edges = layers
    assert stack.data_to_world((10, 16, 16)) == SOMA_ZYX
    assert tuple(nodes.data_to_world(nodes.data[0])) == SOMA_ZYX
    assert [str(unit) for unit in edges.units] == ["micrometer"] * 3
    assert nodes.metadata[KEY]["ids"][0] == 1
    (_, arguments, _) = nodes.as_layer_data_tuple()
    assert set(arguments["features"]) == {"id", "type", "parent"}


@pytest.mark.napari
def test_the_writer_takes_what_a_viewer_holds(viewer, neuron, put, tmp_path):
    nodes, _ = put(viewer, tree_layers(neuron(), "cell"))
    data, arguments, _ = nodes.as_layer_data_tuple()
    write_tree_layer(str(tmp_path / "out.swc"), data, arguments)
    assert isinstance(read_swc(tmp_path / "out.swc"), Tree)
    assert validate_swc(tmp_path / "out.swc") == []


@pytest.mark.napari
def test_a_lazy_stack_stays_lazy_in_a_viewer(viewer, put, tmp_path, grey_stack):
    write_stack(grey_stack, tmp_path / "big.ome.zarr")
    (layer,) = put(viewer, stack_reader(str(tmp_path / "big.ome.zarr"))("path"))
    assert not isinstance(layer.data, np.ndarray)
    viewer.dims.set_point(0, 3.0)
    np.testing.assert_array_equal(np.asarray(layer.data[3]), grey_stack.data[3])


def test_json_of_a_result_is_what_the_reader_takes_for_one(result):
    assert json.loads(result().read_text())["format"] == 1
