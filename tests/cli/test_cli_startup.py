"""What a run of a small stack does not load or do: every one of these costs it from a tenth of a second to several seconds."""

import subprocess
import sys
import threading

import numpy as np
import pytest

from neurorecon.core import machine
from neurorecon.core.machine import loading_for_good, preload_torch

HEAVY = (
    "monai", "timm", "torchvision", "torch._dynamo", "torch._inductor", "sympy", "networkx", "matplotlib", "pandas",
    "navis", "skimage", "sklearn", "dask", "distributed", "zarr", "h5py", "nibabel", "nrrd", "fsspec", "scipy.stats",
    "scipy.optimize", "scipy.signal", "neurorecon.training", "neurorecon.synth", "neurorecon.mend",
    "neurorecon.volumes", "neurorecon.batch", "neurorecon.evaluate", "neurorecon.export",
)  # fmt: skip
CODE = """
import sys
from click.testing import CliRunner
from neurorecon.cli import main

result = CliRunner().invoke(main, sys.argv[1:])
print(result.exit_code, sorted({heavy} & set(sys.modules)))
"""


def test_a_run_loads_no_library_that_it_does_not_need(tmp_path):
    grey = np.random.default_rng(0).normal(30, 3, (16, 48, 64))
    grey[7:10, 22:26, 4:60] += 150
    np.save(tmp_path / "a.npy", grey.astype(np.uint8))
    command = ["run", str(tmp_path / "a.npy"), "-o", str(tmp_path / "a.swc"), "--voxel-size", "1,0.5,0.5"]
    code = CODE.replace("{heavy}", repr(set(HEAVY)))
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0 []", done.stdout + done.stderr
    assert (tmp_path / "a.html").exists()


KEPT = """
import atexit, gc
from neurorecon.core import machine

before = gc.get_freeze_count()
machine.keep_loaded()
machine.keep_loaded()
frozen = gc.get_freeze_count()
later = [[] for _ in range(10_000)]
print(before, frozen > 1000, gc.get_freeze_count() < frozen + 5000)
atexit._run_exitfuncs()
print(gc.get_freeze_count() > frozen + 5000)
"""


def test_what_a_run_has_loaded_is_not_taken_apart_at_its_end():
    done = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "True", "True", "True"], done.stdout + done.stderr


PRELOADED = """
import sys
from pathlib import Path
from neurorecon.core import machine
from neurorecon.core.machine import loading_for_good, preload_torch

thread = preload_torch()
thread.join()
loaded = Path("/proc/self/maps").read_text().count("libtorch_cpu")
print("torch" in sys.modules, loaded > 0)
import torch
print(int(torch.ones(3).sum()), preload_torch())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the libraries of PyTorch are loaded ahead on Linux alone")
def test_the_code_of_pytorch_is_loaded_before_python_asks_for_it():
    done = subprocess.run([sys.executable, "-c", PRELOADED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "3", "None"], done.stdout + done.stderr


def test_libraries_that_cannot_be_loaded_ahead_are_left_to_the_import(monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "torch.py").write_text("")
    thread = preload_torch()
    if thread is not None:  # Linux
        thread.join()
    assert "torch" not in sys.modules


def test_no_library_is_being_loaded_any_more_when_a_command_ends_by_an_error(monkeypatch):
    ends = threading.Event()
    thread = threading.Thread(target=ends.wait, args=(0.2,))
    thread.start()
    monkeypatch.setattr(machine, "preload_torch", lambda: thread)
    with pytest.raises(KeyError), loading_for_good():
        raise KeyError
    assert not thread.is_alive()


def test_the_package_alone_starts_no_thread():
    code = "import threading, neurorecon, neurorecon.pipeline, neurorecon.cli.run; print(threading.active_count())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
