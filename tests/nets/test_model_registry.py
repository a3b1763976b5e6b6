"""Models: found offline, checked before use, refused with a reason."""

import subprocess
import sys

import pytest
import torch

from neurorecon.core.errors import ModelError
from neurorecon.nets import find_model, list_models, load_model, verify_model
from neurorecon.nets.config import NetConfig
from neurorecon.nets.student import NeuriteViT
from neurorecon.nets.weights import CONFIG, WEIGHTS, read_config, write_model

SMALL = NetConfig(channels=(4, 6, 8), width=24, depth=1, heads=2)


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(1)
    write_model(tmp_path / "tiny", NeuriteViT(SMALL), name="tiny", summary="a test's", card="# tiny\n")
    return tmp_path / "tiny"


def test_a_written_model_is_loaded_with_the_same_weights_to_half_precision(folder):
    torch.manual_seed(1)
    net = NeuriteViT(SMALL)
    model = load_model(str(folder))
    for name, value in model.net.state_dict().items():
        assert torch.allclose(value, net.state_dict()[name], atol=1e-3)
    assert model.config.net == SMALL
    assert not model.net.training


def test_changed_weights_are_refused(folder):
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS).write_bytes(data)
    with pytest.raises(ModelError, match="sha256"):
        load_model(str(folder))


def test_missing_weights_are_said(folder):
    (folder / WEIGHTS).unlink()
    with pytest.raises(ModelError, match="missing"):
        verify_model(str(folder))


def test_weights_that_do_not_fit_the_description_are_refused(folder):
    text = (folder / CONFIG).read_text().replace("depth = 1", "depth = 2")
    (folder / CONFIG).write_text(text)
    with pytest.raises(ModelError, match="do not fit"):
        load_model(str(folder))


@pytest.mark.parametrize("text", ["name = [", "nane = 'x'", "name = 1"])
def test_a_broken_description_is_an_error_of_the_model(folder, text):
    (folder / CONFIG).write_text(text)
    with pytest.raises(ModelError):
        read_config(folder)


def test_an_unknown_name_is_refused_with_the_nearest_one():
    names = [folder.name for folder, _ in list_models()]
    with pytest.raises(ModelError, match="no model"):
        find_model("no such model at all")
    if names:
        with pytest.raises(ModelError, match=names[0]):
            find_model(names[0] + "x")


def test_a_folder_without_a_description_is_not_a_model(tmp_path):
    with pytest.raises(ModelError, match="no model"):
        find_model(str(tmp_path))


def test_no_pickle_is_read(folder):
    torch.save({"a": torch.zeros(1)}, folder / WEIGHTS)
    with pytest.raises(ModelError):
        load_model(str(folder))


def test_a_stack_is_segmented_without_timm_monai_or_a_teacher():
    code = (
        "import sys, numpy as np, neurorecon\n"
        "stack = neurorecon.Stack(np.random.default_rng(0).integers(0, 99, (8, 16, 16), np.uint8))\n"
        "neurorecon.segment(stack)\n"
        "print(sorted({'timm', 'monai', 'torchvision', 'neurorecon.training'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "name", ['O\'Brien "v2"', "a\tb", "back\\slash", "神経 ζ", "two\nlines = 1", "'''", '"', "\x7f"]
)
def test_a_model_of_any_name_is_read_again(tmp_path, name):
    curve = tuple((float(x), float(y)) for x, y in [(-2.5, -3), (1e-7, 2e16)])
    config = write_model(
        tmp_path / "m", NeuriteViT(SMALL), name=name, summary=f"of {name}", card="#\n", calibration=curve
    )
    assert read_config(tmp_path / "m") == config
    assert (config.name, config.summary, config.net) == (name, f"of {name}", SMALL)
    assert load_model(str(tmp_path / "m")).config.calibration == curve


def test_every_field_of_a_network_is_kept(tmp_path):
    net = NeuriteViT(NetConfig((4, 6, 8), 24, 2, 2, "plain", "bundle", "planes", 3))
    write_model(tmp_path / "m", net, name="m", summary="", card="")
    assert read_config(tmp_path / "m").net == net.config


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        NetConfig(),
        NetConfig((4,), 24, 1, 2),
        NetConfig((4, 6), 24, 0, 2, "plain"),
        NetConfig((2, 4, 4), 48, 3, 2, "dynamic", "line", "planes", 4),
    ],
)
def test_a_network_has_no_fewer_weights_than_its_shape_promises(config):
    count = sum(value.numel() for value in NeuriteViT(config).state_dict().values())
    assert 0.2 * count < config.least_weights <= count


def test_a_description_of_a_giant_is_refused_without_its_memory(folder):
    text = (folder / CONFIG).read_text()
    (folder / CONFIG).write_text(text.replace("width = 24", "width = 2048").replace("depth = 1", "depth = 64"))
    with pytest.raises(ModelError, match="too few"):  # they would fill 13 GB
        load_model(str(folder))


def test_a_model_is_loaded_without_the_compiler_of_torch(folder):
    code = (
        "import sys; from neurorecon.nets import load_model; load_model(sys.argv[1]);"
        "print(sorted({'torch._dynamo', 'sympy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
