"""Scores of masks: boxes with known answers, MONAI's distances, and the reference where it is at hand."""

import importlib.util
import logging
import math
import warnings
from pathlib import Path

import numpy as np
import pytest

from neurorecon.core.errors import InputError
from neurorecon.evaluate import score_masks

REFERENCE = Path(__file__).parents[3] / "shared" / "tools" / "score.py"


def bar(thick=5, *, shape=(20, 20, 40), at=8):
    mask = np.zeros(shape, bool)
    mask[at : at + thick, at : at + thick, 5:35] = True
    return mask


def blobs(seed, shape=(14, 20, 24)):
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    noise = gaussian_filter(rng.random(shape), 1.5)
    pred = noise > np.quantile(noise, 0.85)
    return pred, np.roll(pred, 1, 1) & (rng.random(shape) > 0.03)


def test_mask_against_itself_is_perfect():
    assert score_masks(bar(), bar()).as_dict() == {"dice": 1, "hd95": 0, "cldice": 1}


@pytest.mark.parametrize(("axis", "spacing", "distance"), [(1, (1, 1, 1), 2), (0, (3, 1, 1), 6), (1, (3, 0.5, 1), 1)])
def test_moved_box_is_its_shift_away_in_the_unit_of_the_spacing(axis, spacing, distance):
    scores = score_masks(np.roll(bar(), 2, axis), bar(), spacing=spacing)
    assert scores.dice == pytest.approx(3 / 5)
    assert scores.hd95 == pytest.approx(distance)
    assert scores.cldice == 1  # the centre line is still inside


def test_skeleton_outside_the_other_mask_costs_cldice():
    assert score_masks(np.roll(bar(3), 3, 1), bar(3)).cldice == 0


def test_box_at_the_border_has_a_surface_there():
    whole = np.ones((6, 6, 6), bool)
    assert score_masks(whole, whole).hd95 == 0
    # the shell of the cube against its core, 2 below it: no corner is further than the diagonal
    core = np.zeros_like(whole)
    core[2:4, 2:4, 2:4] = True
    assert 2 <= score_masks(core, whole).hd95 <= math.sqrt(12)


def test_empty_masks_score_as_defined():
    empty, full = np.zeros((4, 5, 6)), bar(3, shape=(20, 20, 40))
    assert score_masks(empty, empty).as_dict() == {"dice": 1, "hd95": 0, "cldice": 1}
    for pair in ((np.zeros_like(full), full), (full, np.zeros_like(full))):
        assert score_masks(*pair).as_dict() == {"dice": 0, "hd95": math.inf, "cldice": 0}


def test_any_value_but_zero_counts():
    assert score_masks(bar() * 255, bar().astype(np.uint8)).dice == 1


def test_space_around_a_mask_changes_nothing():
    for seed in range(3):
        pred, gold = blobs(seed)
        wide = [np.pad(mask, ((3, 1), (0, 9), (5, 2))) for mask in (pred, gold)]
        assert score_masks(*wide).as_dict() == score_masks(pred, gold).as_dict()


def test_bar_that_its_skeleton_loses_is_said(caplog):
    with caplog.at_level(logging.WARNING):
        assert score_masks(bar(5), bar(5)).cldice == 1
    assert caplog.text == ""
    with caplog.at_level(logging.WARNING):
        scores = score_masks(bar(4), bar(4))
    if scores.cldice < 1:  # scikit-image 0.26; a later one may have been cured
        assert "scikit-image gives no skeleton to 1 of 1 components" in caplog.text


@pytest.mark.parametrize("other", [np.zeros((20, 20, 39)), np.zeros((20, 40)), np.zeros((20, 20, 40, 1))])
def test_shapes_that_differ_are_refused(other):
    with pytest.raises(InputError, match="cannot be compared"):
        score_masks(bar(), other)


@pytest.mark.parametrize("spacing", [(1, 1), (1, 1, 0), (1, -1, 1), (1, math.nan, 1)])
def test_senseless_spacing_is_refused(spacing):
    with pytest.raises(InputError, match="spacing"):
        score_masks(bar(), bar(), spacing=spacing)


@pytest.mark.slow
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 0.5, 0.7)])
def test_hd95_is_that_of_monai(spacing):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch, monai = pytest.importorskip("torch"), pytest.importorskip("monai.metrics")
        for seed in range(3):
            # an empty plane at the border: MONAI erodes its crop of the two masks as if they went on beyond it
            pred, gold = (np.pad(mask, 1) for mask in blobs(seed))
            batch = [torch.from_numpy(mask[None, None].astype(np.float32)) for mask in (pred, gold)]
            due = monai.compute_hausdorff_distance(
                *batch, include_background=True, percentile=95, spacing=list(spacing), directed=False
            )
            assert score_masks(pred, gold, spacing=spacing).hd95 == pytest.approx(float(due), abs=1e-5)


@pytest.mark.data
@pytest.mark.parametrize("seed", range(4))
def test_scores_are_those_of_the_reference(seed):
    if not REFERENCE.is_file():
        pytest.skip(f"needs the reference scorer {REFERENCE}")
    spec = importlib.util.spec_from_file_location("reference_score", REFERENCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pred, gold = blobs(seed)
    due = module.score_masks(pred, gold, (2.0, 0.5, 0.7))
    assert score_masks(pred, gold, spacing=(2.0, 0.5, 0.7)).as_dict() == pytest.approx(due, abs=1e-9)
