"""Stack and Probability check what they are given, without reading it."""

import numpy as np
import pytest

from neurorecon.core.errors import InputError
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_stack_knows_its_shape_and_size(dtype):
    stack = Stack(np.zeros((2, 3, 4), dtype))
    assert stack.shape == (2, 3, 4)
    assert stack.voxels == 24


@pytest.mark.parametrize("data", [np.zeros((3, 4)), np.zeros((2, 0, 4), np.uint8), np.zeros((2, 3, 4), np.int64)])
def test_what_is_no_stack_is_refused_with_its_name(data):
    with pytest.raises(InputError, match=r"cell\.tif"):
        Stack(data, source="cell.tif")


def test_a_probability_is_uint8_and_its_maps_agree():
    good = Probability(np.zeros((2, 3, 4), np.uint8), soma=np.zeros((2, 3, 4), np.uint8))
    assert good.shape == (2, 3, 4)
    assert good.voxels == 24
    with pytest.raises(InputError, match="uint8"):
        Probability(np.zeros((2, 3, 4), np.float32))
    with pytest.raises(InputError, match="differ in shape"):
        Probability(np.zeros((2, 3, 4), np.uint8), soma=np.zeros((2, 3, 5), np.uint8))
