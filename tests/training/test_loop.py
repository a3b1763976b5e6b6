"""A run: it logs, is watched, survives a kill, is one function of its settings, and leaves a model with its card."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from neurorecon.core.errors import InputError, ModelError, SettingsError
from neurorecon.nets import load_model
from neurorecon.nets.config import NetConfig
from neurorecon.nets.student import NeuriteViT
from neurorecon.nets.weights import write_model
from neurorecon.training import TrainSettings, loop, train
from neurorecon.training.logbook import read_log
from neurorecon.training.validation import Watch

TINY = NetConfig(channels=(4, 4, 8), width=24, depth=2, heads=2)


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory):
    """The folder of a network to go on from."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    torch.manual_seed(3)
    write_model(folder, NeuriteViT(TINY), name="tiny", summary="for tests", card="# tiny\n")
    return folder


def settings_of(pairs, out, **changes):
    values = {
        "steps": 6,
        "crop": (16, 32, 32),
        "checkpoint_every": 3,
        "net": TINY,
        "amp": False,
        "warmup": 2,
        "threads": 1,
    }
    return TrainSettings(out=out, pairs=(pairs,), **{**values, **changes})


def weights_of(folder):
    return load_model(str(folder)).net.state_dict()


def same(a, b):
    return all(torch.equal(a[key], b[key]) for key in a)


def test_a_run_logs_saves_draws_and_exports_a_model_that_loads(pairs, tmp_path):
    folder = train(settings_of(pairs, tmp_path / "run", dev=("2",)))
    columns, rows = read_log(tmp_path / "run" / "log.csv")
    assert columns[:3] == ["step", "seconds", "rate"]
    assert int(rows[-1]["step"]) == 6
    assert 0 <= float(rows[-1]["dev_dice"]) <= 1
    assert rows[-1]["dev_f1"] == ""
    assert (tmp_path / "run" / "log.png").stat().st_size > 1000
    assert load_model(str(folder)).config.net == TINY
    card = (folder / "card.md").read_text()
    assert "custom" in card
    assert f"1 stacks of `{pairs.name}`" in card
    assert str(tmp_path) not in card


def test_a_run_goes_on_from_its_checkpoint(pairs, tmp_path):
    train(settings_of(pairs, tmp_path, steps=3))
    train(settings_of(pairs, tmp_path, steps=6), resume=True)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 6
    assert [row["step"] for row in read_log(tmp_path / "log.csv")[1]] == ["3", "6"]


def test_a_finished_run_is_only_exported_again(pairs, tmp_path):
    first = weights_of(train(settings_of(pairs, tmp_path, steps=2)))
    assert same(first, weights_of(train(settings_of(pairs, tmp_path, steps=2), resume=True)))


def test_a_resumed_run_draws_fresh_crops_and_takes_up_the_random_stream(pairs, tmp_path):
    run = loop.run_training(settings_of(pairs, tmp_path, steps=3))
    state = torch.get_rng_state()
    torch.manual_seed(99)
    again = loop.Run(run.settings)
    assert again.crop_seed == run.settings.seed
    again.load()
    assert torch.equal(torch.get_rng_state(), state)
    assert again.crop_seed not in (run.settings.seed, run.settings.seed + 3)
    other = dataclasses.replace(run.settings, seed=3)
    assert loop.Run(other).crop_seed != again.crop_seed


def test_a_run_is_not_begun_over_another(pairs, tmp_path):
    train(settings_of(pairs, tmp_path, steps=1))
    with pytest.raises(InputError, match="--resume"):
        train(settings_of(pairs, tmp_path, steps=1))


def test_two_runs_of_one_seed_are_equal_and_of_another_are_not(pairs, tmp_path):
    a, b, c = (
        weights_of(train(settings_of(pairs, tmp_path / name, seed=seed)))
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert same(a, b)
    assert not same(a, c)


@pytest.mark.slow
def test_a_killed_run_leaves_a_checkpoint_from_which_it_goes_on(pairs, tmp_path):
    code = (
        "import sys; from pathlib import Path; from neurorecon.training import TrainSettings, train; "
        "from neurorecon.nets.config import NetConfig; "
        "train(TrainSettings(out=Path(sys.argv[1]), pairs=(Path(sys.argv[2]),), steps=100000, crop=(16, 32, 32), "
        "checkpoint_every=2, threads=1, amp=False, net=NetConfig(channels=(4, 4, 8), width=24, depth=2, heads=2)))"
    )
    child = subprocess.Popen([sys.executable, "-c", code, tmp_path / "run", pairs])
    try:
        for _ in range(600):
            time.sleep(0.1)
            if (tmp_path / "run" / "log.png").exists():
                break
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    step = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["step"]
    assert step >= 2
    train(settings_of(pairs, tmp_path / "run", steps=step + 2), resume=True)
    steps = [int(row["step"]) for row in read_log(tmp_path / "run" / "log.csv")[1]]
    assert steps[-1] == step + 2
    assert steps == sorted(set(steps))


def test_the_rate_warms_up_and_falls_to_one_percent(pairs, tmp_path):
    run = loop.Run(settings_of(pairs, tmp_path, steps=100, warmup=10, rate=1.0))
    rates = []
    for run.step in range(101):
        rates.append(run.rate)
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0, abs=0.05)
    assert rates[100] == pytest.approx(0.01)


def test_rates_fall_from_the_head_to_the_first_block(pairs, tmp_path):
    run = loop.Run(settings_of(pairs, tmp_path, layer_decay=0.5))
    share = {p: group["share"] for group in run.optimiser.param_groups for p in group["params"]}
    assert share[run.net.head.weight] == share[run.net.stem1.weight] == 1
    assert share[run.net.blocks[1].fc1.weight] == 0.5
    assert share[run.net.blocks[0].fc1.weight] == 0.25


def test_a_step_that_would_leap_is_clipped(pairs, tmp_path, monkeypatch):
    run = loop.Run(settings_of(pairs, tmp_path))
    norms = []
    clip = torch.nn.utils.clip_grad_norm_

    def seen(parameters, most):
        norm = clip(parameters, most)
        norms.append(
            (most, sum(float(p.grad.square().sum()) for p in run.net.parameters() if p.grad is not None) ** 0.5)
        )
        return norm

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", seen)
    run.update(1e3 * torch.ones(1, 1, 16, 32, 32), torch.ones(1, 16, 32, 32, dtype=torch.uint8))
    assert norms[0][1] <= norms[0][0] * 1.001


def test_a_gradient_that_is_not_a_number_is_not_followed_and_many_end_the_run(pairs, tmp_path, monkeypatch):
    run = loop.Run(settings_of(pairs, tmp_path, rate=0.1))
    image, labels = torch.rand(1, 1, 16, 32, 32), torch.ones(1, 16, 32, 32, dtype=torch.uint8)
    before = {key: value.clone() for key, value in run.net.state_dict().items()}
    run.update(image * torch.nan, labels)
    assert same(run.net.state_dict(), before)
    run.update(image, labels)
    assert not same(run.net.state_dict(), before)
    monkeypatch.setattr(loop, "MOST_UNSOUND", 2)
    run.update(image * torch.nan, labels)
    with pytest.raises(InputError, match=r"2 steps in a row .*amp = false"):
        run.update(image * torch.nan, labels)


def test_whole_stacks_are_watched_and_the_best_network_is_exported(pairs, tmp_path, monkeypatch):
    f1 = iter([0.2, 0.7, 0.4])
    score = Watch.score

    def told(self, net, step):
        row = score(self, net, step)
        assert set(row) == set(loop.WHOLE)
        assert all(np.isfinite(list(row.values())))
        return row

    from neurorecon.training import validation as watch

    original = watch.score_stacks

    def with_f1(scores, value):
        return dataclasses.replace(scores, tree=dataclasses.replace(scores.tree, f1=value))

    monkeypatch.setattr(
        watch, "score_stacks",
        lambda *a, **k: [with_f1(s, value) for value in [next(f1)] for s in original(*a, **k)],
    )  # fmt: skip
    monkeypatch.setattr(Watch, "score", told)
    settings = settings_of(pairs, tmp_path, dev=("2",), watch_every=2)
    folder = train(settings)
    rows = read_log(tmp_path / "log.csv")[1]
    assert [(row["step"], row["dev_f1"]) for row in rows if row["dev_f1"]] == [("2", "0.2"), ("4", "0.7"), ("6", "0.4")]
    best = torch.load(tmp_path / "best.pt", weights_only=True)
    assert best["step"] == 4
    written = weights_of(folder)
    assert all(torch.allclose(value, written[key], atol=2e-3) for key, value in best["average"].items())
    card = (folder / "card.md").read_text()
    assert "step 4, the best" in card
    assert "step 2: 0.200, step 4: 0.700, step 6: 0.400" in card
    assert Watch(settings).best_f1 == 0.7


def test_watching_without_stacks_to_watch_is_refused_before_the_training(pairs, tmp_path):
    with pytest.raises(SettingsError, match="`dev`"):
        train(settings_of(pairs, tmp_path, watch_every=2))
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_network_goes_on_from_another_and_its_card_says_so(pairs, tiny_model, tmp_path):
    folder = train(settings_of(pairs, tmp_path, start=str(tiny_model), rate=1e-9, ema=0.5, net=NetConfig()))
    model = load_model(str(folder))
    assert model.config.net == TINY
    before = weights_of(tiny_model)
    assert all(torch.allclose(before[key], value, atol=1e-3) for key, value in model.net.state_dict().items())
    card = (folder / "card.md").read_text()
    assert f"Went on from: tiny, sha256 of its weights {load_model(str(tiny_model)).config.sha256}" in card
    assert f"Fine-tuned on: 2 stacks of `{pairs.name}`" in card
    assert model.config.summary.endswith("from tiny")


def test_the_start_of_a_fine_tuning_is_watched_too(pairs, tiny_model, tmp_path):
    settings = settings_of(pairs, tmp_path, start=str(tiny_model), dev=("2",), watch_every=6)
    train(settings)
    assert [row["step"] for row in read_log(tmp_path / "log.csv")[1] if row["dev_f1"]] == ["0", "6"]


def test_an_unknown_start_is_an_error(pairs, tmp_path):
    with pytest.raises(ModelError, match="no model"):
        train(settings_of(pairs, tmp_path, start="nobody"))


def test_a_device_that_is_not_there_is_refused(pairs, tmp_path):
    with pytest.raises(InputError, match="not known"):
        loop.Run(settings_of(pairs, tmp_path, device="abacus"))
    assert loop.Run(settings_of(pairs, tmp_path, device="cpu")).device.type == "cpu"


@pytest.mark.slow
def test_the_card_says_what_came_from_the_teacher_and_tubes_are_folded(pairs, tmp_path):
    from safetensors.torch import save_file

    from neurorecon.training.settings import TeacherSettings
    from neurorecon.training.teaching.teacher import load_timm

    torch.manual_seed(0)
    with torch.no_grad():
        teacher = load_timm().create_model("vit_tiny_patch16_224", num_classes=0)
    save_file(teacher.state_dict(), tmp_path / "teacher.safetensors")
    taught = TeacherSettings(name="vit_tiny_patch16_224", weights=tmp_path / "teacher.safetensors", distil=0.5)
    folder = train(settings_of(pairs, tmp_path / "run", steps=2, teacher=taught))
    card = (folder / "card.md").read_text()
    assert "Teacher: vit_tiny_patch16_224 (weights of teacher.safetensors, sha256 " in card
    assert "patch kernel by dtt (static)" in card
    assert "blocks 6 to 9, by distillation of weight 0.5" in card
    assert load_model(str(folder)).config.net.embed == "plain"
    assert float(read_log(tmp_path / "run" / "log.csv")[1][-1]["latent"]) > 0
    train(settings_of(pairs, tmp_path / "run", steps=3, teacher=taught), resume=True)
