"""Stacks whose planes, lines or tiles were put together wrongly, and drawings blended in: said, with their place."""

import numpy as np
import pytest
from scipy import ndimage

from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Stack
from neurorecon.inspect import examined

SHAPE = (32, 96, 96)


@pytest.fixture(scope="module")
def tissue():
    """Uneven tissue with neurites and the noise of a camera (Z, Y, X), 8 bit."""
    rng = np.random.default_rng(4)
    cloud = ndimage.gaussian_filter(rng.normal(0, 1, SHAPE), (3, 5, 5))
    data = 60 + 14 * cloud / cloud.std()
    lit = np.zeros(SHAPE)
    for start in (15, 40, 70, 85):
        x = np.arange(SHAPE[2])
        y = np.clip(np.rint(start + np.cumsum(rng.normal(0, 0.6, len(x)))), 0, SHAPE[1] - 1).astype(int)
        z = np.rint(np.linspace(*rng.uniform(3, SHAPE[0] - 3, 2), len(x))).astype(int)
        lit[z, y, x] = 4000
    data += ndimage.gaussian_filter(lit, (1.2, 1.5, 1.5)) + rng.normal(0, 3, SHAPE)
    return data.clip(0, 240).astype(np.uint8)


def warned(data):
    stack = examined(Stack(np.ascontiguousarray(data), VoxelSize(1, 0.5, 0.5)))
    return [finding.name for finding in stack.findings if finding.level == "warning"]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d,
        lambda d: d[::-1],
        lambda d: d[:, ::-1],
        lambda d: d.transpose(0, 2, 1),
        lambda d: d.astype(np.uint16) * 16,
        lambda d: d.astype(np.float32) / 7,
        lambda d: d[::2],
        lambda d: np.maximum(d, 70) - 70,
    ],
)
def test_a_stack_as_it_is_gives_no_warning(tissue, change):
    assert warned(change(tissue)) == []


TURNS = {
    "mirrored left to right": lambda plane: plane[:, ::-1],
    "mirrored top to bottom": lambda plane: plane[::-1],
    "turned by 180 degrees": lambda plane: plane[::-1, ::-1],
    "transposed": lambda plane: plane.T,
}


@pytest.mark.parametrize("word", TURNS)
def test_one_plane_that_is_turned_is_said_with_its_place(tissue, word, caplog):
    data = tissue.copy()
    data[20] = TURNS[word](data[20])
    assert "turned-planes" in warned(data)
    assert f"from plane 19 to 20 (and in 1 more places) the picture is {word}" in caplog.text


@pytest.mark.parametrize("turn", [1, 3])
def test_half_of_a_stack_that_is_turned_by_a_quarter_is_said(tissue, turn, caplog):
    data = tissue.copy()
    data[16:] = np.rot90(data[16:], turn, (1, 2))
    assert warned(data) == ["turned-planes"]
    assert "from plane 15 to 16 the picture is turned by" in caplog.text


def test_a_jump_of_the_stage_is_said_with_its_size(tissue, caplog):
    rows = np.pad(tissue, ((0, 0), (12, 12), (12, 12)), mode="reflect")
    data = np.concatenate([rows[:14, 12:-12, 12:-12], rows[14:, 2:-22, 19:-5]])
    assert "shifted-planes" in warned(data)
    assert "from plane 13 to 14 the picture jumps aside, by 10 pixels along y" in caplog.text


def noise_again(data, seed=9):
    return (data + np.random.default_rng(seed).normal(0, 2, data.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda d: np.concatenate([d, noise_again(d)]), "planes-out-of-order"),  # two time points
        (lambda d: np.concatenate([d, ndimage.gaussian_filter(d, (0, 2, 2))]), "planes-out-of-order"),  # two channels
        (lambda d: np.concatenate([d[::2], d[1::2]]), "planes-out-of-order"),  # odd planes behind even ones
        (lambda d: d[np.argsort([str(k) for k in range(len(d))])], "planes-out-of-order"),  # 0, 1, 10, 11, ..., 2, 20
        (lambda d: np.concatenate([d, noise_again(d)[::-1]]), "repeated-planes"),  # there and back
        (lambda d: np.concatenate([d[:20], d[14:]]), "repeated-planes"),  # six planes twice
        (lambda d: noise_again(np.repeat(d[15:16], 24, 0)), "planes-alike"),  # a film of one plane
        (lambda d: noise_again(np.repeat(d.max(0)[None], 24, 0)), "planes-alike"),  # a projection
    ],
)
def test_planes_that_come_again_are_said(tissue, change, name):
    assert name in warned(change(tissue))


@pytest.mark.parametrize("last", [True, False])
def test_a_projection_among_the_planes_is_said(tissue, last, caplog):
    planes = [tissue, tissue.max(0)[None]]
    assert "projection" in warned(np.concatenate(planes if last else planes[::-1]))
    assert f"plane {SHAPE[0] if last else 0} is the maximum of all the others" in caplog.text


def blended(data, mask, value=150):
    data = data.astype(np.float32)
    data[:, mask] = data[:, mask] * 0.5 + value / 2
    return data.astype(np.uint8)


def test_drawings_that_are_blended_into_all_planes_are_said_with_their_place(tissue, caplog):
    y, x = np.indices(SHAPE[1:])
    bar = (y >= 84) & (y < 90) & (x >= 30) & (x < 70)
    assert warned(blended(tissue, bar)) == ["drawn-in"]
    assert "pixels at y=84 to 89, x=30 to 69 are brighter by the same in all planes" in caplog.text
    ring = np.abs(np.hypot(y - 50, x - 45) - 30) < 1.3
    assert warned(blended(tissue, ring)) == ["drawn-in"]
    grid = (y % 24 == 0) | (x % 24 == 0)
    assert warned(np.minimum(tissue.astype(int) + 60 * grid, 255).astype(np.uint8)) == ["drawn-in"]


def test_a_tracing_that_was_drawn_through_the_planes_is_said(tissue, caplog):
    data = np.minimum(tissue, 180)
    t = np.linspace(0, 1, 400)
    place = [np.rint(a + (b - a) * t).astype(int) for a, b in ((2, 29), (10, 80), (5, 90))]
    data[place[0], place[1], place[2]] = data[place[0], place[1] + 1, place[2]] = 255
    assert "drawn-in" in warned(data)
    assert "of one value far above all others, 255" in caplog.text


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("kind", ["mirrored", "gain", "exchanged"])
def test_lines_in_turn_are_said(tissue, axis, kind):
    data = np.swapaxes(tissue.copy(), 1, axis)
    if kind == "mirrored":
        data[:, 1::2] = data[:, 1::2, ::-1].copy()
    elif kind == "gain":
        data[:, ::2] = data[:, ::2] // 2
    else:
        data = data.reshape(SHAPE[0], SHAPE[1] // 2, 2, SHAPE[2])[:, :, ::-1].reshape(SHAPE)
    assert "lines-in-turn" in warned(np.swapaxes(data, 1, axis))


def test_a_camera_with_coloured_pixels_is_said(tissue):
    data = tissue.copy()
    data[:, ::2, ::2] //= 2
    assert warned(data) == ["lines-in-turn"]


def test_a_tile_that_lies_aside_is_said_and_one_that_is_brighter_is_noted(tissue, caplog):
    smooth = ndimage.gaussian_filter(tissue, (0, 1, 1))
    aside = np.concatenate([smooth[:, :, :40], np.roll(smooth[:, :, 40:], 13, 1)], 2)
    assert "seam" in warned(aside)
    assert "the picture breaks at column 40" in caplog.text
    bright = smooth.copy()
    bright[:, :, 40:] = (bright[:, :, 40:] * 1.4).clip(0, 255).astype(np.uint8)
    stack = examined(Stack(bright, VoxelSize(1, 0.5, 0.5)))
    assert [f.level for f in stack.findings if f.name == "seam"] == ["note"]


@pytest.mark.parametrize(("mode", "place"), [("reflect", 20), ("symmetric", 19)])
def test_a_rim_that_mirrors_the_picture_is_said(tissue, mode, place, caplog):
    assert warned(np.pad(tissue, ((0, 0), (0, 0), (20, 0)), mode=mode)) == ["mirrored-rim"]
    assert f"column {place} " in caplog.text


@pytest.mark.parametrize("value", [0, 60, 200])
def test_a_frame_of_one_value_is_no_seam_and_no_film(tissue, value):
    padded = np.pad(tissue, ((0, 0), (30, 30), (30, 30)), constant_values=value)
    assert not {"seam", "planes-alike", "lines-in-turn", "planes-out-of-order"} & set(warned(padded))
