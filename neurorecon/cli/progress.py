"""A progress bar on stderr, drawn only for a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(what: str, *, unit: str = "tile") -> Iterator[Callable[[int, int], None]]:
    """Give the callable (done, all) that a long stage reports to."""
    from tqdm import tqdm

    with tqdm(desc=what, unit=unit, disable=None, leave=False) as bar:  # None: off unless stderr is a terminal

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show
