"""The verdicts of a review with undo and redo, file by file; the same rules as on the page (page/verdicts.js)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from neurorecon.mend.verdicts import Verdict

__all__ = ["BEYOND", "WHOLE", "VerdictHistory", "changed_verdict", "now"]

FileState = tuple[Verdict, ...]
WHOLE = ("keep", "drop")  # verdicts on a whole stretch, or on a way on that the tree lacks
BEYOND = {"keep": "extend", "drop": "refuse"}  # what they are of a way on


def now() -> str:
    """Return the time as the page writes it: UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class VerdictHistory:
    """The states of the verdicts on some files, of which one holds."""

    def __init__(self, files: Sequence[FileState]) -> None:
        """Begin with the verdicts that each file has."""
        self._states: list[tuple[FileState, ...]] = [tuple(files)]
        self._now = 0

    @property
    def files(self) -> tuple[FileState, ...]:
        """The verdicts on each file that hold, in the order in which they were given."""
        return self._states[self._now]

    @property
    def can_undo(self) -> bool:
        """Whether there is a state before."""
        return self._now > 0

    @property
    def can_redo(self) -> bool:
        """Whether a state was taken back."""
        return self._now + 1 < len(self._states)

    def add(self, file: int, verdict: Verdict) -> None:
        """Add a verdict; one that says the same of the same place gives way to it."""
        self.add_all([(file, verdict)])

    def add_all(self, made: Sequence[tuple[int, Verdict]]) -> None:
        """Add several verdicts at once, each with its file, which one undo takes back."""
        files = list(self.files)
        for file, verdict in made:
            files[file] = (*(old for old in files[file] if not replaces(verdict, old)), verdict)
        self._go(files)

    def remove(self, file: int, place: int) -> None:
        """Remove the verdict at a place of a file's list."""
        files = list(self.files)
        files[file] = tuple(old for k, old in enumerate(files[file]) if k != place)
        self._go(files)

    def undo(self) -> bool:
        """Take the last change back; say whether there was one."""
        before = self._now
        self._now -= self.can_undo
        return self._now < before

    def redo(self) -> bool:
        """Give again what was taken back; say whether there was anything."""
        before = self._now
        self._now += self.can_redo
        return self._now > before

    def _go(self, files: Sequence[FileState]) -> None:
        """Make a new state in which the files have these verdicts; what was taken back is forgotten."""
        state = tuple(
            tuple(replace(verdict, number=number) for number, verdict in enumerate(verdicts, start=1))
            for verdicts in files
        )
        self._states = [*self._states[: self._now + 1], state]
        self._now += 1


def changed_verdict(
    before: Sequence[FileState], after: Sequence[FileState], *, back: bool
) -> tuple[int, Verdict] | None:
    """Return file and verdict of the first change between two states, None where they are the same.

    With `back`, `after` is the older state: then a removed verdict counts first, otherwise an added one.
    """
    for one, other in ((before, after), (after, before)) if back else ((after, before), (before, after)):
        for file, verdicts in enumerate(one):
            known = {replace(verdict, number=1) for verdict in other[file]}
            for verdict in verdicts:
                if replace(verdict, number=1) not in known:
                    return file, verdict
    return None


def replaces(new: Verdict, old: Verdict) -> bool:
    """Say whether a verdict takes the place of an older one; see `Verdicts.replaces` of the page."""
    if new.place is not None:
        return old.place == new.place
    if new.do == "root":
        return False  # each tree may have its own, and the last one holds
    return old.do == new.do and old.node == new.node and (new.do != "join" or old.to == new.to)
