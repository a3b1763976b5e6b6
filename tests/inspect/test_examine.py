"""What is odd about the voxels of a stack is found, named and said; a stack without a fault is passed over in silence."""

import numpy as np
import pytest

from neurorecon.core.errors import InputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.inspect import check_probability, examined
from neurorecon.io.lazy import LazyVolume

SHAPE = (24, 80, 90)


@pytest.fixture
def plain():
    """Noise with a smooth bright ridge that runs through all planes (Z, Y, X)."""
    rng = np.random.default_rng(5)
    z, y, x = np.indices(SHAPE)
    ridge = 120 * np.exp(-((y - 30 - z) ** 2 + (x - 45) ** 2) / 60)
    return np.clip(rng.normal(30, 4, SHAPE) + ridge, 0, 250).astype(np.uint8)


def found(data, level="warning"):
    stack = examined(Stack(data, VoxelSize(1, 0.5, 0.5)))
    return [finding.name for finding in stack.findings if finding.level == level]


def test_a_sound_stack_gives_no_finding_of_any_kind(plain, caplog):
    assert examined(Stack(plain, VoxelSize(1, 0.5, 0.5))).findings == ()
    assert not caplog.text


@pytest.mark.parametrize("value", [255, 200])
def test_a_scale_bar_in_all_planes_is_said_with_its_place(plain, caplog, value):
    plain[:, 70:74, 50:80] = value
    assert found(plain) == ["drawn-in"]
    assert "120 pixels at y=70 to 73, x=50 to 79" in caplog.text


def test_letters_in_all_planes_are_one_patch(plain):
    for k in range(5):
        plain[:, 4:11, 4 + 4 * k] = 255
    assert found(plain) == ["drawn-in"]


def test_hot_pixels_are_no_scale_bar(plain):
    plain[:, ::20, ::20] = 250
    assert found(plain) == []


def test_planes_of_two_channels_in_turn_are_told(plain):
    both = np.stack([plain, plain[:, ::-1, ::-1]], 1).reshape(-1, *SHAPE[1:])
    assert found(both) == ["planes-in-turn"]
    three = np.stack([plain, plain[:, ::-1], plain[:, :, ::-1] // 2], 1).reshape(-1, *SHAPE[1:])
    assert "planes-in-turn" in found(three)


def test_repeated_blank_and_flickering_planes_are_named(plain, caplog):
    repeated = plain.copy()
    repeated[9] = repeated[8]
    assert found(repeated) == ["repeated-planes"]
    assert "plane 9 is to the voxel as the plane before" in caplog.text
    blank = plain.copy()
    blank[10:13] = 0
    assert found(blank) == ["blank-planes"]
    assert "planes 10 to 12 are of one value" in caplog.text
    bright = plain.copy()
    bright[15] = np.minimum(bright[15].astype(int) * 2, 250)
    assert found(bright) == ["flickering-planes"]
    assert "plane 15 is much brighter or darker" in caplog.text


def test_blank_planes_at_the_ends_are_a_note(plain):
    plain[:3] = 0
    assert found(plain) == []
    assert found(plain, "note") == ["blank-planes"]


@pytest.mark.parametrize(("scale", "top"), [(4, 255), (100, 4095)])
def test_a_stack_that_is_cut_off_at_the_top_is_saturated(plain, scale, top):
    cut = np.clip(plain.astype(int) * scale, 0, top).astype(np.uint16)
    assert found(cut) == ["saturated"]


def test_masks_and_labels_are_no_grey_stacks(plain):
    assert found((plain > 60).astype(np.uint8) * 255) == ["two-values"]
    assert found((plain // 60).astype(np.uint8)) == ["few-values"]


def test_padding_is_a_note(plain):
    padded = np.pad(plain, ((0, 0), (40, 40), (40, 40)))
    assert found(padded) == []
    assert found(padded, "note") == ["exact-zeros"]


def test_a_stack_is_looked_at_once(plain, caplog):
    plain[9] = plain[8]
    stack = examined(Stack(plain))
    caplog.clear()
    assert examined(stack) is stack
    assert not caplog.text


def test_strict_refuses_what_would_be_warned_of(plain):
    assert examined(Stack(plain), strict=True).examined
    plain[9] = plain[8]
    with pytest.raises(InputError, match=r"refused by --strict: plane 9 .*leave --strict out"):
        examined(Stack(plain), strict=True)


def test_of_a_stack_on_disk_columns_are_read_and_not_the_whole(plain, tmp_path):
    from neurorecon.io.layout import Layout

    class Counted:
        shape, dtype, chunks = (24, 640, 720), plain.dtype, (24, 80, 90)
        read = 0

        def __getitem__(self, box):
            Counted.read += 1
            return np.tile(plain, (1, 8, 8))[box]

    plain[9] = plain[8]
    volume = LazyVolume(Counted(), Layout("ZYX", (24, 640, 720)), 0, tmp_path)
    assert "repeated-planes" in [finding.name for finding in examined(Stack(volume)).findings]
    assert Counted.read == 5


def test_a_grey_stack_in_place_of_a_probability_is_told(plain):
    assert [finding.name for finding in check_probability(Probability(plain))] == ["looks-grey"]
    dim = np.where(plain > 60, plain // 2, 0).astype(np.uint8)  # its background is cut off
    assert [finding.name for finding in check_probability(Probability(dim))] == ["looks-grey"]
    likely = np.clip((plain.astype(int) - 50) * 8, 0, 255).astype(np.uint8)
    assert check_probability(Probability(likely)) == []
    assert check_probability(Probability(np.zeros(SHAPE, np.uint8))) == []


def test_values_below_zero_are_noted_and_taken_as_they_are(plain):
    signed = plain.astype(np.float32) - 200
    stack = examined(Stack(signed, VoxelSize(1, 0.5, 0.5)))
    assert [(f.name, f.level) for f in stack.findings] == [("negative-values", "note")]
    np.testing.assert_array_equal(stack.data, signed)


def test_planes_that_lie_sideways_of_one_another_are_said_with_their_step(plain, caplog):
    rng = np.random.default_rng(8)
    y, x = np.indices(SHAPE[1:])
    spots = sum(90 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / 12) for a, b in rng.integers(8, 72, (9, 2)))
    still = np.stack([spots] * SHAPE[0]) + rng.normal(30, 4, SHAPE)
    assert found(still.clip(0, 250).astype(np.uint8)) == ["planes-alike"]
    sheared = np.full((SHAPE[0], SHAPE[1], SHAPE[2] + 4 * SHAPE[0]), 0.0)
    for z, plane in enumerate(still):
        sheared[z, :, 4 * z : 4 * z + SHAPE[2]] = plane
    assert found(sheared.clip(0, 250).astype(np.uint8)) == ["shifted-planes"]
    assert "4 pixels along x from the one before" in caplog.text


def test_a_neurite_that_runs_aslant_is_no_shift_of_the_planes(plain):
    z, y, x = np.indices(SHAPE)
    steep = 120 * np.exp(
        -((x - 10 - 3 * z) ** 2 + (y - 40) ** 2) / 8
    )  # 3 pixels a plane, among four that stand upright
    upright = sum(120 * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 8) for a, b in ((20, 20), (60, 20), (30, 65), (75, 60)))
    grey = np.random.default_rng(3).normal(30, 4, SHAPE) + steep + upright
    assert found(grey.clip(0, 250).astype(np.uint8)) == []


def test_planes_that_jump_to_and_fro_and_every_second_line_aside_are_said(caplog):
    rng = np.random.default_rng(8)
    y, x = np.indices(SHAPE[1:])
    spots = sum(90 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / 12) for a, b in rng.integers(8, 72, (9, 2)))
    still = (np.stack([spots] * SHAPE[0]) + rng.normal(30, 4, SHAPE)).clip(0, 250).astype(np.uint8)
    jumping = np.stack(
        [np.roll(plane, step, axis=1) for plane, step in zip(still, rng.integers(-4, 5, SHAPE[0]), strict=True)]
    )
    assert found(jumping) == ["shifted-planes"]
    assert "planes jump sideways, by" in caplog.text
    combed = still.copy()
    combed[:, 1::2] = np.roll(still[:, 1::2], 4, axis=2)
    assert found(combed) == ["shifted-lines", "planes-alike"]
    assert "every second line lies 4 pixels aside" in caplog.text


def test_a_stack_that_was_appended_to_itself_and_one_in_no_order_are_said(plain):
    assert "repeated-planes" in found(np.concatenate([plain, plain]))
    assert "repeated-planes" in found(np.concatenate([plain, plain[::-1]]))
    rng = np.random.default_rng(1)
    z, y, x = np.indices((40, 64, 64))
    wandering = 100 * np.exp(-((y - 12 - z) ** 2 + (x - 32 - 12 * np.sin(z / 6)) ** 2) / 40) + rng.normal(
        30, 3, z.shape
    )
    grey = wandering.clip(0, 250).astype(np.uint8)
    assert "planes-out-of-order" not in found(grey)
    assert "planes-out-of-order" in found(grey[rng.permutation(40)])


def test_a_time_stamp_that_changes_and_a_bar_in_one_plane_are_said(plain, caplog):
    rng = np.random.default_rng(4)
    stamped = plain.copy()
    stamped[:, 66:75, 4:26] = np.where(rng.random((SHAPE[0], 9, 22)) < 0.5, 255, 20)
    assert "drawn-in" in found(stamped)
    assert "y=66 to 74, x=4 to 25" in caplog.text
    barred = plain.copy()
    barred[7, 70:73, 40:70] = 255
    assert found(barred) == ["drawn-in"]
    assert "plane 7 alone has a bar" in caplog.text


def test_labels_in_place_of_a_probability_are_said():
    labels = np.zeros(SHAPE, np.uint8)
    labels[10:14, 20:60, 30:40] = 3
    assert [finding.name for finding in check_probability(Probability(labels))] == ["looks-grey"]
