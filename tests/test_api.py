"""The functions of the package take what people have in hand, or name the call that is right."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import dask.array
import numpy as np
import pytest
import zarr

import neurorecon as nr
from neurorecon.io import stack_of

SIZE = (1.0, 0.5, 0.5)


@pytest.fixture(scope="module")
def model():
    """The network of the package, opened once."""
    return nr.load_model(nr.SegmentSettings().model)


@pytest.fixture(scope="module")
def grey():
    """A neurite of 30 um along x in noise, (16, 40, 80) uint8."""
    rng = np.random.default_rng(2)
    z, y, _ = np.indices((16, 40, 80))
    tube = 150 * np.exp(-((y - 20) ** 2 / 8 + (z - 8) ** 2 / 3))
    tube[:, :, :6] = tube[:, :, -6:] = 0
    return np.clip(rng.normal(20, 3, tube.shape) + tube, 0, 250).astype(np.uint8)


@pytest.fixture(scope="module")
def expected(grey, model):
    """What the call with a Stack gives."""
    return nr.reconstruct(nr.Stack(grey, nr.VoxelSize(*SIZE)), model=model).tree


def same(tree, other):
    assert tree.unit == other.unit
    np.testing.assert_array_equal(tree.xyz, other.xyz)


@pytest.mark.parametrize("kind", ["numpy", "dask", "zarr", "list", "int64", "big-endian", "path", "text"])
def test_paths_and_arrays_of_any_library_are_the_same_stack(grey, tmp_path, kind):
    nr.write_stack(nr.Stack(grey, SIZE), tmp_path / "a.tif")
    given = {
        "numpy": lambda: grey,
        "dask": lambda: dask.array.from_array(grey, chunks=16),
        "zarr": lambda: zarr.array(grey),
        "list": grey.tolist,
        "int64": lambda: grey.astype(np.int64),
        "big-endian": lambda: grey.astype(">u2"),
        "path": lambda: tmp_path / "a.tif",
        "text": lambda: str(tmp_path / "a.tif"),
    }[kind]()
    stack = stack_of(given, "reconstruct", voxel_size=SIZE)
    np.testing.assert_array_equal(np.asarray(stack.data[:, :, :]), grey)
    assert stack.voxel_size == nr.VoxelSize(*SIZE)


def test_a_path_and_the_name_of_a_model_give_the_tree_of_the_stack(grey, tmp_path, expected):
    nr.write_stack(nr.Stack(grey, SIZE), tmp_path / "a.tif")
    same(nr.reconstruct(str(tmp_path / "a.tif"), model=nr.SegmentSettings().model).tree, expected)


def test_a_stack_takes_three_numbers_and_a_dask_array(grey):
    stack = nr.Stack(dask.array.from_array(grey, chunks=16), SIZE)
    assert stack.voxel_size == nr.VoxelSize(*SIZE)
    np.testing.assert_array_equal(stack.data[3:5], grey[3:5])
    assert stack.data.chunks == (16, 16, 16)


def test_both_stages_take_paths_and_arrays(grey, model, tmp_path, expected):
    probability = nr.segment(grey, model=model, voxel_size=SIZE)
    same(nr.trace(probability, stack=grey), expected)
    nr.write_stack(probability, tmp_path / "p.tif")
    nr.write_stack(nr.Stack(grey, SIZE), tmp_path / "a.tif")
    assert nr.trace(tmp_path / "p.tif", stack=tmp_path / "a.tif").cable_length == pytest.approx(
        expected.cable_length, rel=0.1
    )
    assert nr.evidence_of(tmp_path / "a.tif").voxel_size == nr.VoxelSize(*SIZE)


def test_morphometrics_take_a_file(tmp_path, expected):
    nr.write_swc(expected, tmp_path / "a.swc")
    assert nr.morphometrics(tmp_path / "a.swc").nodes == len(expected)


class Odd:
    """Nothing that is known."""

    tree = None


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: nr.reconstruct(Odd()), "reconstruct takes a Stack, a path or an array"),
        (lambda: nr.reconstruct(np.zeros((4, 5))), "3D stack"),
        (lambda: nr.reconstruct(np.zeros((4, 5, 6), complex)), "complex"),
        (lambda: nr.reconstruct(np.full((4, 5, 6), np.nan)), "NaN"),
        (lambda: nr.reconstruct(np.zeros((4, 5, 6)), nr.TraceSettings()), r"ReconstructSettings\(segment="),
        (lambda: nr.reconstruct(np.zeros((4, 5, 6)), voxel_size=(1, 2)), "three numbers"),
        (lambda: nr.reconstruct(np.zeros((4, 5, 6)), voxel_size=0.5), "three numbers"),
        (lambda: nr.reconstruct(np.zeros((4, 5, 6)), channel=1), "channel is for a path"),
        (lambda: nr.segment(np.zeros((4, 5, 6)), nr.TraceSettings()), "trace settings are for trace"),
        (lambda: nr.segment(np.zeros((4, 5, 6)), model=3), "a model is given by its name"),
        (lambda: nr.trace(np.zeros((4, 5, 6), np.uint8)), r"Probability\(array, voxel_size\)"),
        (lambda: nr.trace(nr.Stack(np.zeros((4, 5, 6), np.uint8))), r"evidence_of\(stack\)"),
        (lambda: nr.trace(nr.Probability(np.zeros((4, 5, 6), np.uint8)), nr.SegmentSettings()), "for segment"),
        (lambda: nr.Stack("a.tif"), "read_stack"),
        (lambda: nr.Probability("a.tif"), "read_probability"),
        (lambda: nr.read_stack(np.zeros((4, 5, 6))), r"neurorecon.Stack\(array, voxel_size\)"),
        (lambda: nr.write_stack(Odd(), "a.tif"), "write_stack takes a Stack or an array"),
        (lambda: nr.write_swc(Odd(), "a.swc"), "give result.tree"),
        (lambda: nr.morphometrics(Odd()), "give result.tree"),
    ],
)
def test_wrong_types_name_the_right_call(call, said):
    with pytest.raises(nr.NeuroreconError, match=said):
        call()


def test_a_bar_is_drawn_on_request_and_none_without(grey, model, capsys):
    nr.reconstruct(grey, model=model)
    assert capsys.readouterr().err == ""
    nr.reconstruct(grey, model=model, progress=True)
    assert "segment: 100%" in capsys.readouterr().err


def test_threads_get_the_trees_that_one_alone_gets(grey, model, expected):
    with ThreadPoolExecutor(4) as crew:
        found = list(crew.map(lambda _: nr.reconstruct(grey, model=model, voxel_size=SIZE).tree, range(4)))
    for tree in found:
        same(tree, expected)


def test_a_spawned_process_gets_the_same_tree(grey, expected):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as crew:
        made = crew.submit(nr.reconstruct, grey, voxel_size=SIZE).result()
    same(made.tree, expected)
