"""`neurorecon train`: settings are checked, the run's folder is printed."""

import pytest

import neurorecon.training as training


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "train.toml"
    path.write_text(f'out = "{tmp_path / "run"}"\nname = "mine"\ncorpus = "swc"\nsteps = 3\n\n[net]\ndepth = 2\n')
    return path


def test_settings_reach_the_training(neurorecon, config, tmp_path, monkeypatch):
    seen = []

    def train(settings, *, resume):
        seen.append((settings, resume))
        return tmp_path / "run" / "mine"

    monkeypatch.setattr(training, "train", train)
    result = neurorecon("train", config, "--resume")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{tmp_path / 'run' / 'mine'}\n"
    settings, resume = seen[0]
    assert (settings.name, settings.steps, settings.net.depth, resume) == ("mine", 3, 2, True)


def test_unknown_key_names_the_right_one(neurorecon, config):
    config.write_text(config.read_text().replace("steps", "step"))
    result = neurorecon("train", config)
    assert result.exit_code == 2
    assert "unknown key 'step'; did you mean 'steps'?" in result.stderr


def test_missing_file_is_one_line(neurorecon, tmp_path):
    result = neurorecon("train", tmp_path / "no.toml")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
