"""What a run of a small stack does not load: every one of these costs it from a tenth of a second to several seconds."""

import subprocess
import sys

import numpy as np

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
