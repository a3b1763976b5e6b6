"""Maps of other programs, and blurred masks: their surest neurites have lower values than those of neurorecon's networks."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from neurorecon.core.errors import NoNeuronError
from neurorecon.core.probability import CERTAIN, Probability
from neurorecon.tracing import TraceSettings, trace

LENGTH = 220.0  # voxels of the drawn neuron: a trunk of 120, two twigs of 50


@pytest.fixture(scope="module")
def drawn(canvas):
    """The mask of a trunk with two twigs as (Z, Y, X) floats, 0 and 1."""
    drawing = canvas((40, 120, 140)).tube([(20, 60, 10), (20, 60, 130)], 1.5)
    drawing.tube([(20, 60, 50), (20, 10, 50)], 1.5).tube([(20, 60, 90), (20, 110, 90)], 1.5)
    return (drawing.map >= 0.5).astype(np.float32)


def as_map(values, **told):
    return Probability(np.round(np.clip(values, 0, 1) * 255).astype(np.uint8), source="a.tif", **told)


@pytest.mark.parametrize("sigma", [1.0, 1.5])
@pytest.mark.parametrize("cut", [False, True])
def test_a_blurred_mask_gives_its_tree_and_a_warning(drawn, caplog, sigma, cut):
    blurred = gaussian_filter(drawn, sigma)
    blurred = blurred * (0.75 / blurred.max())
    tree = trace(as_map(blurred[:, :, 40:] if cut else blurred))
    assert tree.cable_length == pytest.approx(LENGTH - 30 if cut else LENGTH, rel=0.1)
    assert [record.getMessage().startswith("a.tif: even clear neurites") for record in caplog.records] == [True]


@pytest.mark.parametrize("kind", ["mask", "softmax"])
def test_sharp_maps_of_other_programs_need_no_warning(drawn, caplog, kind):
    softmax = 1 / (1 + np.exp(5 - 12 * gaussian_filter(drawn, 0.5)))
    tree = trace(as_map(drawn if kind == "mask" else softmax))
    assert tree.cable_length == pytest.approx(LENGTH, rel=0.1)
    assert caplog.records == []


@pytest.mark.parametrize("sigma", [1, 2, 4])
@pytest.mark.parametrize("spreads", [1.7, 2.5])
def test_smoothed_noise_is_no_neuron_in_a_map_of_another_program(sigma, spreads):
    noise = gaussian_filter(np.random.default_rng(5).normal(size=(50, 120, 120)), sigma)
    with pytest.raises(NoNeuronError, match="no neuron found"):
        trace(as_map(0.5 + 0.3 * (noise / noise.std() - spreads)))


def test_the_map_of_a_network_is_judged_as_before(drawn):
    blurred = gaussian_filter(drawn, 1.0)
    made = as_map(blurred * (0.75 / blurred.max()), certain=CERTAIN)
    assert not made.foreign
    assert not replace(made, certain=0.5, graded=True).foreign
    with pytest.raises(NoNeuronError, match="a lower --confidence"):
        trace(made)


def test_what_is_left_of_a_map_that_is_mostly_doubtful_comes_with_a_warning(drawn, caplog):
    noise = gaussian_filter(np.random.default_rng(5).normal(size=drawn.shape), 2)
    beside = np.clip(0.5 + 0.3 * (noise / noise.std() - 2.5), 0, 1)
    beside[gaussian_filter(drawn, 2) > 0.001] = 0  # the noise does not touch the neuron
    tree = trace(as_map(np.maximum(drawn, beside)))
    assert tree.cable_length == pytest.approx(LENGTH, rel=0.1)
    assert "a.tif: most of what is in it is left out as doubtful" in caplog.text
    caplog.clear()
    whole = trace(as_map(np.maximum(drawn, beside)), TraceSettings(confidence=0.0))
    assert whole.cable_length > 2 * LENGTH
    assert caplog.records == []
