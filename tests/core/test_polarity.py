"""Dark neurites on a bright ground are told from bright ones on a dark ground."""

import numpy as np
import pytest

from neurorecon.core.errors import InputError
from neurorecon.core.polarity import check_polarity, inverted, looks_inverted
from neurorecon.core.stack import Stack
from neurorecon.synth import synthesize
from neurorecon.synth.demo import demo_tree


@pytest.fixture(scope="module")
def neuron():
    return synthesize(demo_tree()).stack


def test_a_synthetic_neuron_is_bright_and_its_negative_looks_inverted(neuron):
    assert not looks_inverted(neuron)
    assert looks_inverted(inverted(neuron))


def test_a_negative_is_refused_unless_somebody_said_how_it_is(neuron):
    negative = Stack(255 - np.asarray(neuron.data), source="cell.tif")
    with pytest.raises(InputError, match=r"cell.tif: looks inverted.*--invert.*--no-invert"):
        check_polarity(negative)
    check_polarity(Stack(negative.data, inverted=False))
    check_polarity(inverted(negative))


@pytest.mark.parametrize(
    ("data", "back"),
    [
        (np.array([[[0, 7, 255]]], np.uint8), [255, 248, 0]),
        (np.array([[[0, 4095]]], np.uint16), [65535, 61440]),
        (np.array([[[0.5, -2]]], np.float32), [-0.5, 2]),
    ],
)
def test_inverted_values_have_bright_and_dark_exchanged(data, back):
    assert np.asarray(inverted(Stack(data)).data).ravel().tolist() == back


class Lazy:
    """A volume that is no array."""

    def __init__(self, data):
        self.data, self.shape, self.dtype = data, data.shape, data.dtype

    def __getitem__(self, key):
        return self.data[key]


def test_a_lazy_stack_stays_lazy(neuron):
    data = np.asarray(neuron.data)
    negative = inverted(Stack(Lazy(data)))
    assert not isinstance(negative.data, np.ndarray)
    np.testing.assert_array_equal(negative.data[3:5, 10:20], 255 - data[3:5, 10:20])


def test_noise_and_dark_holes_in_bright_tissue_do_not_look_inverted(rng):
    noise = rng.normal(100, 15, (12, 120, 120))
    assert not looks_inverted(Stack(noise.clip(0, 255).astype(np.uint8)))
    y, x = np.ogrid[:120, :120]
    nuclei = sum(60 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / 60) for a, b in rng.integers(10, 110, (12, 2)))
    tubes = 150 * np.exp(-((y - x) ** 2) / 4.0) + 150 * np.exp(-((y - 60) ** 2) / 4.0)
    tissue = noise - nuclei + tubes
    assert not looks_inverted(Stack(tissue.clip(0, 255).astype(np.uint8)))


def test_a_negative_of_dense_neuropil_looks_inverted_and_the_neuropil_does_not(rng):
    from scipy.ndimage import gaussian_filter

    sheets = gaussian_filter(rng.normal(0, 1, (16, 160, 160)), (1, 2.5, 2.5))
    dense = 40 * np.exp(3 * sheets / sheets.std() / 4) + rng.normal(0, 9, sheets.shape)  # a third of it is neurite
    stack = Stack(dense.clip(0, 255).astype(np.uint8))
    assert not looks_inverted(stack)
    assert looks_inverted(inverted(stack))


def test_a_negative_of_a_neuron_that_fills_a_few_voxels_on_black_looks_inverted():
    black = np.zeros((40, 300, 300), np.uint8)
    for z in range(40):
        black[z, 100 + z : 103 + z, 20:40] = 200  # 0.07 % of a plane
    assert not looks_inverted(Stack(black))
    assert looks_inverted(Stack(255 - black))


@pytest.mark.parametrize(("width", "told"), [(90, False), (130, True)])
def test_a_few_pixels_alone_do_not_tell_how_a_stack_is(width, told):
    grey = np.random.default_rng(0).normal(200, 2, (1, 90, width))
    grey[0, 45, 10:80] = grey[0, 10:80, 45] = 40  # dark lines
    assert looks_inverted(Stack(grey.astype(np.uint8))) == told
