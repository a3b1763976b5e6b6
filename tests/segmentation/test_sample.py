"""Large stacks are sampled: the levels are those of the whole where all is alike, of its neurons where it is dark."""

import numpy as np
import pytest

from neurorecon.core import padding
from neurorecon.core.errors import NoNeuronError
from neurorecon.core.stack import Stack
from neurorecon.segmentation import SegmentSettings
from neurorecon.segmentation.adapt import inspect_tiles as look
from neurorecon.segmentation.adapt import sample
from neurorecon.segmentation.adapt.inspect_tiles import brightest_places, levels_at_sight
from neurorecon.segmentation.adapt.sample import boxes_of, take_sample
from neurorecon.segmentation.normalise import levels_of_stack
from neurorecon.segmentation.tiles import cut_stack


class Lazy:
    """A volume that counts what is read of it."""

    def __init__(self, data, chunks):
        self.data, self.shape, self.dtype, self.chunks, self.read = data, data.shape, data.dtype, chunks, 0

    def __getitem__(self, key):
        part = self.data[key]
        self.read += part.size
        return part


@pytest.fixture
def sampled(monkeypatch):
    """Stacks of more than 10,000 voxels are sampled, at 24 places of 16 x 32 x 32 voxels."""
    monkeypatch.setattr(sample, "WHOLE", 10_000)
    monkeypatch.setattr(sample, "PLACES", 24)
    monkeypatch.setattr(sample, "PLACE", (16, 32, 32))
    monkeypatch.setattr(look, "PLACE", (16, 32, 32))
    monkeypatch.setattr(sample, "CUBE", 8)
    monkeypatch.setattr(padding, "BOX", (3, 64, 64))


def neurites(rng, shape, count):
    """Noise of 20 grey values, and tubes along x, 200 bright."""
    noise = rng.normal(100, 20, shape)
    data = noise.copy()
    for _ in range(count):
        z, y = rng.integers(2, shape[0] - 2), rng.integers(2, shape[1] - 2)
        data[z - 1 : z + 2, y - 1 : y + 2] = noise[z - 1 : z + 2, y - 1 : y + 2] + 200
    return np.clip(data, 0, 65535).astype(np.uint16)


def test_levels_of_a_sample_are_those_of_a_stack_with_neurites_everywhere(rng, sampled):
    data = neurites(rng, (64, 256, 256), 60)
    stack = Stack(Lazy(data, (16, 32, 32)))
    levels, found, _ = levels_at_sight(stack)
    whole = levels_of_stack(Stack(data))
    assert found is not None
    assert stack.data.read < data.size / 5
    assert levels.low == pytest.approx(whole.low, abs=3)
    assert levels.high == pytest.approx(whole.high, rel=0.1)


def test_in_a_dark_volume_the_levels_are_those_of_the_neuron_not_of_the_noise(rng, sampled):
    near = neurites(rng, (64, 128, 256), 8)
    data = rng.normal(100, 20, (64, 1024, 256)).clip(0).astype(np.uint16)
    data[:, 256:384] = near
    own = levels_of_stack(Stack(near))
    assert np.percentile(data, 99.8) < 0.75 * own.high  # neurites are 0.1 %: the brightest 0.2 % are half noise
    levels, *_ = levels_at_sight(Stack(Lazy(data, (16, 32, 32))))
    assert levels.high == pytest.approx(own.high, rel=0.12)
    assert levels.low == pytest.approx(own.low, abs=3)


def test_noise_without_a_neuron_has_the_levels_of_all_of_it(rng, sampled):
    data = rng.normal(100, 20, (64, 256, 256)).astype(np.uint16)
    levels, *_ = levels_at_sight(Stack(data))
    whole = levels_of_stack(Stack(data))
    assert (levels.low, levels.high) == pytest.approx((whole.low, whole.high), rel=0.02)


def test_floats_are_ranked_as_they_are(rng, sampled):
    data = neurites(rng, (64, 256, 256), 60)
    ints, floats = (levels_at_sight(Stack(d))[0] for d in (data, (data / 1000).astype(np.float32)))
    assert floats.high * 1000 == pytest.approx(ints.high, rel=0.05)


def test_a_volume_whose_places_are_all_dark_is_read_whole(sampled):
    data = np.zeros((64, 512, 512), np.uint8)
    data[1:3, 1:3, 1:5] = 200
    levels, *_ = levels_at_sight(Stack(data))
    assert levels.high == 200
    with pytest.raises(NoNeuronError, match="constant"):
        levels_at_sight(Stack(np.zeros_like(data)))


def test_the_brightest_places_are_looked_at(rng, sampled):
    data = rng.normal(100, 5, (64, 256, 256)).astype(np.uint16)
    stack = Stack(data)
    bright = take_sample(stack).places[7].box
    data[bright] += 300
    first = next(brightest_places(stack, take_sample(stack), 250))
    np.testing.assert_array_equal(first, data[bright])


def test_small_stacks_are_read_whole(rng):
    assert take_sample(Stack(rng.integers(0, 9, (20, 30, 40)).astype(np.uint8))) is None


@pytest.mark.parametrize(
    ("shape", "chunk"),
    [
        ((4000, 12000, 9000), (64, 128, 128)),
        ((4000, 12000, 9000), (1, 12000, 9000)),
        ((4000, 12000, 9000), (256, 256, 256)),
        ((900, 12000, 9000), (1, 1, 1)),
        ((1, 40000, 40000), (1, 1, 1)),
    ],
)
def test_what_is_read_is_whole_chunks_spread_over_the_volume_and_of_limited_size(shape, chunk):
    boxes = boxes_of(shape, chunk)
    assert len(boxes) == len({str(box) for box in boxes})
    voxels = sum(np.prod([s.stop - s.start for s in box]) for box in boxes)
    assert 1 << 22 < voxels <= 1 << 30
    for box, n, c in zip(zip(*boxes, strict=True), shape, chunk, strict=True):
        assert all(s.start % c == 0 and 0 <= s.start < s.stop <= n for s in box)
        middles = np.array([(s.start + s.stop) / 2 / n for s in box])
        assert abs(middles.mean() - 0.5) < 0.06
        if len(set(middles)) > 5:
            assert np.histogram(middles, 5, (0, 1))[0].min() > 0.1 * len(middles)


def test_the_rim_of_a_fused_volume_does_not_count(rng, sampled):
    inner = neurites(rng, (64, 256, 256), 60)
    whole = levels_of_stack(Stack(inner))
    fused = np.zeros((64, 640, 640), np.uint16)
    fused[:, 200:456, 150:406] = inner
    levels, found, around = levels_at_sight(Stack(Lazy(fused, (16, 32, 32))))
    assert found is not None
    assert around.value == 0
    assert levels.low == pytest.approx(whole.low, abs=3)
    assert levels.high == pytest.approx(whole.high, rel=0.1)


def test_light_that_is_faint_by_that_of_the_others_does_not_count():
    def place(contrast):
        return sample.Place((slice(0, 1),) * 3, 0, np.zeros(1), np.ones(1, int), np.ones(1), np.array([contrast]))

    bright, faint = place(100.0), place(12.0)  # both above the noise, 4.3
    assert sample.Sample((bright, faint)).lit() == [bright]
    assert sample.Sample((faint, faint)).lit() == [faint, faint]


def test_no_more_than_eight_voxels_along_an_axis_become_one(monkeypatch, rng):
    monkeypatch.setattr(
        look, "join_for", lambda _tiles, _levels: (1, 2, 2)
    )  # neurites that are thick at any resolution
    stack = Stack(rng.integers(0, 255, (8, 64, 64)).astype(np.uint8))
    settings = SegmentSettings()

    def cut(shape):
        return cut_stack(shape, settings.core, settings.halo)

    found = look.adaptation_of(stack, levels_at_sight(stack), cut, lambda tile: np.zeros((2, *tile.shape)))
    assert found.voxels_as_one == (1, 8, 8)
