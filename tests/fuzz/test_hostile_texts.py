"""Models, settings and tracings from strangers: a description cannot ask for more than is there, nor lead elsewhere."""

import hashlib
import os
import re
import struct

import pytest

from neurorecon.core.errors import NeuroreconError
from neurorecon.core.files import read_ids
from neurorecon.core.settings import from_toml, read_toml
from neurorecon.nets import verify_model
from neurorecon.nets.weights import CARD, CONFIG, WEIGHTS
from neurorecon.swc import read_swc, repair_swc, validate_swc
from neurorecon.synth import SynthSettings


def verify(path):
    return verify_model(str(path))


def change(model, old, new):
    text = (model / CONFIG).read_text()
    assert re.search(old, text)
    (model / CONFIG).write_text(re.sub(old, new, text))


# ---------------------------------------------------------------- models


def test_a_sound_model_passes(corpus, tmp_path):
    assert verify(corpus.model(tmp_path)).name == "tiny"


def test_weights_with_another_hash_are_refused(corpus, tmp_path, refused):
    model = corpus.model(tmp_path)
    change(model, 'sha256 = "..', 'sha256 = "00')
    assert "sha256 is" in refused(verify, model)


@pytest.mark.parametrize("line", ['weights = "../../x.safetensors"', 'file = "/etc/passwd"', 'path = "x"'])
def test_a_description_names_no_file(corpus, tmp_path, refused, line):
    model = corpus.model(tmp_path)
    change(model, "^name = ", f"{line}\nname = ")
    assert "unknown key" in refused(verify, model)


def test_weights_that_are_a_link_out_of_the_folder_are_refused(corpus, tmp_path, refused):
    model = corpus.model(tmp_path)
    (model / WEIGHTS).rename(tmp_path / "elsewhere.safetensors")
    (model / WEIGHTS).symlink_to("../elsewhere.safetensors")
    assert "is a link to" in refused(verify, model)


def test_a_model_that_an_installer_linked_file_by_file_is_taken(corpus, tmp_path):
    store = corpus.model(tmp_path)
    linked = tmp_path / "installed" / "tiny"
    linked.mkdir(parents=True)
    for name in (WEIGHTS, CONFIG, CARD):
        (linked / name).symlink_to(store / name)
    assert verify(linked).name == "tiny"


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG])
@pytest.mark.parametrize("what", ["pipe", "device", "circle"])
def test_a_pipe_a_device_or_a_circle_in_a_model_is_refused(corpus, tmp_path, refused, name, what):
    model = corpus.model(tmp_path)
    (model / name).unlink()
    if what == "pipe":
        os.mkfifo(model / name)
    else:
        (model / name).symlink_to("/dev/zero" if what == "device" else name)
    refused(verify, model)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("width = .*", "width = 1073741824"),
        ("width = .*", "width = 0"),
        ("width = .*", "width = 1200"),
        ("heads = .*", "heads = 0"),
        ("heads = .*", "heads = -1"),
        ("depth = .*", "depth = 1000000000"),
        ("depth = .*", "depth = 64"),
        ("prefix = .*", "prefix = 1000000000000"),
        ("channels = .*", "channels = [1000000, 1000000]"),
        ("channels = .*", "channels = [0, 2]"),
        ("channels = .*", "channels = []"),
        ("calibration = .*", "calibration = [[nan, 0.0], [1.0, 1.0]]"),
        ("calibration = .*", "calibration = [[-inf, 0.0], [inf, 1.0]]"),
        ("calibration = .*", "calibration = [[1.0, 0.0], [0.0, 1.0]]"),
    ],
)
def test_a_description_of_another_network_than_its_weights_is_refused_without_its_memory(
    corpus, tmp_path, refused, old, new
):
    model = corpus.model(tmp_path)
    change(model, old, new)
    refused(verify, model, most_mb=40)


def test_weights_whose_header_claims_too_much_are_refused(corpus, tmp_path, refused):
    model = corpus.model(tmp_path)
    for size in (1 << 40, (1 << 64) - 1, 1 << 20):
        content = struct.pack("<Q", size) + (model / WEIGHTS).read_bytes()[8:]
        (model / WEIGHTS).write_bytes(content)
        change(model, 'sha256 = ".*"', f'sha256 = "{hashlib.sha256(content).hexdigest()}"')
        assert "cannot be read as safetensors" in refused(verify, model)


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = " + "[" * 5000, "nested too deep"),
        ("a = " + '{"b" = ' * 3000, "nested too deep"),
        ("seed = " + "9" * 5000, "digits"),
        ("seed = 0x" + "f" * 5000, "64 bits"),
        ("seed = 9223372036854775808", "64 bits"),
        ("psf_axial_px = 1" + "0" * 400, "64 bits"),
        ("bit_depth = 0x" + "f" * 5000, "64 bits"),
        ('crop_at = "' + "A" * 5000 + '"', "crop_at"),
        ("A" * 5000 + " = 1", "unknown key"),
        ("photons = 0.0", "photons"),
        ("photons = nan", "photons"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_a_line_that_can_be_read(tmp_path, refused, text, said):
    (tmp_path / "s.toml").write_text(text + "\n")
    message = refused(lambda path: from_toml(SynthSettings, path), tmp_path / "s.toml")
    assert said in message
    assert len(message) < 1500


# ---------------------------------------------------------------- tracings


@pytest.mark.parametrize("what", ["pipe", "device"])
@pytest.mark.parametrize(
    "read", [read_swc, validate_swc, read_toml, read_ids, lambda path: repair_swc(path, path.with_name("b.swc"))]
)
def test_a_pipe_or_a_device_is_refused_where_a_text_is_due(tmp_path, refused, what, read):
    path = tmp_path / "a.swc"
    if what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    assert "not a regular file" in refused(read, path)
    assert not (tmp_path / "b.swc").exists()


@pytest.mark.parametrize("value", ["1e39", "-1e308", "1e400", "inf"])
@pytest.mark.parametrize("column", [2, 3, 4, 5])
def test_lengths_that_no_reader_takes_are_refused_at_their_line(tmp_path, refused, value, column):
    fields = ["2", "3", "0", "1", "2", "1", "1"]
    fields[column] = value
    path = tmp_path / "a.swc"
    path.write_text("1 1 0 0 0 1 -1\n" + " ".join(fields) + "\n")
    for read in (read_swc, lambda p: repair_swc(p, p.with_name("b.swc"))):
        assert f"{path}:2: " in refused(read, path)
    assert any(finding.line == 2 for finding in validate_swc(path))
    assert not (tmp_path / "b.swc").exists()


def test_a_repair_that_is_refused_leaves_nothing(corpus, tmp_path):
    path = corpus.swc(tmp_path)
    path.write_text(path.read_text().replace("30 2 50", "30 2 x"))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(NeuroreconError):
        repair_swc(path, tmp_path / "b.swc")
    assert sorted(tmp_path.iterdir()) == before
