"""Fine-tuning: the defaults follow the stacks, and the worked example runs from the stacks to the score."""

import importlib.util

import numpy as np
import pytest

from neurorecon.core.errors import SettingsError
from neurorecon.io import write_stack
from neurorecon.nets import load_model
from neurorecon.swc import write_swc
from neurorecon.training.finetune import configure, finetune_defaults
from neurorecon.training.sources.stream import load_sources


@pytest.fixture
def traced(tmp_path, y_stack, y_tree):
    """One stack with a tracing and one with a mask."""
    folder = tmp_path / "traced"
    folder.mkdir()
    for name in "ab":
        write_stack(np.asarray(y_stack.data), folder / f"{name}.tif")
    write_swc(y_tree, folder / "a.swc")
    write_stack((np.asarray(y_stack.data) > 100).astype(np.uint8), folder / "b_mask.tif")
    return folder


@pytest.mark.parametrize(("stacks", "steps"), [(1, 300), (3, 417), (10, 599), (30, 600)])
def test_more_stacks_take_more_steps_up_to_a_limit(tmp_path, y_tree, bright_model, stacks, steps):
    for k in range(stacks):
        np.save(tmp_path / f"{k}.npy", np.zeros((8, 8, 8), np.uint8))
        write_swc(y_tree, tmp_path / f"{k}.swc")
    assert finetune_defaults(str(bright_model), tmp_path)["steps"] == steps


def test_both_kinds_of_truth_are_trained_on_without_anything_synthetic(traced, bright_model):
    settings = configure({}, start=str(bright_model), data=traced)
    sources, dev = load_sources(settings)
    assert [source.name for source in sources["traced"]] == ["traced/a", "traced/b"]
    assert list(sources) == ["traced"]
    assert not dev


def test_labels_of_both_kinds_come_from_the_cache_the_second_time(traced, bright_model, tmp_path):
    settings = configure({"cache": str(tmp_path / "cache")}, start=str(bright_model), data=traced)
    drawn, kept = (load_sources(settings)[0]["traced"] for _ in range(2))
    assert len(list((tmp_path / "cache").iterdir())) == 2
    assert all(np.array_equal(a.labels, b.labels) for a, b in zip(drawn, kept, strict=True))


def test_settings_without_a_place_for_the_run_are_refused(traced):
    with pytest.raises(SettingsError, match="`out`"):
        configure({}, data=traced)


@pytest.mark.slow
def test_the_worked_example_goes_from_stacks_to_a_tuned_network_and_its_score(root, tmp_path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "examples"))  # as `python examples/finetune.py` has it
    spec = importlib.util.spec_from_file_location("example_finetune", root / "examples" / "finetune.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    before, after = example.finetune(tmp_path / "own", 2)
    assert 0 <= before <= 1
    assert 0 <= after <= 1
    shown = capsys.readouterr().out
    assert "$ neurorecon train --from vit3d-dtt --data" in shown
    tuned = tmp_path / "own" / "run" / "vit3d-dtt-traced"
    assert load_model(str(tuned)).config.summary.endswith("from vit3d-dtt")
    assert "2 stacks of `traced`" in (tuned / "card.md").read_text()
