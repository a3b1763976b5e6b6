"""The curve from a network's logit to the share of neurites: applied, written, read, fitted."""

import numpy as np
import pytest
import torch

from neurorecon.core.errors import ModelError
from neurorecon.io import write_stack
from neurorecon.nets import load_model
from neurorecon.nets.calibration import calibrated
from neurorecon.nets.weights import read_config, write_model
from neurorecon.segmentation import SegmentSettings, segment
from neurorecon.swc import write_swc
from neurorecon.training.calibrate import KNOTS, count_logits, fit_curve, logits

POINTS = ((-4.0, -6.0), (0.0, -2.0), (3.0, 1.0), (5.0, 9.0))


def test_the_curve_runs_through_its_points_and_on_beyond_them():
    x = torch.tensor([-6.0, -4.0, -2.0, 0.0, 1.5, 3.0, 4.0, 5.0, 6.0])
    expected = torch.tensor([-8.0, -6.0, -4.0, -2.0, -0.5, 1.0, 5.0, 9.0, 13.0])
    torch.testing.assert_close(calibrated(x, POINTS), expected)
    assert calibrated(x, ()) is x


@pytest.fixture
def curved(bright_model, tmp_path):
    model = load_model(str(bright_model))
    write_model(tmp_path / "curved", model.net, name="curved", summary="s", card="c", calibration=POINTS)
    return tmp_path / "curved"


def test_a_model_keeps_its_curve_and_segments_with_it(curved, bright_model, y_stack):
    assert read_config(curved).calibration == POINTS
    settings = SegmentSettings(device="cpu", precision="fp32", half_share=0)
    plain, bent = (segment(y_stack, settings, model=load_model(str(m))) for m in (bright_model, curved))
    p = plain.neurite.astype(float).clip(1, 254) / 255
    due = 255 / (1 + np.exp(-calibrated(torch.from_numpy(np.log(p / (1 - p))), POINTS).numpy()))
    sure = (plain.neurite > 40) & (plain.neurite < 215)  # where a step of the map is a small step of the logit
    assert sure.any()
    np.testing.assert_allclose(bent.neurite[sure], due[sure], atol=3)
    assert np.array_equal(bent.soma, plain.soma)


@pytest.mark.parametrize("points", ["[[0.0, 1.0]]", "[[0.0, 1.0], [1.0, 1.0]]", "[[1.0, 0.0], [0.0, 1.0]]"])
def test_a_curve_that_does_not_rise_is_refused(curved, points):
    path = curved / "config.toml"
    lines = [
        f"calibration = {points}" if line.startswith("calibration") else line for line in path.read_text().splitlines()
    ]
    path.write_text("\n".join(lines))
    with pytest.raises(ModelError, match="rise"):
        read_config(curved)


def test_a_known_curve_is_found_again():
    truth = np.interp(logits(), KNOTS, np.linspace(-9, 4, len(KNOTS)))
    share = 1 / (1 + np.exp(-truth))
    points = fit_curve([np.array([1 - share, share]), 7 * np.array([1 - share, share])])
    assert [x for x, _ in points] == list(KNOTS)
    np.testing.assert_allclose([y for _, y in points], np.linspace(-9, 4, len(KNOTS)), atol=0.3)


def test_voxels_are_counted_by_logit_and_truth(y_stack, y_tree, bright_model, tmp_path):
    write_stack(np.asarray(y_stack.data), tmp_path / "y.tif")
    write_swc(y_tree, tmp_path / "y.swc")
    counts = count_logits(load_model(str(bright_model)), [(tmp_path / "y.tif", tmp_path / "y.swc")])
    assert 0 < counts.sum() < y_stack.voxels  # the rim is not counted
    background, neurite = (counts * logits()).sum(1) / counts.sum(1)
    assert background < -5.5
    assert neurite > 2
