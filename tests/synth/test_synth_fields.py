"""Random fields of tissue: the statistics that they promise."""

import numpy as np

from neurorecon.synth import tissue

SHAPE = (24, 48, 48)


def neighbour_correlation(block, axis, step):
    """Correlation of voxels with those `step` further along an axis."""
    a = np.moveaxis(block, axis, 0)
    return float(np.corrcoef(a[:-step].ravel(), a[step:].ravel())[0, 1])


def test_textures_have_mean_0_and_unit_variance_and_most_are_correlated_like_tissue():
    fields = [tissue.texture(np.random.default_rng(seed), SHAPE) for seed in range(30)]
    assert np.allclose([f.mean() for f in fields], 0, atol=1e-4)
    assert np.allclose([f.std() for f in fields], 1, atol=1e-3)
    along_x = [neighbour_correlation(f, 2, 1) for f in fields]
    assert np.median(along_x) > 0.14  # the least of the larval stacks; white noise has 0


def test_a_surrogate_keeps_grey_values_and_correlation_and_loses_the_neurite():
    rng = np.random.default_rng(1)
    block = tissue.texture(rng, SHAPE)
    block[12, 24] += 8.0  # a straight neurite along x
    scrambled = tissue.surrogate(rng, block)
    assert np.array_equal(np.sort(scrambled, axis=None), np.sort(block, axis=None))
    assert np.corrcoef(scrambled.ravel(), block.ravel())[0, 1] < 0.1
    bright = scrambled > np.quantile(block, 1 - 40 / block.size)
    z, y, _ = np.nonzero(bright)
    assert len(set(zip(z.tolist(), y.tolist(), strict=True))) > 20  # no longer on one line


def test_an_axial_tail_lies_on_one_side_along_z_and_falls_with_the_distance():
    light = np.zeros((40, 16, 16), np.float32)
    light[20, 8, 8] = 1.0
    for seed in range(6):
        drawn = tissue.axial_tail(light, np.random.default_rng(seed))
        above, below = drawn[:20].sum(), drawn[21:].sum()
        assert min(above, below) == 0
        assert max(above, below) > 0
        side = drawn[21:, 8, 8] if below else drawn[19::-1, 8, 8]
        assert (np.diff(side[:10]) <= 0).all()
        assert drawn[20, 8, 8] == 1.0
