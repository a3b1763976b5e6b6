"""A brain-like volume: decided by seed and place, with its truth where the light is."""

import dataclasses
import itertools

import numpy as np
import pytest
from scipy import stats

from neurorecon.core.errors import InputError, SettingsError
from neurorecon.core.tree import NodeType
from neurorecon.synth import BrainSettings, brain, brain_scene, draw_box, grow_scene, write_brain
from neurorecon.synth.brain_write import CHUNK, SHARD

SMALL = BrainSettings(shape=(96, 200, 232), neurons=2, seed=5, puncta=40.0, blobs=2.0)


@pytest.fixture(scope="module")
def scene():
    return grow_scene(SMALL)


@pytest.fixture(scope="module")
def voxels(scene):
    return draw_box(scene, (0, 0, 0), SMALL.shape)


def tiled(scene, edges):
    """The whole volume, drawn in boxes of `edges`, the last one first."""
    shape = scene.settings.shape
    result = np.zeros(shape, np.uint8)
    corners = list(itertools.product(*(range(0, n, e) for n, e in zip(shape, edges, strict=True))))
    for corner in reversed(corners):
        end = tuple(min(n, c + e) for n, c, e in zip(shape, corner, edges, strict=True))
        result[tuple(map(slice, corner, end))] = draw_box(scene, corner, end)
    return result


@pytest.mark.parametrize("edges", [(32, 64, 64), (37, 91, 53), (96, 7, 232)])
def test_blocks_of_any_size_and_order_give_the_same_bytes(scene, voxels, edges):
    np.testing.assert_array_equal(tiled(scene, edges), voxels)


@pytest.mark.parametrize("size", [(2.0, 1.0, 1.0), (1.3, 0.7, 0.9)])
def test_blocks_agree_where_voxels_are_no_cubes(size):
    scene = grow_scene(dataclasses.replace(SMALL, shape=(64, 140, 150), voxel_size=size))
    np.testing.assert_array_equal(tiled(scene, (21, 50, 64)), draw_box(scene, (0, 0, 0), (64, 140, 150)))


def test_the_cells_that_are_drawn_at_once_change_nothing(scene, voxels, monkeypatch):
    box = (10, 20, 30), (80, 150, 200)
    monkeypatch.setattr(brain, "CELL", (16, 32, 48))
    np.testing.assert_array_equal(draw_box(scene, *box), voxels[10:80, 20:150, 30:200])


def test_the_seed_decides_the_voxels(voxels):
    again = grow_scene.__wrapped__(SMALL)
    np.testing.assert_array_equal(draw_box(again, (40, 50, 60), (50, 99, 99)), voxels[40:50, 50:99, 60:99])
    other = grow_scene(dataclasses.replace(SMALL, seed=6))
    assert (draw_box(other, (40, 50, 60), (50, 99, 99)) != voxels[40:50, 50:99, 60:99]).mean() > 0.3


def test_each_neuron_is_one_tree_within_the_volume(scene):
    trees = scene.truth.split()
    assert len(trees) == SMALL.neurons
    for tree in trees:
        assert tree.unit == "um"
        assert tree.type[0] == NodeType.SOMA
        assert set(tree.type) == {NodeType.SOMA, NodeType.AXON, NodeType.DENDRITE}
        assert len(tree.branch_points) > 20
        assert tree.edge_length.max() < 2
        assert (tree.xyz >= 0).all()
        assert (tree.xyz <= np.array(SMALL.shape[::-1]) - 1).all()


@pytest.mark.parametrize("size", [(1.0, 1.0, 1.0), (2.0, 1.0, 1.0)])
def test_the_light_lies_on_the_truth(size):
    settings = dataclasses.replace(SMALL, voxel_size=size, puncta=0.0, blobs=0.0)
    scene = grow_scene(settings)
    voxels = draw_box(scene, (0, 0, 0), settings.shape)
    x, y, z = np.rint(scene.truth.xyz / size[::-1]).astype(int).T
    on_truth = voxels[z, y, x]
    assert (on_truth > 2 * settings.background).mean() > 0.9
    assert (voxels > 2.5 * settings.background).mean() < 0.1  # little else is bright
    radius = scene.truth.radius[scene.truth.type == NodeType.SOMA]
    assert ((radius > 3) & (radius < 10)).all()


def test_axons_of_a_large_volume_run_through_many_blocks():
    settings = BrainSettings(shape=(512, 1500, 1500), neurons=3, seed=2)
    truth = grow_scene(settings).truth
    for tree in truth.split():
        blocks = np.unique(tree.xyz[tree.type == NodeType.AXON] // 256, axis=0)
        assert len(blocks) > 10


def test_empty_tissue_has_the_noise_that_is_stated():
    settings = BrainSettings(shape=(40, 256, 256), neurons=0, background=30, uneven=0, puncta=0, blobs=0, bit_depth=16)
    scene = grow_scene(settings)
    grey = draw_box(scene, (0, 0, 0), settings.shape)
    assert grey.dtype == np.uint16
    assert not len(scene.truth)
    deviation = np.sqrt(settings.read_noise**2 + settings.gain * 30)
    assert grey.mean() / 16 == pytest.approx(30, abs=0.01)
    assert grey.std() / 16 == pytest.approx(deviation, rel=0.01)
    assert stats.kstest(grey.ravel()[::50] / 16, "norm", args=(30, deviation)).statistic < 0.02


def test_the_noise_has_no_pattern():
    settings = BrainSettings(shape=(40, 256, 256), neurons=0, uneven=0, puncta=0, blobs=0, bit_depth=16)
    grey = draw_box(grow_scene(settings), (0, 0, 0), settings.shape).astype(float)
    grey -= grey.mean()
    for step in itertools.product((0, 1), (0, 1), (0, 1, 8)):
        if any(step):
            z, y, x = step
            beside = grey[z:, y:, x:] * grey[: len(grey) - z, : 256 - y, : 256 - x]
            assert abs(beside.mean()) / grey.var() < 4 / np.sqrt(beside.size)
    counts = np.bincount(brain.noise_bytes(grow_scene(settings), (3, 0, 0), (256, 256)).ravel(), minlength=256)
    assert stats.chisquare(counts).pvalue > 1e-4


def test_noise_is_the_published_sequence():
    """The first members of SplitMix64 from state 1234567, as its reference program prints them."""
    due = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    golden, whole = 0x9E3779B97F4A7C15, 1 << 64
    first = 1234567 * pow(golden, -1, whole) + 1  # member i has the state i * golden
    assert brain.mixed(np.array([(first + i) % whole for i in range(5)], np.uint64)).tolist() == due


def test_a_written_volume_holds_the_same_voxels_whatever_the_processes(tmp_path, monkeypatch):
    import zarr

    settings = dataclasses.replace(SMALL, shape=(70, 300, 600), neurons=1)
    due = draw_box(grow_scene(settings), (0, 0, 0), settings.shape)
    steps = []
    for jobs in (1, 2):
        path = tmp_path / f"{jobs}.ome.zarr"
        write_brain(settings, path, attributes={"a": 1}, jobs=jobs, progress=lambda *step: steps.append(step))
        array = zarr.open_group(path, mode="r")["0"]
        np.testing.assert_array_equal(array[:], due)
        assert dict(zarr.open_group(path, mode="r").attrs) == {"a": 1}
        assert array.chunks == CHUNK
        assert array.shards == (128, 384, 512)
    assert steps == [(1, 2), (2, 2)] * 2
    assert not list(tmp_path.glob(".*"))


def test_a_shard_is_drawn_within_little_memory():
    """Half a gigabyte with the interpreter: what is held beside a shard is a few cells."""
    import tracemalloc

    settings = BrainSettings(shape=SHARD, neurons=1)
    scene = grow_scene(settings)
    tracemalloc.start()
    draw_box(scene, (0, 0, 0), SHARD)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * np.prod(SHARD)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("shape", (16, 100, 100), "32 or more"),
        ("neurons", -1, "neurons is -1"),
        ("voxel_size", (0.5, 1.0, 1.0), "z may be"),
        ("voxel_size", (1.0, 50.0, 1.0), "0.2 to 5"),
        ("psf_axial_px", 9.0, "psf_axial_px is 9"),
        ("bit_depth", 12, "8 or 16"),
    ],
)
def test_settings_out_of_range_are_named(field, value, words):
    with pytest.raises((SettingsError, InputError), match=words):
        BrainSettings(**{field: value})


def test_no_ball_reaches_beyond_the_cells_around_its_own():
    for size in [(1.0, 1.0, 1.0), (0.2, 0.2, 0.2), (0.2, 0.2, 0.2)]:
        scene = grow_scene(dataclasses.replace(SMALL, voxel_size=size, shape=(160, 160, 160), psf_axial_px=4.0))
        spacing = np.array(size) / size[2]
        blur = np.ceil(3 * np.array([4.0, 0.8, 0.8]) / spacing + 1)
        for balls, times in ((scene.neurites, 1.0), (scene.spots, 0.0)):
            reach = (balls.radius.max() + 1) / spacing * times + blur
            assert (reach < brain_scene.CELL).all()
