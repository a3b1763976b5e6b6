"""A map with planes between those of its stack: trees and somata are where the stack says."""

from dataclasses import replace

import numpy as np
import pytest

from neurorecon.core.errors import InputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.tracing import TraceSettings, trace


@pytest.fixture
def slanted():
    """A neurite of 4 voxels that rises 10 planes of the stack, 20 of the map, over 60 pixels: map and stack."""
    z, y, x = np.ogrid[:29, :24, :80]
    light = np.exp(-((z - 4 - (x - 10) / 3) ** 2 + (y - 12) ** 2) / 4) * ((x >= 10) & (x <= 70))
    neurite = np.rint(255 * light).astype(np.uint8)
    size = VoxelSize(0.5, 0.5, 0.5)
    return Probability(neurite, size, planes=2), Stack(neurite[::2], VoxelSize(1, 0.5, 0.5))


def test_voxels_are_those_of_the_stack_and_micrometres_are_micrometres(slanted):
    probability, stack = slanted
    plain = replace(probability, planes=1)
    um, same = (trace(p, TraceSettings(units="um")) for p in (probability, plain))
    np.testing.assert_array_equal(um.xyz, same.xyz)
    np.testing.assert_array_equal(um.radius, same.radius)
    voxel = trace(probability, TraceSettings(units="voxel"))
    np.testing.assert_allclose(voxel.xyz * stack.voxel_size.zyx[::-1], um.xyz, atol=1e-9)
    np.testing.assert_allclose(voxel.radius, um.radius / 0.5)
    assert np.ptp(voxel.xyz[:, 2]) == pytest.approx(10, abs=1)


def test_the_light_of_the_stack_counts(slanted):
    probability, stack = slanted
    tree = trace(probability, stack=stack)
    assert tree.confidence is not None
    with pytest.raises(InputError, match="give the stack that it was made from"):
        trace(probability, stack=Stack(stack.data[:-1], stack.voxel_size))


def test_a_soma_is_given_in_voxels_of_the_stack(slanted):
    probability, _ = slanted
    tree = trace(probability, TraceSettings(soma=((12, 12, 70),), units="voxel"))
    root = tree.xyz[tree.roots[0]]
    assert np.linalg.norm(root - (70, 12, 12)) < 3
    with pytest.raises(InputError, match=r"shape \(15, 24, 80\)"):
        trace(probability, TraceSettings(soma=((20, 12, 70),)))
