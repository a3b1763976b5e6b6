"""What a review list is worth: the scores of a tree against the number of looks of a simulated person.

A look shows the stretches of one close-up (report/looks.py). Four orders of the looks are compared:

    list     the order of the review list
    best     the most false cable first, measured by the expert's tree: hardly any order can be better
    random   a random order
    length   the most cable first

`single` is a list without looks: one stretch at a time, the least certain first.
"""

import csv
import io
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurorecon.core.files import write_beside, write_text
from neurorecon.core.tree import Tree
from neurorecon.evaluate import score_morphology, score_trees
from neurorecon.mend.listed import Listed, list_of, looks_within, read_listed
from neurorecon.mend.person import Person
from neurorecon.mend.verdicts import Verdict
from neurorecon.report import Follow, ends_of
from neurorecon.report.review_list import looks_for
from neurorecon.report.stretches import pixel_of
from neurorecon.swc import ids_in_file, read_swc

__all__ = [
    "MARKS",
    "ORDERS",
    "SCORES",
    "Point",
    "draw_curves",
    "gained",
    "gained_by",
    "reviewed",
    "simulate",
    "simulate_tree",
    "write_curves",
]

log = logging.getLogger(__name__)

ORDERS = ("list", "best", "random", "length")
SCORES = ("f1", "path_agreement", "branch_f1")
# Set by hand; not tuned, unless a line says more.
MARKS = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0)  # shares of the looks at which the tree is scored
DONE = ("kept", "dropped", "detached", "joined", "extended")
COLUMNS = ("order", "share", "looks", "stretches", "cable_share", *SCORES, *DONE)
COLOURS = {  # Okabe and Ito 2008, safe for the colour-blind
    "list": "#d55e00", "best": "#009e73", "length": "#0072b2", "random": "#777777", "single": "#cc79a7",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Point:
    """A tree after some looks.

    Attributes:
        order: one of ORDERS, or "single".
        share: of all looks of the order, 0 to 1.
        looks: their number.
        stretches: that were seen.
        cable_share: of the cable, that was seen.
        scores: by the names of SCORES.
        done: number of verdicts: keep, drop, detach, join, extend.
    """

    order: str
    share: float
    looks: int
    stretches: int
    cable_share: float
    scores: dict[str, float]
    done: tuple[int, int, int, int, int]


def simulate(swc: Path, gold: Path, *, seed: int = 0) -> list[Point]:
    """Return the curves of a tree with its review list beside it.

    Warns if the headers of both files state different units.

    Raises:
        InputError: if a file cannot be used.
    """
    tree, truth = read_swc(swc), read_swc(gold)
    if tree.unit != truth.unit:
        log.warning(
            "%s is in %s and %s in %s; the scores mean nothing unless a voxel is 1 um", swc, tree.unit, gold, truth.unit
        )
    listed = read_listed(list_of(swc), swc, tree, ids_in_file(swc))
    return simulate_tree(tree, truth, listed, seed=seed)


def simulate_tree(
    tree: Tree,
    gold: Tree,
    listed: Sequence[Listed],
    *,
    seed: int = 0,
    orders: Sequence[str] = ORDERS,
    marks: Sequence[float] = MARKS,
) -> list[Point]:
    """Return the curves: for each order a point at each share of the looks.

    Where a dropped neurite goes on (report/follow.py), that look comes next, whatever the order but `best`: that one
    knows already where the false cable lies.

    Args:
        tree: the reconstruction.
        gold: the expert's, in the same frame and unit.
        listed: all stretches of `tree`, in the order of the list.
        seed: of the random order.
        orders: of ORDERS, and "single".
        marks: ascending shares of the looks, 0 to 1.
    """
    points = []
    whole = max(sum(one.length for one in listed if one.rows), 1e-9)
    pixel = pixel_of(tree)
    for order in orders:
        person, known = Person(tree, gold), (-1, -1, -1, -1)
        scores: dict[str, float] = {}
        review = _Review(_in_order(listed, order, seed, person), person, pixel, follow=order != "best")
        for mark in marks:
            review.go_on(round(mark * review.whole))
            done = person.done
            changes = done["drop"], done["detach"], done["join"], done["extend"]
            if changes != known:
                scores, known = _scores(person.mender.draft.tree()[0], gold), changes
            seen = review.stretches
            cable = sum(one.length for one in seen if one.rows) / whole
            points.append(
                Point(
                    order,
                    mark,
                    looks=review.taken,
                    stretches=sum(bool(one.rows) for one in seen),
                    cable_share=cable,
                    scores=scores,
                    done=(done["keep"], *changes),
                )
            )
    return points


class _Review:
    """A way through the looks: in their order, but a neurite that should not be there is followed out of its look.

    What comes next then is what page and napari go on with (`report.Follow`). A way on that is longer than a close-up is as
    many looks as it needs of them.

    Attributes:
        whole: number of all looks.
        taken: number of those that were taken.
        stretches: that they showed.
    """

    def __init__(self, looks: Sequence[Sequence[Listed]], person: Person, pixel: float, *, follow: bool = True) -> None:
        self.person, self.taken = person, 0
        self._cost = [max([1, *(looks_for(one.length, pixel) for one in look if one.way)]) for look in looks]
        self.whole = sum(self._cost)
        self.stretches: list[Listed] = []
        self._looks, self._left = looks, deque(range(len(looks)))
        self._first = np.cumsum([0, *map(len, looks)]).tolist()
        self._of = [number for number, look in enumerate(looks) for _ in look]
        ends = [ends_of(person.tree, one.top, one.low) if one.rows else () for look in looks for one in look]
        self._follow = Follow(ends, self._of) if follow else None
        self._taken: set[int] = set()
        self._seen: set[int] = set()  # stretches, by their places in all looks one after the other
        self._dropped: list[int] = []

    def go_on(self, until: int) -> None:
        """Take looks until so many are taken."""
        while self.taken < until:
            number = self._next()
            self._taken.add(number)
            self.taken += self._cost[number]
            self.stretches.extend(self._looks[number])
            for place, one in enumerate(self._looks[number], start=self._first[number]):
                self._seen.add(place)
                if self.person.look(one):
                    self._dropped.append(place)

    def _next(self) -> int:
        """Return the look that comes next."""
        if self._follow is not None and (place := self._follow.next(self._dropped, self._seen)) >= 0:
            return self._of[place]
        while self._left[0] in self._taken:
            self._left.popleft()
        return self._left.popleft()


def _in_order(listed: Sequence[Listed], order: str, seed: int, person: Person) -> list[list[Listed]]:
    """Return the stretches by looks, these as an order has them."""
    if order == "single":
        return [[one] for one in sorted(listed, key=lambda one: -one.doubt)]
    looks = [[listed[place] for place in places] for places in looks_within(listed)]
    if order == "best":
        return sorted(looks, key=lambda look: -sum(map(person.worth, look)))
    if order == "length":
        return sorted(looks, key=lambda look: -sum(one.length for one in look))
    if order == "random":
        return [looks[k] for k in np.random.default_rng(seed).permutation(len(looks)).tolist()]
    return looks


def reviewed(tree: Tree, gold: Tree, listed: Sequence[Listed], share: float) -> list[Verdict]:
    """Return the verdicts of a simulated person after a share of the looks of the list; nodes are rows of `tree`."""
    person = Person(tree, gold)
    review = _Review(_in_order(listed, "list", 0, person), person, pixel_of(tree))
    review.go_on(round(share * review.whole))
    return person.verdicts


def _scores(tree: Tree, gold: Tree) -> dict[str, float]:
    """Return F1 and the agreement of ways and of branch points."""
    found = score_morphology(tree, gold)
    return {
        "f1": score_trees(tree, gold).f1,
        "path_agreement": found.path_agreement,
        "branch_f1": found.branch_f1,
    }


def gained(points: Sequence[Point], order: str, score: str, share: float) -> float:
    """Return what an order has gained after `share` of its looks, as a share of what all gain; NaN if that is nothing."""
    own = [point for point in points if point.order == order]
    return _gained(own, score, share, [point.share for point in own])


def gained_by(points: Sequence[Point], order: str, score: str, looks: float) -> float:
    """Return what an order has gained after so many looks, as a share of what all gain; NaN if that is nothing."""
    own = [point for point in points if point.order == order]
    return _gained(own, score, looks, [point.looks for point in own])


def _gained(own: Sequence[Point], score: str, place: float, places: Sequence[float]) -> float:
    value = [point.scores[score] for point in own]
    whole = value[-1] - value[0]
    return (float(np.interp(place, places, value)) - value[0]) / whole if whole > 0 else float("nan")


def write_curves(points: Sequence[Point], path: Path, *, overwrite: bool = False) -> None:
    """Write the table of the curves.

    Raises:
        OutputError: if it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for point in points:
        scores = (f"{point.scores[name]:.4f}" for name in SCORES)
        seen = point.looks, point.stretches, f"{point.cable_share:.4f}"
        writer.writerow((point.order, f"{point.share:g}", *seen, *scores, *point.done))
    write_text(path, text.getvalue(), overwrite=overwrite)


def draw_curves(points: Sequence[Point], path: Path, *, title: str = "", overwrite: bool = False) -> None:
    """Draw the curves as a PNG: a panel for each score, a line for each order.

    Raises:
        OutputError: if it cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # not pyplot, which keeps a global state
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.8), dpi=100)
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots(1, len(SCORES))
    for axis, score in zip(axes, SCORES, strict=True):
        for order in dict.fromkeys(point.order for point in points):
            own = [point for point in points if point.order == order]
            shares, values = [100 * point.share for point in own], [point.scores[score] for point in own]
            axis.plot(shares, values, label=order, color=COLOURS[order], lw=1.6, marker="o", ms=3)
        axis.axvline(20, color="#bbbbbb", lw=0.8, ls="--")
        axis.set_title(score, loc="left", fontsize=10)
        axis.set_xlabel("looks, %", fontsize=9)
        axis.grid(alpha=0.3)
        axis.tick_params(labelsize=8)
    axes[0].legend(fontsize=8)
    figure.suptitle("".join(c if c.isascii() and c.isprintable() and c != "$" else "?" for c in title), fontsize=10)
    figure.tight_layout()
    with write_beside(path, overwrite=overwrite) as beside:
        figure.savefig(beside, format="png")
