"""Planes that are exchanged by pairs, and a gain that changes where the background is 0."""

import numpy as np
import pytest
from scipy import ndimage

from neurorecon.core.stack import Stack
from neurorecon.inspect import examined

SHAPE = (32, 96, 96)


@pytest.fixture(scope="module")
def neurites():
    """Neurites that run through all depths (Z, Y, X), 8 bit, with the noise of photons and a background of 20."""
    rng = np.random.default_rng(11)
    lit = np.zeros(SHAPE)
    for start in range(6, 96, 10):
        x = np.arange(SHAPE[2])
        y = np.clip(np.rint(start + np.cumsum(rng.normal(0, 0.6, len(x)))), 0, SHAPE[1] - 1).astype(int)
        z = np.clip(np.rint(16 + 18 * np.sin(x / rng.uniform(8, 20) + rng.uniform(0, 6))), 0, SHAPE[0] - 1).astype(int)
        lit[z, y, x] = 5000
    light = 20 + ndimage.gaussian_filter(lit, (1.5, 1.5, 1.5))
    return rng.poisson(light).clip(0, 250).astype(np.uint8)


@pytest.fixture(scope="module")
def cut(neurites):
    """The same with a background of exactly 0."""
    return np.maximum(neurites, 35) - 35


def warned(data):
    return [
        finding.name for finding in examined(Stack(np.ascontiguousarray(data))).findings if finding.level == "warning"
    ]


def by_pairs(first, count=SHAPE[0]):
    """The order 1, 0, 3, 2 ... from a plane on."""
    order = np.arange(count)
    end = first + (count - first) // 2 * 2
    order[first:end] = order[first:end].reshape(-1, 2)[:, ::-1].ravel()
    return order


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("kind", ["neurites", "cut"])
def test_planes_that_are_exchanged_by_pairs_are_said(kind, first, request, caplog):
    data = request.getfixturevalue(kind)
    assert "planes-out-of-order" in warned(data[by_pairs(first)])
    assert "planes are exchanged by pairs" in caplog.text


def test_a_gain_that_differs_from_plane_to_plane_is_said_where_the_background_is_zero(cut, caplog):
    gain = np.random.default_rng(3).uniform(0.3, 1, len(cut))
    assert warned((cut * gain[:, None, None]).astype(np.uint8)) == ["flickering-planes"]
    assert "the light goes up and down from plane to plane" in caplog.text or "brighter or darker" in caplog.text


def test_a_gain_that_steps_is_said_with_its_plane_where_the_background_is_zero(cut, caplog):
    gain = np.where(np.arange(len(cut)) < 20, 1, 0.35)
    assert warned((cut * gain[:, None, None]).astype(np.uint8)) == ["brightness-step"]
    assert "from plane 20 on all light is 0.3" in caplog.text


@pytest.mark.parametrize(
    "change", [lambda d: d, lambda d: d[::-1], lambda d: d[:, ::-1], lambda d: d.astype(np.float32) / 9]
)
@pytest.mark.parametrize("kind", ["neurites", "cut"])
def test_planes_in_their_order_and_of_one_gain_give_no_warning(kind, change, request):
    assert warned(change(request.getfixturevalue(kind))) == []


def test_light_that_fades_with_depth_is_no_step(cut):
    assert warned((cut * np.exp(-np.arange(len(cut)) / 20)[:, None, None]).astype(np.float32)) == []


def test_a_stack_of_one_value_is_noted():
    stack = examined(Stack(np.full((9, 40, 40), 7, np.uint8)))
    assert [(f.name, f.level) for f in stack.findings if f.name == "blank-planes"] == [("blank-planes", "note")]
    assert any("every voxel has the value 7" in f.text for f in stack.findings)
