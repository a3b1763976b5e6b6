"""napari finds the plugin, and everything that its manifest names; the package without napari is as it was."""

import os
import subprocess
import sys
import tomllib

import pytest


@pytest.fixture(scope="module")
def manifest(root):
    return root / "neurorecon" / "napari_plugin" / "napari.yaml"


def test_the_package_names_its_manifest_to_napari_and_no_binding_of_qt(root, manifest):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    entry = project["project"]["entry-points"]["napari.manifest"]["neurorecon"]
    package, _, name = entry.partition(":")
    assert root.joinpath(*package.split("."), name) == manifest
    extra = " ".join(project["project"]["optional-dependencies"]["napari"]).lower()
    assert "napari" in extra
    assert not any(binding in extra for binding in ("pyqt", "pyside"))
    assert project["tool"]["setuptools"]["package-data"]["neurorecon.napari_plugin"] == ["napari.yaml"]


def test_the_core_imports_neither_napari_nor_qt(root):
    code = (
        "import sys, neurorecon.cli, neurorecon.pipeline, neurorecon.mend\n"
        "import neurorecon.napari_plugin.review_scene, neurorecon.napari_plugin.reconstruct_work\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('napari', 'qtpy', 'magicgui', 'dask')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "[]"


@pytest.mark.napari
def test_npe2_validates_the_manifest_and_all_that_it_names(root, manifest, qt_application):
    """`npe2 validate` as a plugin's author runs it."""
    words = [sys.executable, "-W", "ignore", "-m", "npe2", "validate", str(manifest), "--imports"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=root, env=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "valid" in done.stdout.lower()


@pytest.mark.napari
def test_napari_reads_writes_and_samples_through_the_manifest(viewer_model, manifest, result, tmp_path, monkeypatch):
    from npe2 import DynamicPlugin, PluginManager, PluginManifest, io_utils

    manager = PluginManager()
    manager.register(PluginManifest.from_file(manifest))
    monkeypatch.setattr(PluginManager, "instance", classmethod(lambda cls: manager))
    assert DynamicPlugin is not None
    layers, reader = io_utils._read([str(result())], stack=False, return_reader=True, _pm=manager)
    assert reader.command == "neurorecon.result_reader"
    assert [kind for _, _, kind in layers] == ["image", "points", "vectors"]
    written = io_utils._write(str(tmp_path / "out.swc"), [layers[1]], return_writer=False, _pm=manager)
    assert written == [str(tmp_path / "out.swc")]
    assert [one.key for _, samples in manager.iter_sample_data() for one in samples] == ["neuron"]
