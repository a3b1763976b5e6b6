"""Projections laid on planes: the light lies where the labels say, and the background is the picture's own."""

import numpy as np
import pytest
from PIL import Image

from neurorecon.core.errors import InputError
from neurorecon.core.tree import Tree
from neurorecon.swc import write_swc
from neurorecon.training.sources.labels import CENTRE, IGNORE
from neurorecon.training.sources.projections import Projection, load_flat

CROP = (16, 32, 32)


def tracing():
    """A bent line from left to right; z is of another stack, as in published tracings."""
    x = np.arange(10.0, 111, 4)
    points = np.stack([x, 60 + 12 * np.sin(x / 15), np.full_like(x, 300)], axis=1)
    return Tree(points, np.full(len(x), 1.5), np.arange(len(x)) - 1, np.zeros(len(x), int), "voxel")


def picture(seed=0, floor=20.0):
    """The line drawn with light 150 on a noisy background; a second, untraced line above it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:120, :120]
    away = np.abs(y - (60 + 12 * np.sin(x / 15)))
    light = 150 * np.exp(-0.5 * (away / 1.2) ** 2) * ((x >= 10) & (x <= 110))
    light += 100 * np.exp(-0.5 * ((y - 20) / 1.5) ** 2)
    return np.clip(light + floor + rng.normal(0, 3, y.shape) * (floor > 0), 0, 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    for name in ("1", "2"):
        Image.fromarray(picture()).save(tmp_path / f"{name}.png")
        write_swc(tracing(), tmp_path / f"{name}.gold.swc")
    return tmp_path


@pytest.fixture
def projection():
    return Projection("test", picture(), tracing(), CROP)


@pytest.mark.parametrize("seed", range(5))
def test_light_lies_on_the_centre_lines(projection, seed):
    source = projection.lay(np.random.default_rng(seed))
    low = source.labels & 3
    assert source.image.shape == source.labels.shape == (32, 48, 48)
    on, off = source.image[low == CENTRE], source.image[low == 0]
    assert np.median(on) > 90
    assert np.median(off) < 30


def test_seen_along_z_the_stack_is_the_picture_again(projection):
    rng = np.random.default_rng(0)
    source = projection.lay(rng)
    seen = source.image.max(0).astype(float)
    best = max(
        np.corrcoef(seen.ravel(), projection.image[y : y + 48, x : x + 48].ravel())[0, 1]
        for y in range(projection.image.shape[0] - 47)
        for x in range(projection.image.shape[1] - 47)
    )
    assert best > 0.9


def test_the_background_is_as_in_the_picture_but_dimmer(projection):
    source = projection.lay(np.random.default_rng(1))
    dark = source.image[(source.labels & 3) == 0]
    assert 5 < np.median(dark) <= 22
    assert 2 < np.percentile(dark, 84) - np.percentile(dark, 16) < 15


def test_a_background_of_zero_stays_zero():
    source = Projection("test", picture(floor=0), tracing(), CROP).lay(np.random.default_rng(0))
    assert np.median(source.image) == 0


def test_the_dark_rim_of_a_picture_that_was_cut_out_is_filled_with_its_background():
    cut = picture()
    cut[:, 80:] = 0
    layers = Projection("test", cut, tracing(), CROP).layers
    assert layers.floor[10:15, 100:110].mean() == pytest.approx(20, abs=4)
    assert 1 < layers.noise[30:110, 95:].std() < 6


def test_the_levels_are_those_of_a_whole_stack_not_of_the_window(projection):
    source = projection.lay(np.random.default_rng(0))
    share = source.histogram / source.histogram.sum()
    assert share[60:].sum() < 0.03
    assert share[90:].sum() > 1e-4


def test_a_stack_gives_a_few_crops_and_is_then_made_anew(projection):
    rng = np.random.default_rng(0)
    stacks = [projection.source(rng) for _ in range(4)]
    assert stacks[0] is stacks[1] is stacks[2]
    assert stacks[3] is not stacks[2]


def test_stacks_of_one_seed_are_equal(projection):
    a, b = (projection.lay(np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(a.image, b.image)
    assert np.array_equal(a.labels, b.labels)


def test_left_out_ids_are_never_loaded(folder):
    assert [p.name.split("/")[1] for p in load_flat(folder, CROP, leave_out=frozenset({"1"}))] == ["2"]
    with pytest.raises(InputError, match="no pair"):
        load_flat(folder, CROP, leave_out=frozenset({"1", "2"}))


def test_a_tracing_beside_the_picture_is_refused():
    far = tracing()
    moved = Tree(far.xyz + [1000, 1000, 0], far.radius, far.parent, far.type, "voxel")
    with pytest.raises(InputError, match="outside the picture"):
        Projection("test", picture(), moved, CROP)


def test_a_picture_smaller_than_the_stack_gives_a_smaller_stack():
    small = Projection("test", picture(), tracing(), (32, 96, 96))
    assert small.shape[1:] == small.image.shape
    assert ((small.lay(np.random.default_rng(0)).labels & 3) != IGNORE).any()
