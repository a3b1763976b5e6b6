"""A map of texture in which no neurite is: nothing, or a tree that is said to be doubtful."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from neurorecon.core.errors import NoNeuronError
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.report import predicted_f1
from neurorecon.report.quality import DOUBTFUL
from neurorecon.tracing import TraceSettings, trace


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_texture_is_no_neuron_that_anybody_is_sure_of(rng, sigma):
    grain = gaussian_filter(rng.normal(size=(20, 72, 72)), sigma)
    grain /= grain.std()
    said = np.clip(0.45 + 0.15 * grain, 0, 1)  # an answer to every grain, and never a sure one
    stack = Stack(np.clip(100 + 20 * grain, 0, 255).astype(np.uint8), None, source="texture.tif")
    try:
        tree = trace(Probability((255 * said).astype(np.uint8)), TraceSettings(units="voxel"), stack=stack)
    except NoNeuronError:
        return
    assert predicted_f1(tree) < DOUBTFUL
