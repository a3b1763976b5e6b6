"""What a user says of his cluster, and what the queue of the cluster gets."""

import os
import signal
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path

import pytest

from neurorecon.batch import BatchSettings, ClusterSettings, EngineSettings, open_engine, run_dask
from neurorecon.batch.engines.dask_cluster import job_cluster
from neurorecon.core.errors import MissingExtraError, SettingsError
from neurorecon.core.settings import from_toml

LINES = {
    "slurm": [
        "#SBATCH -J neurorecon",
        "#SBATCH -p gpu",
        "#SBATCH -A my-lab",
        "#SBATCH --cpus-per-task=8",
        "#SBATCH --mem=30G",  # 32 GB are 29.8 GiB, which SLURM calls G
        "#SBATCH -t 08:00:00",
        "#SBATCH --gres=gpu:1",
        "#SBATCH --constraint=a100",
        "#SBATCH --exclude=node013",
        "module load cuda",
    ],
    "lsf": [
        "#BSUB -q gpu_long",
        '#BSUB -P "my-lab"',
        "#BSUB -n 8",
        "#BSUB -W 08:00",
        '#BSUB -gpu "num=1"',
        '#BSUB -R "select[model==XeonGold]"',
    ],
    "pbs": [
        "#PBS -N neurorecon",
        "#PBS -q gpuq",
        "#PBS -A my-lab",
        "#PBS -l select=1:ncpus=8:mem=32gb:ngpus=1",
        "#PBS -l walltime=08:00:00",
        "#PBS -j oe",
    ],
}


@pytest.mark.parametrize("kind", LINES)
def test_the_script_of_a_job_holds_what_the_file_says(kind, root, monkeypatch):
    settings = from_toml(ClusterSettings, root / "examples" / "cluster" / f"{kind}.toml")
    settings = ClusterSettings(**{n: getattr(settings, n) for n in settings.__slots__} | {"interface": None})
    cluster = job_cluster(kind, settings)
    try:
        script = cluster.job_script().splitlines()
    finally:
        cluster.close()
    for line in [*LINES[kind], "source /shared/venv/bin/activate"]:
        assert line in script
    start = script[-1]
    assert start.startswith("/shared/venv/bin/python -m distributed.cli.dask_worker tcp://")
    assert "--nthreads 8" in start
    assert "--nworkers" not in start or "--nworkers 1" in start
    assert "--resources GPU=1" in start
    assert "export DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE=False" in script


def test_jobs_without_a_gpu_say_nothing_of_one():
    for kind in LINES:
        cluster = job_cluster(kind, ClusterSettings())
        try:
            script = cluster.job_script()
        finally:
            cluster.close()
        assert "gpu" not in script.lower()
        assert sys.executable in script


SBATCH = """#!/bin/bash
# A queue that starts every job at once.
script=$(mktemp -p "$JOBS")
cp "$1" "$script"
setsid bash "$script" >> "$JOBS/jobs.log" 2>&1 &
echo $! >> "$JOBS/pids"
echo "Submitted batch job $!"
"""


@pytest.mark.slow
def test_jobs_that_are_sent_to_a_queue_do_the_stacks_and_one_that_ends_is_followed_by_another(
    batch, source, calls, content, tmp_path, monkeypatch
):
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "sbatch").write_text(SBATCH)
    (tools / "scancel").write_text('#!/bin/bash\nfor job in "$@"; do kill -- "-$job"; done\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("JOBS", str(tmp_path))
    here = Path(__file__).parent
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(here.parent.parent), str(here)]))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "calm").mkdir()
    batch(tmp_path / "calm" / "out")
    calls()

    def end_the_first():
        while not (tmp_path / "log").read_text():
            time.sleep(0.05)
        os.killpg(int((tmp_path / "pids").read_text()), signal.SIGKILL)

    thread = threading.Thread(target=end_the_first)
    thread.start()
    engine = run_dask(cluster=("slurm", ClusterSettings(cores=1, memory="1 GB")))
    result = batch(engine=engine, seconds=0.2)
    thread.join()
    assert content(tmp_path / "out") == content(tmp_path / "calm" / "out")
    assert set(calls()) == {record.input for record in result.records}
    assert len((tmp_path / "pids").read_text().split()) == 2


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"scheduler": "a:1", "cluster": "slurm"}, "both given"),
        ({"cluster_config": Path("a.toml")}, "without --cluster"),
        ({"engine": "local", "scheduler": "a:1"}, "--engine local takes no --scheduler"),
        ({"engine": "dask", "scheduler": "a:1", "jobs": 2}, "every worker of the scheduler gets work"),
        ({"cluster": "lsf", "jobs": 2}, "put `jobs` into the file"),
        ({"jobs": 0}, "1 or more"),
    ],
)
def test_options_that_contradict_each_other_are_refused(given, says):
    with pytest.raises(SettingsError, match=says):
        EngineSettings(**given)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("memroy = '1 GB'", "unknown key 'memroy'; did you mean 'memory'"),
        ("gpus = 2", "ask for more jobs"),
        ("jobs = 0", "1 or more"),
        ("memory = 'much'", "as '16 GB'"),
        ("walltime = 'a day'", "as '04:00:00'"),
        ("directives = '--x'", "a list"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path, text, says):
    file = tmp_path / "cluster.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=says):
        open_engine(EngineSettings(cluster="slurm", cluster_config=file))


@pytest.mark.parametrize(
    ("settings", "package"),
    [(EngineSettings("dask"), "distributed"), (EngineSettings(cluster="slurm"), "dask_jobqueue")],
)
def test_without_the_extra_the_message_names_it(monkeypatch, settings, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r'pip install "neurorecon\[cluster\]"'):
        open_engine(settings)


def test_the_local_engine_loads_no_dask(tmp_path):
    code = (
        "import sys; from neurorecon.batch import EngineSettings, open_engine; open_engine(EngineSettings(jobs=2)); "
        "print('dask' in sys.modules, 'distributed' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


def test_the_array_template_gives_each_job_its_share(root, tmp_path):
    template = (root / "examples" / "cluster" / "array.sbatch").read_text()
    (tmp_path / "neurorecon").write_text('#!/bin/bash\necho "$@"\n')
    (tmp_path / "neurorecon").chmod(0o755)
    environment = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "8", "PATH": f"{tmp_path}:/bin:/usr/bin"}
    script = root / "examples" / "cluster" / "array.sbatch"
    command = ["bash", str(script), "in folder", "out"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "batch in folder -o out --shard 3/8\n"
    assert "--array=1-" in template
    assert BatchSettings(shard=(3, 8))


def test_the_extra_and_what_developers_need_have_the_same_bounds(root):
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {text for text in extras["cluster"] if not text.startswith("dask>")} <= set(extras["dev"])
