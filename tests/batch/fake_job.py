"""A job that costs nothing: what it does is written in the stack. Importable by worker processes and subprocesses."""

import json
import os
import signal
import sys
import time
from pathlib import Path

from neurorecon.batch import BatchSettings, Fingerprint, run_batch, run_here
from neurorecon.core.errors import InputError, NoNeuronError
from neurorecon.core.files import hash_path


class FakeJob:
    def __init__(self, log, *, settings=None, model="m" * 64, seconds=0.0):
        self.log, self.seconds = Path(log), seconds
        settings = settings or {"trace": {"threshold": None}}
        self.fingerprint = Fingerprint(settings, json.dumps(settings), "fake", model)
        self.prepared = 0

    def prepare(self, threads):
        self.prepared += 1
        if self.prepared > 1:
            raise ValueError("a network is loaded once a process")

    def identify(self, source):
        return hash_path(source)

    def outputs(self, item):
        swc = Path(item.output)
        return [swc.name, f"{swc.stem}_1.swc", *(swc.with_suffix(end).name for end in (".review.csv", ".png", ".json"))]

    def __call__(self, source, name, swc, input_sha256):
        with open(self.log, "a") as log:
            log.write(f"{name}\n")
        text = source.read_text()
        time.sleep(self.seconds)
        match text.split()[0]:
            case "bad":
                raise InputError(f"{name}: truncated\nfile")
            case "none":
                raise NoNeuronError("nothing bright")
            case "bug":
                raise ZeroDivisionError("division by zero")
            case "memory":
                raise MemoryError
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "exit":
                os._exit(7)
        trees = int(text.split()[1]) if text.startswith("trees") else 1
        swcs = [swc] if trees == 1 else [swc.with_name(f"{swc.stem}_{k + 1}.swc") for k in range(trees)]
        for path in swcs:
            path.write_text(f"# {input_sha256}\n1 1 0 0 0 1 -1\n")
        listed = swc.with_suffix(".review.csv")
        listed.write_text("rank\n1\n")
        swc.with_suffix(".png").write_bytes(b"no picture")
        metrics = {"trees": trees, "nodes": trees, "cable_length": 2.5 * trees, "unit": "um", "tortuosity": None}
        metrics |= {"checks": {"thin-bridge": trees - 1, "orphan": 0}, "bridges": None, "predicted_f1": 0.5}
        manifest = {
            "created": time.time(),
            "tree": metrics,
            "stages": [{"name": "all", "seconds": self.seconds, "peak_bytes": 3_000_000}],
            "warnings": ["a <b>dim</b> stack"] if "dim" in text else [],
            "outputs": {path.name: hash_path(path) for path in (*swcs, listed)},
        }
        swc.with_suffix(".json").write_text(json.dumps(manifest))
        return manifest


if __name__ == "__main__":  # source outdir log seconds engine
    source, outdir, log, seconds, engine = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # where the tests are a background job it is ignored
    run_batch(
        Path(source),
        Path(outdir),
        FakeJob(log, seconds=float(seconds)),
        BatchSettings(jobs=2, lease_seconds=60),
        engine=run_here if engine == "here" else None,
    )
