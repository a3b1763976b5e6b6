"""`neurorecon train`: settings are checked, the run's folder is printed."""

import numpy as np
import pytest

import neurorecon.training as training
from neurorecon.io import write_stack
from neurorecon.swc import write_swc


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "train.toml"
    path.write_text(f'out = "{tmp_path / "run"}"\nname = "mine"\ncorpus = "swc"\nsteps = 3\n\n[net]\ndepth = 2\n')
    return path


@pytest.fixture
def seen(tmp_path, monkeypatch):
    """What the training is asked for, in place of the training."""
    calls = []

    def train(settings, *, resume):
        calls.append((settings, resume))
        return tmp_path / "run" / "mine"

    monkeypatch.setattr(training, "train", train)
    return calls


@pytest.fixture
def traced(tmp_path, y_stack, y_tree):
    """Three stacks with tracings."""
    folder = tmp_path / "traced"
    folder.mkdir()
    for k in range(3):
        write_stack(np.asarray(y_stack.data), folder / f"{k}.tif")
        write_swc(y_tree, folder / f"{k}.swc")
    return folder


def test_settings_reach_the_training(neurorecon, config, tmp_path, seen):
    result = neurorecon("train", config, "--resume")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{tmp_path / 'run' / 'mine'}\n"
    settings, resume = seen[0]
    assert (settings.name, settings.steps, settings.net.depth, resume) == ("mine", 3, 2, True)


def test_options_go_before_the_file(neurorecon, config, tmp_path, seen):
    result = neurorecon("train", config, "--steps", 9, "--out", tmp_path / "other")
    assert result.exit_code == 0, result.output
    assert (seen[0][0].steps, seen[0][0].out) == (9, tmp_path / "other")


def test_a_model_is_fine_tuned_on_a_folder_without_a_file(neurorecon, bright_model, traced, seen):
    result = neurorecon("train", "--from", bright_model, "--data", traced)
    assert result.exit_code == 0, result.output
    settings = seen[0][0]
    assert (settings.start, settings.pairs, settings.name) == (str(bright_model), (traced,), "bright-traced")
    assert settings.out.as_posix() == "runs/bright-traced"
    assert (settings.steps, settings.warmup, settings.layer_decay, settings.corpus) == (417, 20, 0.8, None)
    assert 1e-4 <= settings.rate <= 2e-4


def test_a_file_changes_what_fine_tuning_would_do(neurorecon, bright_model, traced, config, seen):
    config.write_text("steps = 50\nlayer_decay = 0.5\n")
    result = neurorecon("train", config, "--from", bright_model, "--data", traced, "--steps", 70)
    assert result.exit_code == 0, result.output
    assert (seen[0][0].steps, seen[0][0].layer_decay, seen[0][0].ema) == (70, 0.5, 0.99)


def test_the_file_of_the_teacher_is_handed_on(neurorecon, config, tmp_path, seen):
    weights = tmp_path / "dino.safetensors"
    weights.touch()
    with open(config, "a") as handle:
        handle.write('\n[teacher]\nname = "vit_tiny"\n')
    result = neurorecon("train", config, "--teacher-weights", weights)
    assert result.exit_code == 0, result.output
    assert (seen[0][0].teacher.name, seen[0][0].teacher.weights) == ("vit_tiny", weights)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--from", "no-such-model", "--data", "{traced}"], "no model 'no-such-model'"),
        (["--from", "{model}", "--data", "{traced}/nowhere"], "no such folder"),
        (["--from", "{model}", "--data", "{empty}"], "ID_mask.tif"),
        (["{config}", "--teacher-weights", "x.safetensors"], "[teacher]"),
        (["{empty}/out.toml", "--steps", "3"], "`out` is missing"),
    ],
)
def test_what_cannot_be_used_is_one_line(neurorecon, bright_model, traced, config, tmp_path, seen, arguments, what):
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "out.toml").write_text('corpus = "swc"\n')
    names = {"traced": traced, "model": bright_model, "config": config, "empty": empty}
    result = neurorecon("train", *(argument.format(**names) for argument in arguments))
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert what in result.stderr
    assert not seen


@pytest.mark.parametrize("arguments", [[], ["--from", "vit3d-dtt"], ["--data", "traced"]])
def test_too_little_says_what_to_give(neurorecon, arguments, seen):
    result = neurorecon("train", *arguments)
    assert result.exit_code == 2
    assert "--from NAME and --data DIR" in result.stderr


def test_unknown_key_names_the_right_one(neurorecon, config):
    config.write_text(config.read_text().replace("steps", "step"))
    result = neurorecon("train", config)
    assert result.exit_code == 2
    assert "unknown key 'step'; did you mean 'steps'?" in result.stderr


def test_missing_file_is_one_line(neurorecon, tmp_path):
    result = neurorecon("train", tmp_path / "no.toml")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
