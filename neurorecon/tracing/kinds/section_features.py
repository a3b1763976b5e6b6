"""Features that distinguish the kinds of neurites: of a section, of its subtree, of its neurite and of its neuron.

Axons are thin, of even calibre, long between branch points and long altogether; dendrites are thick at the soma, taper and
branch near it; an apical dendrite is the thickest and reaches farthest (Peters, Palay and Webster 1991). No figure depends on
how the neuron lies in the stack.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.forest import groups, summed_below
from neurorecon.tracing.kinds.sections import Floats, Ints, Sections

__all__ = ["FEATURES", "features_of"]

# Set by hand; not tuned, unless a line says more.
NEAR_UM = 30.0  # path from the root within which the calibre of a neurite is that of its base
LEAST_UM = 0.05  # radius and length from which logarithms are taken
FAR_UM = 100.0  # distance from the root that few basal dendrites of small cells exceed

PER_SECTION = (
    "length", "radius", "radius_spread", "tortuosity", "bend", "path", "away", "order", "is_tip", "turn", "outward",
    "to_parent", "to_sibling",
)  # fmt: skip
BEHIND = (
    "cable",
    "tips",
    "mean_length",
    "radius",
    "radius_spread",
    "tortuosity",
    "longest",
    "strahler",
    "reach",
    "bend",
)
PRIMARY = (
    *BEHIND, "base_radius", "end_radius", "taper", "first_length", "far_share", "aligned", "against", "share",
    "to_widest", "to_farthest", "to_longest_cable", "beside_length", "beside_radius",
)  # fmt: skip
NEURON = (
    "soma", "body", "primaries", "cable", "tips", "mean_length", "radius", "radius_deviation", "farthest", "flatness",
    "second_reach", "widest",
)  # fmt: skip
FEATURES = (
    *PER_SECTION,
    *(f"behind_{name}" for name in BEHIND),
    *(f"primary_{name}" for name in PRIMARY),
    *(f"neuron_{name}" for name in NEURON),
    "behind_share",
    "above_radius",
)


def features_of(sections: Sections) -> Floats:
    """Return the features (S, F) of the sections, in the order of FEATURES; logarithms of lengths, in um."""
    if not len(sections):
        return np.zeros((0, len(FEATURES)))
    own = _Measured(sections)
    columns = own.per_section() | own.below("behind_", np.arange(len(sections)))
    columns |= own.of_primaries() | own.of_neurons()
    columns["behind_share"] = columns["behind_cable"] - columns["primary_cable"]
    columns["above_radius"] = own.above() - _log(own.radius)
    return np.stack([columns[name] for name in FEATURES], 1)


def _log(values: Floats) -> Floats:
    return np.log(np.maximum(values, LEAST_UM))


class _Measured:
    """Sections with what was measured on them once: everything is (S,), the pieces between points (P,)."""

    def __init__(self, sections: Sections) -> None:
        self.given, count = sections, len(sections)
        stop = np.r_[sections.start[1:], len(sections.xyz)]
        top = np.ones(len(sections.xyz), bool)
        top[sections.start] = False
        lower = np.flatnonzero(top)
        self.of_piece: Ints = np.repeat(np.arange(count), stop - sections.start - 1)
        span = sections.xyz[lower] - sections.xyz[lower - 1]
        self.piece = np.linalg.norm(span, axis=1)
        self.way = span / np.maximum(self.piece, 1e-9)[:, None]
        self.width = (sections.radius[lower] + sections.radius[lower - 1]) / 2
        self.middle = (sections.xyz[lower] + sections.xyz[lower - 1]) / 2
        self.pieces = np.bincount(self.of_piece, minlength=count).astype(float)
        self.length = np.maximum(sections.length, LEAST_UM)
        self.radius = self._mean(self.width)
        self.spread = np.sqrt(np.maximum(self._mean(self.width**2) - self.radius**2, 0)) / np.maximum(self.radius, 1e-9)
        self.chord = sections.xyz[stop - 1] - sections.xyz[sections.start]
        self.tip = np.ones(count, bool)
        self.tip[sections.parent[sections.parent >= 0]] = False
        end = np.cumsum(self.pieces).astype(np.int64)
        self.first, self.last = self.way[np.r_[0, end[:-1]]], self.way[end - 1]
        self.ends = sections.xyz[stop - 1]
        self.centre = sections.root[sections.tree]
        self._from_above()
        self._from_below()
        self.bends = self._bend()

    def _mean(self, values: Floats) -> Floats:
        """Return the mean over the pieces of each section."""
        return np.asarray(np.bincount(self.of_piece, values, len(self.pieces)) / np.maximum(self.pieces, 1))

    def _bend(self) -> Floats:
        """Return the mean angle between successive pieces, in radians."""
        same = self.of_piece[1:] == self.of_piece[:-1]
        angle = np.arccos(np.clip((self.way[1:] * self.way[:-1]).sum(1), -1, 1))
        total = np.bincount(self.of_piece[1:][same], angle[same], len(self.pieces))
        return np.asarray(total / np.maximum(self.pieces - 1, 1))

    def _from_above(self) -> None:
        """Walk down: way from the root to the top of a section, branch order, primary, calibre above."""
        count, parent = len(self.length), self.given.parent.tolist()
        self.path, self.order, self.primary = np.zeros(count), np.zeros(count), np.arange(count)
        self.width_above = np.zeros(count)
        log = _log(self.radius) * self.length
        for row, up in enumerate(parent):
            if up < 0:
                continue
            self.path[row] = self.path[up] + self.length[up]
            self.order[row] = self.order[up] + 1
            self.primary[row] = self.primary[up]
            self.width_above[row] = self.width_above[up] + log[up]

    def _from_below(self) -> None:
        """Walk up: the longest way below, the reach in a straight line, the order of Strahler 1952."""
        count, parent = len(self.length), self.given.parent.tolist()
        self.longest, self.strahler = self.length.copy(), np.ones(count)
        self.reach = np.linalg.norm(self.ends - self.centre, axis=1)
        most, met = np.zeros(count), np.zeros(count)
        for row in range(count - 1, -1, -1):
            if met[row]:
                self.strahler[row] = most[row] + (met[row] > 1)
            up = parent[row]
            if up < 0:
                continue
            self.longest[up] = max(self.longest[up], self.length[up] + self.longest[row])
            self.reach[up] = max(self.reach[up], self.reach[row])
            if self.strahler[row] > most[up]:
                most[up], met[up] = self.strahler[row], 1
            elif self.strahler[row] == most[up]:
                met[up] += 1

    def above(self) -> Floats:
        """Return the mean log radius of the way from the root to a section, its own where it has none."""
        return np.where(self.path > 0, self.width_above / np.maximum(self.path, LEAST_UM), _log(self.radius))

    def per_section(self) -> dict[str, Floats]:
        """Return the figures of the sections themselves."""
        parent = self.given.parent
        hung = parent >= 0
        middle = (self.ends - self.chord / 2) - self.centre
        straight = np.linalg.norm(self.chord, axis=1)
        outward = (self.chord * middle).sum(1) / np.maximum(straight * np.linalg.norm(middle, axis=1), 1e-9)
        turn = np.arccos(np.clip((self.first * self.last[parent]).sum(1), -1, 1))
        values = (
            _log(self.length), _log(self.radius), self.spread,
            np.log(np.maximum(self.length / np.maximum(straight, LEAST_UM), 1)), self.bends, np.log1p(self.path),
            np.log1p(np.linalg.norm(middle, axis=1)), self.order, self.tip.astype(float), np.where(hung, turn, 0.0),
            outward, np.where(hung, _log(self.radius) - _log(self.radius[parent]), 0.0), self._to_sibling(),
        )  # fmt: skip
        return dict(zip(PER_SECTION, values, strict=True))

    def _to_sibling(self) -> Floats:
        """Return the log radius by that of the thickest other section at the same branch point; 0 where there is none."""
        log, found = _log(self.radius), np.zeros(len(self.length))
        both: dict[int, list[int]] = {}
        for row, up in enumerate(self.given.parent.tolist()):
            if up >= 0:
                both.setdefault(up, []).append(row)
        for rows in both.values():
            for row in rows if len(rows) > 1 else ():
                found[row] = log[row] - max(log[other] for other in rows if other != row)
        return found

    def below(self, prefix: str, rows: Ints) -> dict[str, Floats]:
        """Return the figures of the subtree of each of `rows` (K,), itself included."""
        parent = self.given.parent

        def mean(values: Floats) -> Floats:
            return summed_below(parent, values * self.length)[rows] / cable

        cable = summed_below(parent, self.length)[rows]
        tips = summed_below(parent, self.tip.astype(float))[rows]
        straight = np.maximum(np.linalg.norm(self.chord, axis=1), LEAST_UM)
        number = summed_below(parent, np.ones(len(parent)))[rows]
        values = (
            np.log(cable), np.log(tips), np.log(cable / number), mean(_log(self.radius)), mean(self.spread),
            mean(np.log(np.maximum(self.length / straight, 1))), np.log(self.longest[rows]), self.strahler[rows],
            np.log1p(self.reach[rows]) - np.log1p((self.path + self.longest)[rows]), mean(self.bends),
        )  # fmt: skip
        return {prefix + name: value for name, value in zip(BEHIND, values, strict=True)}

    def of_primaries(self) -> dict[str, Floats]:
        """Return the figures of the whole neurite, from the root on, that each section belongs to."""
        rows = np.flatnonzero(self.given.parent < 0)
        place = np.zeros(len(self.length), np.int64)
        place[rows] = np.arange(len(rows))
        place = place[self.primary]
        figures = self.below("primary_", rows)
        figures |= {f"primary_{k}": v for k, v in self._calibre(place, len(rows)).items()}
        figures["primary_first_length"] = np.log(self.length[rows])
        figures |= {f"primary_{k}": v for k, v in self._beside(rows, place, figures).items()}
        return {name: value[place] for name, value in figures.items()}

    def _calibre(self, place: Ints, count: int) -> dict[str, Floats]:
        """Return calibre at the base and far from it, taper, and the share of cable far from the root, (count,) each."""
        at = self._path_of_pieces()
        own, log = place[self.of_piece], _log(self.width)
        total = np.maximum(np.bincount(own, self.piece, count), LEAST_UM)
        mean = np.bincount(own, self.piece * log, count) / total
        base = self._part(at < NEAR_UM, own, log, mean)
        far = np.log1p(at)
        middle = np.bincount(own, self.piece * far, count) / total
        deviation = np.bincount(own, self.piece * (far - middle[own]) ** 2, count)
        slope = np.bincount(own, self.piece * (far - middle[own]) * log, count) / np.maximum(deviation, 1.0)
        away = np.linalg.norm(self.middle - self.centre[self.of_piece], axis=1)
        return {
            "base_radius": base,
            "end_radius": self._part(at > 2 * NEAR_UM, own, log, mean) - base,
            "taper": slope,
            "far_share": np.bincount(own, self.piece * (away > FAR_UM), count) / total,
        }

    def _path_of_pieces(self) -> Floats:
        """Return the way from the root to the top of each piece, (P,)."""
        done = np.cumsum(self.piece) - self.piece
        first = np.r_[0, np.cumsum(self.pieces)[:-1]].astype(int)
        return np.asarray(self.path[self.of_piece] + done - done[first][self.of_piece])

    def _part(self, chosen: NDArray[np.bool_], own: Ints, log: Floats, mean: Floats) -> Floats:
        """Return the mean log radius of the chosen pieces of each neurite, that of all where none is chosen."""
        weight = self.piece * chosen
        total = np.bincount(own, weight, len(mean))
        return np.where(total > 0, np.bincount(own, weight * log, len(mean)) / np.maximum(total, 1e-9), mean)

    def _beside(self, rows: Ints, place: Ints, figures: dict[str, Floats]) -> dict[str, Floats]:
        """Return how the neurites of a neuron differ from each other, (K,) each: direction, cable, calibre, reach."""
        trees, count = self.given.tree[rows], len(rows)
        own = place[self.of_piece]
        offset = self.middle - self.centre[self.of_piece]
        offset /= np.maximum(np.linalg.norm(offset, axis=1), 1e-9)[:, None]
        sums = np.stack([np.bincount(own, self.piece * offset[:, axis], count) for axis in range(3)], 1)
        cable = np.exp(figures["primary_cable"])
        every = (
            np.stack([np.bincount(trees, sums[:, axis], len(self.given.root)) for axis in range(3)], 1)[trees] - sums
        )
        norm = np.linalg.norm(sums, axis=1)
        against = (sums * every).sum(1) / np.maximum(norm * np.linalg.norm(every, axis=1), 1e-9)
        reach, base = np.log1p(self.reach[rows]), figures["primary_base_radius"]
        return {
            "aligned": norm / np.maximum(cable, LEAST_UM),
            "against": against,
            "share": cable / np.bincount(trees, cable, len(self.given.root))[trees],
            "to_widest": base - _largest(trees, base),
            "to_farthest": reach - _largest(trees, reach),
            "to_longest_cable": figures["primary_cable"] - _largest(trees, figures["primary_cable"]),
            "beside_length": figures["primary_mean_length"] - _others(trees, figures["primary_mean_length"]),
            "beside_radius": figures["primary_radius"] - _others(trees, figures["primary_radius"]),
        }

    def of_neurons(self) -> dict[str, Floats]:
        """Return the figures of the tree that each section belongs to."""
        given = self.given
        tree, count = given.tree, len(given.root)

        def total(values: Floats) -> Floats:
            return np.bincount(tree, values, count).astype(np.float64)

        cable = np.maximum(total(self.length), LEAST_UM)
        log = _log(self.radius)
        mean = total(self.length * log) / cable
        first = given.parent < 0
        reach = np.where(first, np.log1p(self.reach), 0.0)
        figures = (
            (given.body > 0).astype(float), _log(given.body), total(first.astype(float)), np.log(cable),
            np.log(np.maximum(total(self.tip.astype(float)), 1)), np.log(cable / np.maximum(total(np.ones(len(tree))), 1)),
            mean, np.sqrt(np.maximum(total(self.length * log**2) / cable - mean**2, 0)), _per_tree(tree, reach, count, _max),
            self._flatness(), _per_tree(tree, reach, count, _second), _per_tree(tree, log, count, _max),
        )  # fmt: skip
        return {f"neuron_{name}": value[tree] for name, value in zip(NEURON, figures, strict=True)}

    def _flatness(self) -> Floats:
        """Return the thinnest by the widest extent of each tree, as standard deviations along its own axes, (T,)."""
        found = np.ones(len(self.given.root))
        for number, rows in enumerate(groups(self.given.tree[self.of_piece], np.arange(len(found)))):
            points = self.middle[rows]
            if len(points) > 2:
                values = np.linalg.eigvalsh(np.cov(points.T))
                found[number] = np.sqrt(max(values[0], 0.0) / max(values[2], 1e-9))
        return found


def _largest(trees: Ints, values: Floats) -> Floats:
    """Return for each neurite the largest value in its tree, (K,)."""
    most = np.full(trees.max() + 1, -np.inf)
    np.maximum.at(most, trees, values)
    return most[trees]


def _others(trees: Ints, values: Floats) -> Floats:
    """Return for each neurite the mean value of the others in its tree, its own where it is the only one, (K,)."""
    number, total = np.bincount(trees)[trees], np.bincount(trees, values)[trees]
    return np.where(number > 1, (total - values) / np.maximum(number - 1, 1), values)


def _max(values: Floats) -> float:
    return float(values.max())


def _second(values: Floats) -> float:
    return float(np.partition(values, -2)[-2]) if len(values) > 1 else 0.0


def _per_tree(tree: Ints, values: Floats, count: int, figure: Callable[[Floats], float]) -> Floats:
    """Return a figure of the values of each tree, (T,); 0 for one without sections."""
    found = np.zeros(count)
    for number, rows in enumerate(groups(tree, np.arange(count))):
        if len(rows):
            found[number] = figure(values[rows])
    return found
