"""Progress of a long call, reported to a function or drawn as a bar, in a notebook as a widget."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Progress", "Wanted", "reported", "shown_on"]

Progress = Callable[[int, int], None]  # (done, all)
Wanted = Progress | bool | None


@contextmanager
def reported(progress: Wanted, what: str, unit: str) -> Iterator[Progress | None]:
    """Yield the callable (done, all) that a long call reports to: `progress`, a bar for True, else None.

    Args:
        progress: the choice of the user.
        what: name of the bar.
        unit: of what is counted.
    """
    if callable(progress):
        yield progress
    elif progress:
        from tqdm.auto import tqdm

        with tqdm(desc=what, unit=unit) as drawn:
            yield shown_on(drawn)
    else:
        yield None


def shown_on(bar: Any) -> Progress:
    """Return a callable (done, all) that moves a bar of tqdm."""

    def show(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return show
