"""Neurites laid into real backgrounds, and tissue laid over crops: labels stay true, backgrounds stay real."""

import numpy as np
import pytest

from neurorecon.core.errors import InputError
from neurorecon.core.tree import Tree
from neurorecon.io import write_stack
from neurorecon.swc import write_swc
from neurorecon.synth import random_tree
from neurorecon.synth.tissue import texture
from neurorecon.training.sources.disturb_crop import Greys
from neurorecon.training.sources.dress_crop import lay_tissue, pad_blank
from neurorecon.training.sources.labels import BACKGROUND, CENTRE, IGNORE, NEURITE, SOMA, UNSURE_SOMA
from neurorecon.training.sources.pairs import crops
from neurorecon.training.sources.real_backgrounds import EMPTY, Ground, Laid, lay, load_grounds, make_laid, outstanding

SHAPE = (24, 48, 48)
GREYS = Greys(np.array([-0.1, 0.0, 0.1, 1.0]), np.array([0.2, 0.6, 0.19, 0.01]))


@pytest.fixture(scope="module")
def laid():
    """One synthetic neurite on black."""
    tree = random_tree(np.random.default_rng(3), (20.0, 60.0, 60.0), neurites=4, branchings=2)
    return make_laid(tree, np.random.default_rng(4), SHAPE)


def tissue_stack(seed=0):
    """A textured stack without any neurite, 8 bit."""
    field = texture(np.random.default_rng(seed), (32, 64, 64))
    return np.clip(60 + 15 * field, 0, 255).astype(np.uint8)


def test_a_laid_neurite_is_light_on_black_with_its_labels_where_the_light_is(laid):
    assert laid.light.shape == SHAPE
    line = (laid.labels & 3) == CENTRE
    assert line.any()
    assert np.median(laid.light[line]) > 20
    far = (laid.labels & 3) == BACKGROUND
    assert np.median(laid.light[far]) == 0


def test_a_neurite_is_added_to_its_ground_and_labelled_there(laid):
    ground = np.zeros(SHAPE, np.float32)
    own = np.full(SHAPE, BACKGROUND | UNSURE_SOMA, np.uint8)
    own[:, :4] = NEURITE | UNSURE_SOMA
    for seed in range(5):
        grey, labels = lay(ground, own, laid, np.random.default_rng(seed))
        low = labels & 3
        assert (labels & UNSURE_SOMA).all()
        assert (low[:, :4] != BACKGROUND).all()  # what was a neurite stays one
        line = low == CENTRE
        assert grey[line].mean() > grey[low == BACKGROUND].mean()


def test_the_body_of_a_laid_neuron_is_asked_and_that_of_its_ground_is_not(laid):
    marks = laid.labels.copy()
    marks[8:14, 20:30, 20:30] |= np.uint8(SOMA)
    body = Laid(laid.light, marks)
    _, labels = lay(np.zeros(SHAPE, np.float32), np.full(SHAPE, UNSURE_SOMA, np.uint8), body, np.random.default_rng(0))
    assert ((labels & SOMA) > 0).sum() == 600
    assert ((labels & SOMA) > 0).sum() + ((labels & UNSURE_SOMA) > 0).sum() == labels.size


def test_blocks_of_a_ground_without_neurites_hold_no_neurite_and_no_question(laid):
    image = tissue_stack()
    labels = np.full(image.shape, BACKGROUND | UNSURE_SOMA, np.uint8)
    ground = Ground("empty", image, labels, [])
    stream = crops([ground], (16, 32, 32), np.random.default_rng(0))
    for _ in range(8):
        _, told = next(stream)
        assert set(np.unique(told & 3)) <= {BACKGROUND, IGNORE}


def test_about_a_quarter_of_the_blocks_have_nothing_laid_into_them(laid):
    image = tissue_stack()[:24, :48, :48]
    ground = Ground("g", image, np.full(image.shape, BACKGROUND | UNSURE_SOMA, np.uint8), [laid])
    rng = np.random.default_rng(0)
    found = [((ground._block(rng).labels & 3) == CENTRE).any() for _ in range(60)]
    assert np.mean(found) == pytest.approx(1 - EMPTY, abs=0.2)


def test_what_stands_out_of_an_unlabelled_stack_is_not_asked():
    image = tissue_stack()
    image[15:18, 31:34, 10:50] = 255  # as thick as a neurite
    found = outstanding(image)
    assert found[16, 32, 12:48].all()
    assert found.mean() < 0.2


def test_grounds_of_a_folder_know_their_truth_where_there_is_one(tmp_path, laid):
    write_stack(tissue_stack(1), tmp_path / "plain.tif")
    write_stack(tissue_stack(2), tmp_path / "kept_back.tif")
    traced = tissue_stack(3)
    traced[16, 32, 5:60] = 250
    write_stack(traced, tmp_path / "traced.tif")
    tree = Tree(np.array([[5.0, 32, 16], [60.0, 32, 16]]), np.ones(2), np.array([-1, 0]), np.zeros(2, int), "voxel")
    write_swc(tree, tmp_path / "traced.swc")
    write_stack((traced > 100).astype(np.uint8), tmp_path / "traced_ignore.tif")  # a mask, no ground
    grounds = load_grounds(tmp_path, [laid], leave_out=frozenset({"kept_back"}), empty=False)
    assert [g.name.split("/")[-1] for g in grounds] == ["plain", "traced"]
    low = grounds[1]._labels & 3
    assert (low[traced > 100] == IGNORE).all()
    assert (low[15, 32, 8:57] == NEURITE).all()
    assert (grounds[0]._labels & 3 != CENTRE).all()


def test_a_folder_without_stacks_is_named(tmp_path):
    with pytest.raises(InputError, match="holds no stack"):
        load_grounds(tmp_path, [], leave_out=frozenset(), empty=True)


@pytest.mark.parametrize("seed", range(20))
def test_tissue_keeps_a_crop_finite_and_seeded_and_near_its_scale(seed):
    grey = np.random.default_rng(seed).normal(0, 0.05, SHAPE).astype(np.float32)
    grey[12, 24] = 1.0
    twice = [lay_tissue(grey, GREYS, np.random.default_rng(seed)) for _ in range(2)]
    assert np.array_equal(*twice)
    assert np.isfinite(twice[0]).all()
    assert abs(float(np.median(twice[0]))) < 0.6


def test_a_blank_border_is_constant_and_background():
    grey = np.random.default_rng(0).normal(0, 1, SHAPE).astype(np.float32)
    labels = np.full(SHAPE, NEURITE, np.uint8)
    out, told = pad_blank(grey, labels, np.random.default_rng(0))
    blank = out != grey
    assert 0.02 < blank.mean() < 0.7
    assert len(np.unique(out[blank])) == 1
    assert ((told[blank] & 3) == BACKGROUND).all()
    assert (told[~blank] == NEURITE).all()
