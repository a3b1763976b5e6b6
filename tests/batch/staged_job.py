"""A fake job in two stages that writes down when it was at what, and in which process."""

import json
import os
import signal
import sys
import time
from pathlib import Path

from fake_job import FakeJob

from neurorecon.batch import BatchSettings, run_batch, run_dask


class StagedJob(FakeJob):
    """Does in two stages what the fake job does in one; `begun` and `spans` are files beside its log."""

    def first(self, source, name, half):
        start = time.time()
        time.sleep(self.seconds)
        (half / "text").write_bytes(source.read_bytes())
        self.note("first", name, start)

    def second(self, source, name, swc, input_sha256, *, half):
        start = time.time()
        if (half / "text").read_bytes() != source.read_bytes():
            raise ValueError("the half of another stack")
        manifest = self(source, name, swc, input_sha256)
        self.note("second", name, start)
        return manifest

    def note(self, stage, name, start):
        with open(self.log.with_name("spans"), "a") as spans:
            spans.write(json.dumps([stage, name, start, time.time(), os.getpid()]) + "\n")


if __name__ == "__main__":  # source outdir log seconds scheduler
    source, outdir, log, seconds, scheduler = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # where the tests are a background job it is ignored
    run_batch(
        Path(source),
        Path(outdir),
        FakeJob(log, seconds=float(seconds)),
        BatchSettings(),
        engine=run_dask(scheduler=scheduler, patience_seconds=30.0) if scheduler else run_dask(jobs=2),
    )
