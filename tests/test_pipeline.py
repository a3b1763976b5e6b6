"""Both stages in one call, on a neuron of known shape and a network whose answer is the brightness."""

import dataclasses
import logging
import time

import numpy as np
import pytest

from neurorecon.core.errors import InputError, ModelError, NoNeuronError
from neurorecon.core.filled import fill
from neurorecon.core.probability import Probability
from neurorecon.core.settings import as_dict
from neurorecon.core.stack import Stack
from neurorecon.pipeline import (
    ReconstructSettings,
    StageCost,
    check_soma,
    collected_warnings,
    measured,
    provenance_of,
    reconstruct,
)
from neurorecon.segmentation import SegmentSettings
from neurorecon.tracing import TraceSettings, trace


@pytest.fixture(scope="module")
def settings(bright_model):
    return ReconstructSettings(SegmentSettings(model=str(bright_model), device="cpu"))


@pytest.fixture(scope="module")
def result(y_stack, settings):
    return reconstruct(y_stack, settings)


def test_fork_is_reconstructed_in_micrometres(result, y_tree):
    assert result.tree.unit == "um"
    assert len(result.tree.roots) == 1
    np.testing.assert_allclose(result.tree.xyz[0], y_tree.xyz[0] * 0.5, atol=1.0)
    drawn = y_tree.cable_length * 0.5
    assert drawn * 0.85 < result.tree.cable_length < drawn * 1.15
    assert len(result.tree.branch_points) == 1
    np.testing.assert_allclose(result.tree.xyz[result.tree.branch_points[0]], y_tree.xyz[15] * 0.5, atol=1.5)


def test_probability_is_that_of_the_stack(result, y_stack):
    assert result.probability.shape == y_stack.shape
    assert result.probability.voxel_size == y_stack.voxel_size
    grey = np.asarray(y_stack.data)
    assert result.probability.neurite[grey > 150].min() > 127 > result.probability.neurite[grey == 10].max()


def test_model_and_device_are_named(result, bright_model):
    assert result.model_name == "bright"
    assert result.device == "cpu"
    assert result.model_sha256 in (bright_model / "config.toml").read_text()


def test_both_stages_have_a_cost(result):
    assert [stage.name for stage in result.stages] == ["segment", "trace"]
    assert all(stage.seconds > 0 and stage.peak_bytes > 1 << 20 for stage in result.stages)


def test_units_of_the_settings_are_obeyed(y_stack, settings, result):
    in_voxels = reconstruct(y_stack, dataclasses.replace(settings, trace=TraceSettings(units="voxel")))
    assert in_voxels.tree.unit == "voxel"
    assert in_voxels.tree.cable_length == pytest.approx(2 * result.tree.cable_length, rel=1e-6)


def test_progress_counts_all_tiles(y_stack, settings):
    seen = []
    reconstruct(y_stack, settings, progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == list(range(1, seen[-1][1] + 1))


def test_constant_stack_holds_no_neuron(settings):
    with pytest.raises(NoNeuronError, match="no neuron"):
        reconstruct(Stack(np.full((16, 16, 16), 7, np.uint8)), settings)


def test_unknown_model_is_refused(y_stack):
    with pytest.raises(ModelError, match="no-such-model"):
        reconstruct(y_stack, ReconstructSettings(SegmentSettings(model="no-such-model")))


@pytest.mark.parametrize("point", [(-1.0, 5.0, 5.0), (16.0, 5.0, 5.0), (5.0, 5.0, 56.0)])
def test_soma_outside_the_stack_is_refused_before_the_work(y_stack, settings, point):
    with pytest.raises(InputError, match="outside the stack of 16,40,56"):
        reconstruct(y_stack, dataclasses.replace(settings, trace=TraceSettings(soma=(point,))))


def test_soma_at_the_last_voxel_is_inside():
    check_soma(TraceSettings(soma=((0.0, 0.0, 0.0), (15.0, 39.0, 55.4))), (16, 40, 56))


def is_outside(look):
    """Whether a call refuses a soma for its place."""
    try:
        look()
    except InputError as error:
        return "outside the stack" in str(error)
    return False


@pytest.mark.parametrize("planes", [1, 2])
@pytest.mark.parametrize("x", [-0.6, -0.5, -0.3, 55.4, 55.5])
def test_a_soma_that_passes_the_check_before_the_work_is_taken_by_the_tracer(y_stack, planes, x):
    settings = TraceSettings(soma=((8.0, 20.0, x),))
    fine = np.where(fill(y_stack, planes).data[:, :, :] > 60, 230, 0).astype(np.uint8)
    refused = not -0.5 <= x < 55.5
    assert is_outside(lambda: check_soma(settings, y_stack.shape)) == refused
    assert is_outside(lambda: trace(Probability(fine, planes=planes), settings)) == refused


def test_warnings_are_collected_once_and_only_during_the_call():
    logger = logging.getLogger("neurorecon.io.some")
    with collected_warnings() as texts:
        logger.warning("voxel size is %s", "unknown")
        logger.warning("voxel size is unknown")
        logger.info("not a warning")
    logger.warning("too late")
    assert texts == ["voxel size is unknown"]


def test_peak_memory_sees_a_block_that_is_gone_at_the_end():
    stages: list[StageCost] = []
    with measured("nothing", stages):
        pass
    with measured("block", stages):
        block = np.ones(100 << 20, np.uint8)
        time.sleep(0.2)
        del block
    assert stages[1].peak_bytes - stages[0].peak_bytes > 80 << 20
    assert stages[1].seconds >= 0.2


def test_cost_is_not_recorded_for_a_stage_that_failed():
    stages: list[StageCost] = []
    with pytest.raises(ZeroDivisionError), measured("failing", stages):
        raise ZeroDivisionError
    assert stages == []


def test_provenance_carries_every_setting(result, settings):
    provenance = provenance_of(result, settings, source="a b.tif", source_sha256="00")
    assert provenance.settings == as_dict(settings)
    assert set(provenance.settings) == {"segment", "trace"}
    assert (provenance.input, provenance.input_sha256) == ("a b.tif", "00")
    assert provenance.model_sha256 == result.model_sha256


def test_unknown_voxel_size_gives_voxels(y_stack, settings):
    result = reconstruct(Stack(y_stack.data), settings)
    assert result.tree.unit == "voxel"
