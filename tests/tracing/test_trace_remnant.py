"""What is left of a texture, of which most was doubted, is no neuron; a short neurite that is sure is one."""

import numpy as np
import pytest

from neurorecon.core.errors import NoNeuronError
from neurorecon.core.probability import Probability
from neurorecon.core.tree import Tree
from neurorecon.tracing import TraceSettings
from neurorecon.tracing.chain import LEAST_REMNANT_PX, more_than_a_remnant

MAP = Probability(np.zeros((4, 4, 4), np.uint8))


def line(length, promise, *, soma=False):
    """A straight tree of a given length in voxels."""
    kind = np.array([1 if soma else 0, 0])
    return Tree(np.array([[0.0, 0, 0], [length, 0, 0]]), np.ones(2), np.array([-1, 0]), kind, "voxel", promise=promise)


def test_a_short_rest_of_what_was_doubted_is_no_neuron():
    with pytest.raises(NoNeuronError, match=r"most of the traced cable is doubtful.*--confidence 0"):
        more_than_a_remnant(line(40.0, 0.3), MAP, TraceSettings())


@pytest.mark.parametrize(
    ("tree", "settings"),
    [
        (line(40.0, 0.9), TraceSettings()),
        (line(LEAST_REMNANT_PX + 1, 0.3), TraceSettings()),
        (line(40.0, 0.3, soma=True), TraceSettings()),
        (line(40.0, 0.3), TraceSettings(confidence=0.0)),
        (line(40.0, 0.3), TraceSettings(min_length=1.0)),
        (line(40.0, None), TraceSettings()),
    ],
    ids=["sure", "long", "soma", "all asked for", "length asked for", "nothing known"],
)
def test_what_is_sure_long_or_asked_for_stays(tree, settings):
    assert more_than_a_remnant(tree, MAP, settings) is tree
