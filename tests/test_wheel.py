"""The wheel alone: the network is inside, and it works offline in an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

# No socket can be opened: whatever wants to download fails loudly.
OFFLINE = """
import socket
def refuse(*_, **__):
    raise OSError("the network is off in this test")
socket.socket.connect = refuse
socket.create_connection = refuse
"""


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def models(root):
    """Names of the networks of the checkout; without one there is nothing to pack."""
    names = sorted(path.parent.name for path in (root / "models").glob("*/config.toml"))
    if not names:
        pytest.skip("models/ holds no network")
    return names


@pytest.fixture(scope="module")
def wheel(root, models, tmp_path_factory):
    """A wheel, built from a copy of the checkout so that nothing is left behind in it."""
    place = tmp_path_factory.mktemp("wheel")
    for name in ("neurorecon", "models"):
        shutil.copytree(root / name, place / "src" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.cfg", "README.md", "LICENSE"):
        shutil.copy(root / name, place / "src" / name)
    build = "import setuptools.build_meta as b, sys; print(b.build_wheel(sys.argv[1]))"
    run(sys.executable, "-c", build, place, cwd=place / "src")
    return next(place.glob("*.whl"))


@pytest.fixture(scope="module")
def program(wheel, tmp_path_factory):
    """The wheel in a fresh environment that borrows this one's libraries, with the network off."""
    place = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", place / "venv")
    python = place / "venv" / "bin" / "python"
    purelib = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(purelib)
    (purelib / "sitecustomize.py").write_text(OFFLINE)
    (purelib / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n" + sysconfig.get_path("platlib") + "\n")
    environment = {
        key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "COVERAGE_PROCESS_START")
    }

    def neurorecon(*words, cwd):
        return run(python, "-m", "neurorecon", *words, cwd=cwd, env=environment)

    return neurorecon


def test_wheel_holds_package_types_licence_and_networks(wheel, root, models):
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (root / "neurorecon").rglob("*.py*"):
        if path.suffix in (".py", ".pyi"):
            assert str(path.relative_to(root)) in names
    assert {"neurorecon/py.typed", "neurorecon/napari_plugin/napari.yaml"} <= names
    for path in (root / "neurorecon" / "page").glob("page.*"):
        assert f"neurorecon/page/{path.name}" in names
    assert any(name.endswith("LICENSE") for name in names)
    for model in models:
        for file in ("model.safetensors", "config.toml", "card.md"):
            assert f"neurorecon/_models/{model}/{file}" in names
    assert not [name for name in names if name.startswith(("tests", "models", "examples", "docs", "benchmarks"))]


def test_wheel_names_its_program_and_stays_small(wheel):
    archive = zipfile.ZipFile(wheel)
    entry = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
    assert "neurorecon = neurorecon.cli:main" in archive.read(entry).decode()
    assert "neurorecon = neurorecon.napari_plugin:napari.yaml" in archive.read(entry).decode()
    assert wheel.stat().st_size < 40e6


def test_installed_wheel_finds_its_networks_in_an_empty_folder(program, models, tmp_path):
    assert [line.split()[0] for line in program("models", "list", cwd=tmp_path).splitlines()] == models
    assert "site-packages" in program("models", "path", models[0], cwd=tmp_path)
    assert program("models", "verify", cwd=tmp_path).count("whole") == len(models)
    assert list(tmp_path.iterdir()) == []


def test_installed_wheel_reconstructs_offline(program, y_stack, tmp_path):
    np.save(tmp_path / "y.npy", np.asarray(y_stack.data))
    program("run", "y.npy", "-o", "y.swc", "--device", "cpu", cwd=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"y.npy", "y.swc", "y.png", "y.html", "y.json", "y.review.csv"}
    record = json.loads((tmp_path / "y.json").read_text())
    assert record["tree"]["cable_length"] > 20
    assert Path(record["settings"]["segment"]["model"]).name == record["model"]["name"]
