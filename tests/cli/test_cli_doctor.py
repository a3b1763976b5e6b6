"""`neurorecon doctor`: says what stands in the way, and ends with 1 only then."""

import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from neurorecon.cli import installation as machine
from neurorecon.cli.installation import Answer, cpu_flags, examine, output_of
from neurorecon.core.errors import ModelError


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def answers(question):
    return {(answer.about, answer.state): answer.text for answer in question()}


def test_healthy_machine_ends_with_0(neurorecon, monkeypatch):
    monkeypatch.setattr(machine, "examine", lambda: iter([Answer("torch", "ok", "2"), Answer("CZI", "note", "no")]))
    result = neurorecon("doctor")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "  ok  torch:         2",
        "note  CZI:           no",
        "neurorecon can work here",
    ]


def test_something_bad_ends_with_1(neurorecon, monkeypatch):
    monkeypatch.setattr(machine, "examine", lambda: iter([Answer("models", "bad", "none found")]))
    result = neurorecon("doctor")
    assert result.exit_code == 1
    assert " BAD  models:" in result.stdout
    assert "1 problem to fix" in result.stdout


def test_every_question_is_answered_on_this_machine(monkeypatch):
    monkeypatch.setattr(machine, "output_of", lambda command: (0, "570.1"))  # starts nothing
    found = list(examine())
    assert {"neurorecon", "packages", "torch", "GPU", "torchvision", "codecs", "CZI", "memory", "processor"} <= {
        answer.about for answer in found
    }
    assert all(answer.text for answer in found)


def test_missing_package_is_bad_and_named(monkeypatch):
    monkeypatch.setattr(machine, "PACKAGES", ("numpy", "no-such-package"))
    found = answers(machine.packages)
    assert "pip install no-such-package" in found["packages", "bad"]
    assert found["packages", "ok"].startswith("numpy ")


def test_torch_says_its_build(torch):
    text = answers(machine.torch_build)["torch", "ok"]
    assert torch.__version__ in text
    assert ("CUDA" in text) == bool(torch.version.cuda)


@pytest.mark.parametrize("question", [machine.torch_build, machine.gpu, machine.codecs, machine.memory])
def test_library_that_does_not_load_is_no_crash(monkeypatch, question):
    for name in ("torch", "imagecodecs", "psutil"):
        monkeypatch.setitem(sys.modules, name, None)
    assert all(answer.state == "bad" for answer in question())


def test_gpu_beside_a_cpu_build_of_torch_is_a_note(monkeypatch, torch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(machine.shutil, "which", lambda _: "nvidia-smi")
    monkeypatch.setattr(machine, "output_of", lambda _: (0, "570.1"))
    assert "this torch is a CPU build" in answers(machine.gpu)["GPU", "note"]
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert "update the driver" in answers(machine.gpu)["GPU", "note"]


def test_no_gpu_is_fine(monkeypatch, torch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(machine.shutil, "which", lambda _: None)
    assert "the CPU is used" in answers(machine.gpu)["GPU", "ok"]


def test_torchvision_of_another_build_is_a_note_with_its_reason(monkeypatch):
    monkeypatch.setattr(machine, "installed", lambda _: "0.28.0")
    said = "RuntimeError: operator torchvision::nms does not exist"
    monkeypatch.setattr(machine, "output_of", lambda _: (1, said))
    text = answers(machine.torchvision)["torchvision", "note"]
    assert said in text
    assert "reconstructing does not need it" in text
    monkeypatch.setattr(machine, "output_of", lambda _: (0, ""))
    assert answers(machine.torchvision) == {("torchvision", "ok"): "0.28.0"}
    monkeypatch.setattr(machine, "installed", lambda _: None)
    assert ("torchvision", "note") in answers(machine.torchvision)


def test_codecs_that_microscopes_use_are_here():
    import imagecodecs

    assert imagecodecs.ZSTD.available
    assert "ZSTD" in answers(machine.codecs)["codecs", "ok"]


def test_missing_codec_is_a_note(monkeypatch):
    monkeypatch.setattr(machine, "CODECS", ("ZSTD", "NO_SUCH"))
    assert "NO_SUCH" in answers(machine.codecs)["codecs", "note"]


def test_reader_of_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(machine, "installed", lambda package: "2.1" if package == "bioio-czi" else None)
    found = answers(machine.formats)
    assert found["CZI", "ok"] == "bioio-czi 2.1"
    assert "neurorecon[formats]" in found["ND2", "note"]


def test_models_none_or_damaged_are_bad(monkeypatch):
    monkeypatch.setattr("neurorecon.nets.list_models", list)
    assert "none found" in answers(machine.models)["models", "bad"]

    def damaged(_):
        raise ModelError("model.safetensors: sha256 is 0")

    monkeypatch.setattr("neurorecon.nets.list_models", lambda: [(Path("small"), None)])
    monkeypatch.setattr("neurorecon.nets.verify_model", damaged)
    assert "sha256 is 0" in answers(machine.models)["models", "bad"]


def test_little_memory_is_a_note(monkeypatch):
    monkeypatch.setattr(machine, "LITTLE_MEMORY_BYTES", 1 << 60)
    assert "little for large stacks" in answers(machine.memory)["memory", "note"]


def test_instructions_of_the_processor_are_read(tmp_path):
    (tmp_path / "cpuinfo").write_text("processor : 0\nflags\t\t: fpu avx2 amx_bf16\n")
    assert cpu_flags(tmp_path / "cpuinfo") == {"fpu", "avx2", "amx_bf16"}
    assert cpu_flags(tmp_path / "missing") == set()


def test_command_that_cannot_run_is_an_answer():
    code, said = output_of(["/no/such/program"])
    assert code == 1
    assert "no/such/program" in said
    assert output_of([sys.executable, "-c", "print(1); print(2)"]) == (0, "2")


@pytest.fixture
def planes(tmp_path):
    """A folder of planes with a gap between the third and the sixth."""
    folder = tmp_path / "planes"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for z in (1, 2, 3, 6, 7, 8, 9):
        tifffile.imwrite(folder / f"z{z:02}.tif", rng.integers(0, 90, (20, 30)).astype(np.uint8))
    return folder


def test_an_input_is_described_with_all_that_is_odd_about_it(neurorecon, planes):
    result = neurorecon("doctor", planes)
    assert result.exit_code == 1
    assert "  ok  shape:         7 x 20 x 30 voxels (z, y, x)" in result.stdout
    assert "  ok  voxel size:    unknown" in result.stdout
    assert "WARN  missing-planes:       2 planes are missing" in result.stdout
    assert "WARN  voxel-size-unknown:" in result.stdout
    assert result.stdout.endswith("2 warnings\n")


def test_an_input_without_a_fault_ends_with_0(neurorecon, y_file):
    result = neurorecon("doctor", y_file)
    assert result.exit_code == 0, result.output
    assert "from the ImageJ header" in result.stdout
    assert result.stdout.endswith("no warnings\n")


def test_only_an_input_without_notes_is_called_faultless(neurorecon, tmp_path):
    neurorecon("synth", "demo", "-o", tmp_path / "cell.tif")
    clean = neurorecon("doctor", tmp_path / "cell.tif")
    assert clean.exit_code == 0, clean.output
    assert clean.stdout.endswith("nothing odd about it\n")
    about = {"axes": "ZYX", "spacing": 1, "unit": "um"}
    tifffile.imwrite(tmp_path / "zero.tif", np.zeros((6, 20, 30), np.uint8), imagej=True, metadata=about)
    noted = neurorecon("doctor", tmp_path / "zero.tif", "--voxel-size", "1,0.5,0.5")
    assert noted.exit_code == 0, noted.output
    assert "there is nothing to trace" in noted.stdout
    assert noted.stdout.endswith("no warnings\n")


def test_of_several_channels_the_header_is_told_and_one_is_asked_for(neurorecon, tmp_path):
    data = np.random.default_rng(1).integers(0, 90, (6, 2, 20, 30)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", data, imagej=True, metadata={"axes": "ZCYX"})
    result = neurorecon("doctor", tmp_path / "a.tif")
    assert result.exit_code == 1
    assert "choose one by --channel" in result.stdout
    assert "choose one" not in neurorecon("doctor", tmp_path / "a.tif", "--channel", 1, "--voxel-size", "1,1,1").stdout


def test_an_input_that_cannot_be_read_ends_with_2(neurorecon, tmp_path):
    result = neurorecon("doctor", tmp_path / "none.tif")
    assert result.exit_code == 2
    assert "no such file" in result.stderr


@pytest.mark.parametrize("command", ["run", "segment"])
def test_strict_refuses_before_any_work(neurorecon, planes, tmp_path, command):
    out = tmp_path / ("out.swc" if command == "run" else "out.tif")
    result = neurorecon(command, planes, "-o", out, "--strict")
    assert result.exit_code == 2
    assert "is refused by --strict: 2 planes are missing" in result.stderr
    assert not out.exists()


def test_strict_refuses_a_grey_stack_in_place_of_a_probability(neurorecon, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.random.default_rng(1).integers(20, 90, (9, 40, 40)).astype(np.uint8))
    result = neurorecon("trace", tmp_path / "a.tif", "-o", tmp_path / "out.swc", "--strict")
    assert result.exit_code == 2
    assert "--raw" in result.stderr
    assert "is refused by --strict" in result.stderr
