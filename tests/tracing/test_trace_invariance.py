"""What must not change the tree: the process, the layout in memory, mirrors, the order of axes, the unit, empty margin."""

import functools
import hashlib
import os
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest

from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.core.tree import NodeType, Tree
from neurorecon.evaluate import score_trees
from neurorecon.tracing import TraceSettings, evidence_of, trace

SHAPE, CENTRE = (36, 64, 70), (17.0, 31.0, 34.0)
COLUMNS = ("xyz", "radius", "parent", "type", "confidence", "bridged")


class Maps(NamedTuple):
    """What `trace` is given: neurite, soma map or None, grey stack or None."""

    neurite: np.ndarray
    soma: np.ndarray | None
    grey: np.ndarray | None

    def change(self, action):
        """The maps after `action` on each."""
        return Maps(*(None if one is None else np.ascontiguousarray(action(one)) for one in self))

    def trace(self, voxel_size=None, settings=TraceSettings()):
        """The tree of the maps."""
        stack = None if self.grey is None else Stack(self.grey, voxel_size)
        return trace(Probability(self.neurite, voxel_size, self.soma), settings, stack=stack)


@functools.cache
def drawn(canvas, seed, kind, haze=True):
    """A noisy neuron of 4 neurites that fork once, 1 branch in 5 with a gap, 1 in 3 faint; read-only maps.

    `kind`: "ball" with a soma, "soma map" with one that is also in the soma map, "none" without, "stack" with a soma and
    the grey stack. Without haze all is empty round the neuron.
    """
    rng = np.random.default_rng(seed)
    drawing, soma = canvas(SHAPE), np.array(CENTRE) + rng.uniform(-2, 2, 3)
    if kind != "none":
        drawing.ball(soma, 5.5)
    if kind == "soma map":
        drawing.soma_map(soma, 5.5, 0.9)
    turn = rng.uniform(0, 6)
    for k in range(4):
        angle = np.pi / 2 * (k + turn)
        fork = soma + (rng.uniform(-5, 5), 13 * np.sin(angle), 14 * np.cos(angle))
        drawing.tube([soma, fork], 1.6)
        for bend in (-0.5, 0.5):
            way = np.array((rng.uniform(-5, 5), 13 * np.sin(angle + bend), 14 * np.cos(angle + bend)))
            level = rng.choice([1.0, 0.8, 0.5])
            shares = [(0, 0.35), (0.65, 1)] if rng.random() < 0.2 else [(0, 1)]
            for start, end in shares:
                drawing.tube([fork + start * way, fork + end * way], 1.2, level)
    clean = drawing.map
    noise = 0.3 * rng.random(SHAPE) ** 6 * (haze | (clean > 0))
    drawing.map = np.clip(clean * rng.uniform(0.8, 1, SHAPE) + noise, 0, 1)
    made = drawing.probability()
    grey = np.round(100 + 900 * clean + rng.normal(0, 20, SHAPE)).astype(np.uint16) if kind == "stack" else None
    maps = Maps(made.neurite, made.soma, grey)
    for one in maps:
        if one is not None:
            one.flags.writeable = False
    return maps


@functools.cache
def tree_of(canvas, seed, kind):
    """The tree of a drawn neuron."""
    return drawn(canvas, seed, kind).trace()


def digest(tree):
    """A fingerprint of every byte of a tree."""
    total = hashlib.sha256(tree.unit.encode())
    for column in COLUMNS:
        total.update(getattr(tree, column).tobytes())
    return total.hexdigest()


def assert_same(one, two):
    """Hold two trees to be equal to the last bit."""
    for column in COLUMNS:
        np.testing.assert_array_equal(getattr(one, column), getattr(two, column), err_msg=column)


def moved(tree, zyx):
    """The tree with its nodes elsewhere; `zyx` (N, 3)."""
    return Tree(zyx[:, ::-1], tree.radius, tree.parent, tree.type, tree.unit, tree.confidence, tree.bridged)


def assert_alike(tree, wanted):
    """Hold two trees to be one, but for what the order of voxels decides where two ways are equally good."""
    scores = score_trees(tree, wanted, tolerance=1.0)
    assert scores.f1 >= 0.98
    assert scores.esa <= 0.1
    assert scores.length_ratio == pytest.approx(1, abs=0.02)
    assert len(tree.roots) == len(wanted.roots)
    assert abs(len(tree.tips) - len(wanted.tips)) <= 1  # a stub at the limit of length
    assert abs(len(tree.branch_points) - len(wanted.branch_points)) <= 1
    assert (tree.type == NodeType.SOMA).sum() == (wanted.type == NodeType.SOMA).sum()
    assert np.median(tree.radius) == pytest.approx(np.median(wanted.radius), rel=0.05)
    assert tree.confidence.mean() == pytest.approx(wanted.confidence.mean(), abs=0.1)


cases = pytest.mark.parametrize(("seed", "kind"), [(1, "ball"), (5, "soma map"), (5, "none"), (3, "stack")])


# the same input


@cases
def test_the_same_maps_give_the_same_bytes_again(canvas, seed, kind):
    assert digest(drawn(canvas, seed, kind).change(np.copy).trace()) == digest(tree_of(canvas, seed, kind))


PROGRAM = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[2])
from test_trace_invariance import Maps, digest
with np.load(sys.argv[1]) as maps:
    print(digest(Maps(maps["neurite"], maps["soma"], maps["grey"]).trace()))
"""


def start(root, folder, hashes, **more):
    """Start a process that prints the digest of the tree of `folder`/maps.npz."""
    settings = {"PYTHONHASHSEED": hashes, "PYTHONPATH": str(root), **more}
    command = [sys.executable, "-c", PROGRAM, str(folder / "maps.npz"), str(root / "tests" / "tracing")]
    return subprocess.Popen(command, env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def saved(canvas, tmp_path):
    """The digest of the tree of maps that lie in tmp_path/maps.npz."""
    maps = drawn(canvas, 5, "stack")._replace(soma=drawn(canvas, 5, "soma map").soma)
    np.savez(tmp_path / "maps.npz", neurite=maps.neurite, soma=maps.soma, grey=maps.grey)
    return digest(maps.trace())


@pytest.mark.parametrize("hashes", ["0", "1"])
def test_another_process_with_other_hashes_gives_the_same_bytes(saved, root, tmp_path, hashes):
    assert start(root, tmp_path, hashes).communicate()[0].strip() == saved


@pytest.mark.slow
def test_compiled_code_gives_the_same_bytes_fresh_from_two_compilers_at_once_and_from_the_cache(saved, root, tmp_path):
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    racing = [start(root, tmp_path, hashes, **cache) for hashes in ("1", "2")]
    assert [one.communicate()[0].strip() for one in racing] == [saved, saved]
    assert any((tmp_path / "cache").rglob("*.nbc"))
    assert start(root, tmp_path, "3", **cache).communicate()[0].strip() == saved


class Lazy:
    """A volume that has slices and nothing else of an array."""

    def __init__(self, data):
        self.data, self.shape, self.dtype = data, data.shape, data.dtype

    def __getitem__(self, key):
        return self.data[key]


@pytest.mark.parametrize("kind", ["soma map", "stack"])
@pytest.mark.parametrize(
    "layout",
    [np.asfortranarray, lambda a: np.repeat(a, 2, axis=2)[:, :, ::2], lambda a: a[::-1].copy()[::-1], Lazy],
    ids=["fortran", "strided", "backwards", "lazy"],
)
def test_the_layout_in_memory_does_not_matter(canvas, layout, kind):
    maps = drawn(canvas, 1, kind)
    assert_same(Maps(*(None if one is None else layout(one) for one in maps)).trace(), tree_of(canvas, 1, kind))


@pytest.mark.parametrize("kind", ["soma map", "stack"])
def test_tracing_changes_nothing_in_its_maps(canvas, kind):
    maps = drawn(canvas, 2, kind)
    copy = maps.change(np.copy)
    assert_same(copy.trace(), tree_of(canvas, 2, kind))  # that of maps that cannot be written to
    for one, before in zip(copy, maps, strict=True):
        np.testing.assert_array_equal(one, before)


# mirrors and the order of axes


WHOLE = TraceSettings(confidence=0)  # a branch at the limit of confidence may fall to either side


@cases
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_mirrored_neuron_gives_the_mirrored_tree(canvas, seed, kind, axis):
    maps = drawn(canvas, seed, kind)
    tree = maps.trace(settings=WHOLE)
    zyx = tree.xyz[:, ::-1].copy()
    zyx[:, axis] = SHAPE[axis] - 1 - zyx[:, axis]
    assert_alike(maps.change(lambda one: np.flip(one, axis)).trace(settings=WHOLE), moved(tree, zyx))


@pytest.mark.parametrize(("seed", "kind"), [(1, "ball"), (5, "soma map"), (5, "none")])
@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2, 1), (2, 1, 0), (1, 2, 0)])
def test_swapped_axes_give_the_tree_with_swapped_axes(canvas, seed, kind, order):
    maps, tree = drawn(canvas, seed, kind), tree_of(canvas, seed, kind)
    assert_alike(maps.change(lambda one: one.transpose(order)).trace(), moved(tree, tree.xyz[:, ::-1][:, list(order)]))


@pytest.mark.parametrize("degrees", [40, 60, 90])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_mirrored_crossing_gives_the_mirrored_tree(canvas, degrees, axis):
    drawing, middle, angle = canvas((24, 70, 70)), np.array((12, 35, 35)), np.deg2rad(degrees) / 2
    for side in (-1, 1):
        way = 30 * np.array((0, side * np.sin(angle), np.cos(angle)))
        drawing.tube([middle - way, middle + way])
    rng = np.random.default_rng(3)  # without noise both courses may be equally good
    drawing.ball(middle - way, 5).map *= rng.uniform(0.8, 1, drawing.map.shape)
    maps = Maps(drawing.probability().neurite, None, None)
    tree = maps.trace()
    zyx = tree.xyz[:, ::-1].copy()
    zyx[:, axis] = maps.neurite.shape[axis] - 1 - zyx[:, axis]
    assert_alike(maps.change(lambda one: np.flip(one, axis)).trace(), moved(tree, zyx))


def test_swapped_axes_of_the_plane_change_nothing_for_the_light_either(canvas):
    maps, tree = drawn(canvas, 3, "stack"), tree_of(canvas, 3, "stack")
    swapped = maps.change(lambda one: one.transpose(0, 2, 1)).trace()
    assert_alike(swapped, moved(tree, tree.xyz[:, ::-1][:, [0, 2, 1]]))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_mirrored_grey_stack_gives_the_mirrored_evidence(canvas, axis):
    grey = drawn(canvas, 4, "stack").grey
    here = evidence_of(Stack(grey)).neurite
    there = evidence_of(Stack(np.ascontiguousarray(np.flip(grey, axis)))).neurite
    assert np.abs(np.flip(there, axis).astype(int) - here).max() <= 2  # sums in another order, 3 digits


# the unit


def assert_scaled(tree, wanted, factor):
    """Hold a tree to be another one with all lengths times `factor`."""
    np.testing.assert_array_equal(tree.parent, wanted.parent)
    np.testing.assert_array_equal(tree.type, wanted.type)
    np.testing.assert_allclose(tree.xyz, factor * wanted.xyz, rtol=1e-6, atol=1e-6)  # smoothed by their confidence
    np.testing.assert_allclose(tree.radius, factor * wanted.radius, rtol=1e-6)
    np.testing.assert_allclose(tree.confidence, wanted.confidence, rtol=1e-6)  # grey values are float32


@pytest.mark.parametrize(("seed", "kind"), [(5, "soma map"), (3, "stack")])
@pytest.mark.parametrize(
    ("edges", "factor"), [((0.2, 0.2, 0.2), 2), ((0.2, 0.2, 0.2), 2.5), ((0.6, 0.2, 0.2), 2), ((0.25, 0.25, 0.125), 2)]
)
def test_larger_voxels_give_the_tree_enlarged(canvas, seed, kind, edges, factor):
    maps = drawn(canvas, seed, kind)
    keep = TraceSettings(spines=True)  # a spine has a length in micrometres
    tree, enlarged = (maps.trace(VoxelSize(*(f * np.array(edges))), keep) for f in (1, factor))
    assert tree.unit == enlarged.unit == "um"
    assert_scaled(enlarged, tree, factor)


def test_limits_that_the_user_sets_grow_with_the_voxels(canvas):
    maps = drawn(canvas, 1, "ball")
    voxel = TraceSettings(min_length=14.0, fragments=25.0)
    um = TraceSettings(min_length=3.5, fragments=6.25)
    tree = maps.trace(settings=voxel)
    assert len(tree.tips) < len(maps.trace().tips)  # the limit does something
    assert_scaled(maps.trace(VoxelSize(0.25, 0.25, 0.25), um), tree, 0.25)


@cases
def test_a_tree_in_voxels_is_that_of_a_stack_without_voxel_size(canvas, seed, kind):
    maps = drawn(canvas, seed, kind)
    tree = maps.trace(VoxelSize(0.2, 0.2, 0.2), TraceSettings(units="voxel", spines=True))
    assert tree.unit == "voxel"
    assert_scaled(tree, tree_of(canvas, seed, kind), 1)


# empty margin


def margin_of(maps, least):
    """The slices that leave at least `least` empty voxels round the neuron, where there are so many."""
    foreground = np.argwhere(maps.neurite)
    low = np.maximum(foreground.min(0) - least, 0)
    high = foreground.max(0) + least + 1
    return tuple(slice(int(i), int(j)) for i, j in zip(low, high, strict=True))


@pytest.mark.parametrize(("seed", "kind"), [(1, "ball"), (5, "soma map"), (5, "none")])
@pytest.mark.parametrize("least", [0, 1, 5])
def test_cropping_empty_margin_away_changes_nothing_but_the_offset(canvas, seed, kind, least):
    maps = drawn(canvas, seed, kind, haze=False)
    box = margin_of(maps, least)
    assert maps.neurite[box].size < maps.neurite.size
    tree, cropped = maps.trace(), maps.change(lambda one: one[box]).trace()
    offset = np.array([part.start for part in box])[::-1]
    assert_scaled(moved(cropped, (cropped.xyz + offset)[:, ::-1]), tree, 1)


@cases
@pytest.mark.parametrize("pads", [((0, 9), (0, 0), (0, 0)), ((40, 3), (7, 30), (1, 0)), ((0, 0), (0, 5), (64, 64))])
def test_added_margin_changes_nothing_but_the_offset(canvas, seed, kind, pads):
    maps = drawn(canvas, seed, kind)
    if maps.grey is not None:  # the light's ring needs its surroundings, so this margin is there in both
        home = ((2, 2), (24, 24), (24, 24))
        maps = Maps(np.pad(maps.neurite, home), None, np.pad(maps.grey, home, constant_values=100))
    larger = Maps(
        np.pad(maps.neurite, pads),
        None if maps.soma is None else np.pad(maps.soma, pads),
        None if maps.grey is None else np.pad(maps.grey, pads, constant_values=100),
    )
    tree, there = maps.trace(), larger.trace()
    offset = np.array([before for before, _ in pads])[::-1]
    assert_scaled(moved(there, (there.xyz - offset)[:, ::-1]), tree, 1)


# grey levels


@pytest.mark.parametrize(("gain", "offset"), [(2, 0), (1, 500), (3, 77)])
def test_gain_and_offset_of_the_grey_stack_do_not_change_the_tree(canvas, gain, offset):
    maps = drawn(canvas, 3, "stack")
    tree = maps._replace(grey=(gain * maps.grey + offset).astype(np.uint16)).trace()
    assert_scaled(tree, tree_of(canvas, 3, "stack"), 1)


def test_the_type_of_the_grey_stack_does_not_change_the_tree(canvas):
    maps = drawn(canvas, 3, "stack")
    assert_same(maps._replace(grey=maps.grey.astype(np.float32)).trace(), tree_of(canvas, 3, "stack"))


@pytest.mark.parametrize("level", [300, 3000, 65535])
def test_one_hot_pixel_does_not_change_the_tree_of_a_grey_stack(canvas, rng, level):
    clean = canvas((24, 60, 100)).tube([(12, 20, 10), (12, 20, 90)]).tube([(12, 20, 50), (12, 50, 70)]).map
    grey = np.round(100 + 100 * clean + rng.normal(0, 5, clean.shape)).astype(np.uint16)
    hot = grey.copy()
    hot[4, 50, 20] = level  # far from the neurites
    assert_alike(trace(evidence_of(Stack(hot))), trace(evidence_of(Stack(grey))))
