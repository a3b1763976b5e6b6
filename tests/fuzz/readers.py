"""What is done with an input of each format: read as far as a user would, every voxel that a block may hold touched."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.fuzz.corpus import KINDS

__all__ = ["READERS"]


def read_a_stack(path: Path, turn: int) -> None:
    """Read a stack: every third time as if it were large, block by block; every fifth as a probability, if it is small."""
    from neurorecon.core.errors import InputError
    from neurorecon.io import lazy, read_probability, read_stack
    from neurorecon.io.complete import why_incomplete

    lazy.WHOLE_BYTES = 0 if turn % 3 == 0 else 1 << 30
    if turn % 4 == 1 and (doubt := why_incomplete(path)) is not None and "\n" in doubt.reason:
        raise ValueError(f"a doubt of more than one line: {doubt.reason}")
    chosen: dict[str, int] = {}
    for option, words in (("time", "choose one time point by --time"), ("channel", "choose one by --channel")):
        try:
            found = read_stack(path, **chosen)
            break
        except InputError as error:
            if words in str(error):
                chosen[option] = 0
            elif option == "channel":
                raise
    else:
        found = read_stack(path, **chosen)
    if isinstance(found.data, np.ndarray):
        if turn % 5 == 0:
            read_probability(path)
        return
    for box in ((slice(0, 4), slice(0, 16), slice(0, 16)), (slice(-4, None), slice(-16, None), slice(-16, None))):
        z, y, x = (slice(*part.indices(n)) for part, n in zip(box, found.shape, strict=True))
        found.data[z, y, x]


def read_a_tracing(path: Path, turn: int) -> None:
    """Read, judge or repair; what a repair writes has to be valid."""
    from neurorecon.swc import read_swc, repair_swc, validate_swc

    if turn % 3 == 0:
        read_swc(path)
    elif turn % 3 == 1:
        if any("\n" in str(finding) for finding in validate_swc(path)):
            raise ValueError("a finding of more than one line")
    else:
        out = path.with_name("repaired.swc")
        try:
            repair_swc(path, out)
            if validate_swc(out):
                raise ValueError("what a repair wrote is not valid")
        finally:
            out.unlink(missing_ok=True)


def read_a_model(path: Path, _turn: int) -> None:
    """Load a model as `neurorecon models verify` does."""
    from neurorecon.nets import verify_model

    verify_model(str(path))


def read_settings(path: Path, _turn: int) -> None:
    """Read the settings that the name of the file stands for, as the commands do."""
    from neurorecon.core.settings import from_toml, read_toml, settings_hash
    from neurorecon.synth import SynthSettings
    from neurorecon.training.finetune import configure

    if path.stem == "synth":
        settings_hash(from_toml(SynthSettings, path))
    else:
        settings_hash(configure(read_toml(path), where=str(path)))


READERS: dict[str, Callable[[Path, int], None]] = {
    **dict.fromkeys(KINDS, read_a_stack), "SWC": read_a_tracing, "model": read_a_model, "settings": read_settings,
}  # fmt: skip
