"""New synthetic crops during a training: a second process makes them, and each replaces the oldest one of the stream.

Crop k is always the same, and stays in the cache for the next run. The step at which it is first used depends on the clock, so
two runs with fresh crops are similar, not equal.
"""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import MutableSequence
from pathlib import Path

import neurorecon
from neurorecon.training.settings import TrainSettings
from neurorecon.training.sources import synthetic as pool
from neurorecon.training.sources.pairs import Drawable

__all__ = ["FreshCrops"]

log = logging.getLogger(__name__)

# Set by hand; not tuned, unless a line says more.
NICE = 10  # steps below the priority of the training
COMMAND = "from neurorecon.training.sources.synthetic_live import cook; cook()"


class FreshCrops:
    """A process that makes synthetic crops, and the place where they are taken up. Close it, or it ends with ours.

    Args:
        settings: `fresh` seconds lie between two crops; those beyond `synthetic` are made.
        sources: synthetic crops of the stream; replaced one by one, the oldest first.
    """

    def __init__(self, settings: TrainSettings, sources: MutableSequence[Drawable]) -> None:
        """Start the process."""
        self._every, self._sources = settings.fresh, sources
        self._folder = pool.folder_of(settings)
        self._number = settings.synthetic
        self._oldest = 0
        self._taken = time.monotonic()
        order = [str(settings.corpus), str(self._folder), settings.seed, self._number, self._every, pool.CROP]
        root = str(
            Path(neurorecon.__file__).parents[1]
        )  # the package that runs here, wherever the child would find another
        paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, json.dumps(order)],
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        )
        self._said = False

    def take(self) -> bool:
        """Take up the next crop if it is there and due, and say whether."""
        path = pool.path_of(self._folder, self._number)
        if time.monotonic() - self._taken < self._every or not path.exists():
            if self._process.poll() is not None and not self._said:
                log.warning("the process that makes fresh crops ended with %s; none follow", self._process.returncode)
                self._said = True
            return False
        self._sources[self._oldest] = pool.load_crop(path)
        self._oldest = (self._oldest + 1) % len(self._sources)
        self._number += 1
        self._taken = time.monotonic()
        return True

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.terminate()
        self._process.wait()


def cook() -> None:
    """Make crops for ever, as the command line asks; end when the pipe from the parent is closed, however it ended."""
    corpus, folder, seed, number, every, crop = json.loads(sys.argv[1])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(NICE)
    files = pool.unpack(Path(corpus), Path(folder) / "corpus")
    while True:
        start = time.monotonic()
        pool.keep_crop(files, Path(folder), seed, number, crop=tuple(crop))
        number += 1
        time.sleep(max(0.0, every - (time.monotonic() - start)))


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)
