"""A Dask scheduler and its workers as a user starts them by hand: processes that talk over TCP, and can be killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

HERE = Path(__file__).parent
CALM = ["--no-dashboard"]


def command_of(process):
    """The command line of a process, empty for one that ended meanwhile."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # a zombie too
        return ""


class Town:
    def __init__(self, folder):
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.log = open(folder / "town.log", "wb")  # noqa: SIM115 - closed with the town
        self.processes = []
        self.head = None

    def start(self, *command):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parent.parent), str(HERE)])}
        process = subprocess.Popen(
            [sys.executable, "-m", *command], env=environment, stdout=self.log, stderr=self.log, cwd=self.folder
        )
        self.processes.append(process)
        return process

    def scheduler(self, port=0):
        self.file.unlink(missing_ok=True)
        command = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port)]
        self.head = self.start(*command, "--scheduler-file", str(self.file), *CALM)
        until = time.monotonic() + 60
        while not self.file.exists():
            if time.monotonic() > until:
                raise TimeoutError(Path(self.log.name).read_text())
            time.sleep(0.02)
        return self.head

    def worker(self, *options):
        common = ["--scheduler-file", str(self.file), "--nthreads", "1", "--memory-limit", "0", *CALM]
        return self.start("distributed.cli.dask_worker", *common, *(options or ("--no-nanny",)))

    def at_work(self):
        """Processes that do the work: without nannies."""
        found = []
        for process in self.processes[:]:
            if process is self.head or process.poll() is not None:
                continue
            own = psutil.Process(process.pid)
            if "--no-nanny" in process.args:
                found.append(process.pid)
            else:
                found += [c.pid for c in own.children(recursive=True) if "spawn_main" in command_of(c)]
        return found

    def close(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
                process.send_signal(signal.SIGKILL)
            process.wait()
        self.log.close()
