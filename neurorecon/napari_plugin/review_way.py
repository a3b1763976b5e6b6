"""The way of a person through a review list: which looks were seen, and what comes next; as in the page (page/review.js)."""

from collections.abc import Mapping, Sequence

from neurorecon.napari_plugin.review_file import ReviewFile, Stretch
from neurorecon.report import Follow, ends_of

__all__ = ["ReviewWay"]


class ReviewWay:
    """The order of a review; stretches are named by their numbers in the list.

    Attributes:
        home: look of the list to which the review comes back when a dropped neurite was followed; 0 where none was.
    """

    def __init__(self, files: Sequence[ReviewFile], stretches: Sequence[Stretch]) -> None:
        """Begin at the top of the list."""
        ends = []
        for one in stretches:
            both = () if one.listed.way else ends_of(files[one.file].tree, one.listed.top, one.listed.low)
            ends.append([None if row is None else (one.file, row) for row in both])
        self._look = [one.listed.look for one in stretches]
        self._within: dict[int, list[int]] = {}
        for number, look in enumerate(self._look):
            self._within.setdefault(look, []).append(number)
        self._follow = Follow(ends, self._look)
        self._seen: set[int] = set()
        self._now = self.home = 0
        self._goal = -1

    def arrive(self, number: int) -> None:
        """See the look that shows a stretch; whoever goes to another look goes ways of his own."""
        look = self._look[number]
        if look != self._now:
            self.home = 0
        self._now = look
        self._seen.add(look)

    def ahead(self, said: Mapping[int, str]) -> list[int]:
        """Return the stretches in which dropped neurites go on, and the one that was gone to for that.

        `said` are verdicts, in the order in which they were given.
        """
        dropped = [number for number, do in said.items() if do == "drop"]
        return self._follow.ahead(dropped, set(dropped), self._known(said)) + ([self._goal] if self.home else [])

    def after_verdict(self, number: int, said: Mapping[int, str]) -> int:
        """Return what comes after a verdict on a stretch, -1 for nothing: the rest of its look, then as `after_look` says."""
        rest = [one for one in self._within[self._look[number]] if one not in said]
        if rest:
            return next((one for one in rest if one > number), rest[0])
        return self.after_look(number, said, open_only=True)

    def after_look(self, number: int, said: Mapping[int, str], *, open_only: bool = False) -> int:
        """Return what comes after the look of a stretch, -1 for nothing, and go there.

        A dropped neurite is followed first; then the list goes on where it was left, `open_only` with a look that has a stretch
        without a verdict.
        """
        dropped = [one for one, do in said.items() if do == "drop"]
        home = self.home or self._look[number]
        found = self._follow.next(dropped, self._known(said))
        if found >= 0:
            self.arrive(found)
            self.home, self._goal = home, found
            return found
        left = (look for look in self._within if look > home)
        open_ones = ([one for one in self._within[look] if not (open_only and one in said)] for look in left)
        return next((own[0] for own in open_ones if own), -1)

    def before_look(self, number: int) -> int:
        """Return the first stretch of the look before, of the one that was left if a neurite was followed; -1 at the top."""
        if self.home:
            return self._within[self.home][0]
        left = [look for look in self._within if look < self._look[number]]
        return self._within[left[-1]][0] if left else -1

    def _known(self, said: Mapping[int, str]) -> set[int]:
        return {number for number, look in enumerate(self._look) if look in self._seen or number in said}
