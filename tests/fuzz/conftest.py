"""An end to waiting, a look at the memory, and small inputs of every format, for the tests of hostile files."""

import importlib.util
import signal
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from neurorecon.core.errors import NeuroreconError

SECONDS = 30  # far above what any of these takes: a reader that waits for a pipe waits for ever


@pytest.fixture(autouse=True)
def ends(request) -> Iterator[None]:
    """Fail a test in this process that waits; tests of the whole run have child processes, with limits of their own."""
    if request.node.path.name == "test_fuzz.py":
        yield
        return

    def ring(_number: int, _frame: object) -> None:
        pytest.fail(f"still at it after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def corpus():
    """The module that writes small valid inputs."""
    spec = importlib.util.spec_from_file_location("fuzz_corpus", Path(__file__).with_name("corpus.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_corpus"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def refused() -> Callable[..., str]:
    """Call a reader with a path that it has to refuse: in one line that names the path, within some megabytes."""

    def call(read: Callable[[Path], object], path: Path, *, named: Path | None = None, most_mb: float = 20) -> str:
        with peak_below(most_mb), pytest.raises(NeuroreconError) as caught:
            read(path)
        message = str(caught.value)
        assert "\n" not in message
        assert str(named or path) in message
        return message

    return call


@contextmanager
def peak_below(megabytes: float) -> Iterator[None]:
    """Fail if more memory than that is held at once in between."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()
    assert peak < megabytes, f"{peak:.0f} MB were held"
