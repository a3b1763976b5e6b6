"""When to stop a review: a person judges a random sample of the cable, which bounds the share of all cable that is wrong.

Stretches are drawn with replacement, each with its share of the cable as its chance (Hansen and Hurwitz 1943). Then every draw
is wrong with the chance p, the share of the cable on wrong stretches, and of k wrong among n draws (Clopper and Pearson 1934)

    p <= the 0.95 quantile of Beta(k + 1, n - k)

holds in 95 % of all samples. A stretch that is wrong in part counts as wrong, so p is no less than the share of wrong cable.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from neurorecon.core.errors import InputError, one_line
from neurorecon.core.files import check_regular, hash_path, write_text
from neurorecon.core.tree import Tree
from neurorecon.mend.verdicts import Verdicts, read_verdicts
from neurorecon.report.stretches import stretches_of
from neurorecon.report.summary import as_path
from neurorecon.swc import ids_in_file, read_swc

__all__ = ["SURE", "Judged", "Sampled", "audit_path", "draw_sample", "judged_by", "upper_bound", "write_sample"]

SURE = 0.95  # the usual one; docs/review.md names it
COLUMNS = (
    "number", "file", "node", "x", "y", "z", "from_node", "to_node", "length", "draws", "wrong", "tree_sha256",
)  # fmt: skip
YES, NO = ("yes", "y", "1", "true", "x", "wrong"), ("no", "n", "0", "false", "right", "ok")


@dataclass(frozen=True, slots=True)
class Sampled:
    """A stretch of the sample.

    Attributes:
        node, top, to: ids of the node to look at, and of the ends of the stretch.
        within: ids of the lower nodes of its edges.
        xyz: the place to look at.
        length: of its cable.
        draws: the numbers, from 1, of the draws that fell on it.
        wrong: what was found; None: not judged.
    """

    node: int
    top: int
    to: int
    within: tuple[int, ...]
    xyz: tuple[float, float, float]
    length: float
    draws: tuple[int, ...]
    wrong: bool | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """The result of a judged sample.

    Attributes:
        draws: that count: those before the first that was not judged.
        wrong: of these.
        bound: at most this share of the cable is wrong, 0 to 1.
    """

    draws: int
    wrong: int
    bound: float

    @property
    def sentence(self) -> str:
        """The bound in words."""
        places = f"{self.wrong} of {self.draws} places that were drawn by length are wrong"
        return f"at most {100 * self.bound:.1f} % of the cable is wrong ({100 * SURE:g} %): {places}"


def audit_path(swc: Path) -> Path:
    """Return OUT.audit.csv of OUT.swc."""
    return swc.with_suffix(".audit.csv")


def upper_bound(wrong: int, draws: int, *, sure: float = SURE) -> float:
    """Return the upper bound of Clopper and Pearson 1934 on a share, one-sided."""
    from scipy.stats import beta

    return 1.0 if wrong >= draws else float(beta.ppf(sure, wrong + 1, draws - wrong))


def draw_sample(swc: Path, number: int, seed: int) -> list[Sampled]:
    """Return the stretches on which `number` draws fall, in the order in which they were drawn first.

    Raises:
        InputError: if the tree cannot be read, or has no cable.
    """
    tree, ids = read_swc(swc), ids_in_file(swc)
    stretches = stretches_of(tree)
    length = np.array([tree.edge_length[rows].sum() for rows in stretches])
    if not length.sum():
        raise InputError(f"{swc}: has no cable to draw from")
    drawn = np.random.default_rng(seed).choice(len(stretches), number, p=length / length.sum())
    draws: dict[int, list[int]] = {}
    for draw, k in enumerate(drawn.tolist(), start=1):
        draws.setdefault(k, []).append(draw)
    return [_sampled(tree, ids.tolist(), stretches[k].tolist(), tuple(numbers)) for k, numbers in draws.items()]


def _sampled(tree: Tree, ids: list[int], rows: list[int], draws: tuple[int, ...]) -> Sampled:
    """Return a stretch of the sample, to be looked at in its middle."""
    middle = rows[len(rows) // 2]
    x, y, z = tree.xyz[middle].tolist()
    ends = ids[middle], ids[int(tree.parent[rows[0]])], ids[rows[-1]]
    return Sampled(*ends, tuple(ids[row] for row in rows), (x, y, z), float(tree.edge_length[rows].sum()), draws)


def write_sample(sample: Sequence[Sampled], swc: Path, path: Path, *, overwrite: bool = False) -> None:
    """Write OUT.audit.csv; its column `wrong` is empty where nothing was judged.

    Raises:
        OutputError: if it cannot be written.
    """
    digest, name = hash_path(swc), as_path(one_line(swc.name))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, one in enumerate(sample, start=1):
        place = [f"{value:.4f}".rstrip("0").rstrip(".") for value in (*one.xyz, one.length)]
        found = "" if one.wrong is None else "yes" if one.wrong else "no"
        draws = " ".join(map(str, one.draws))
        writer.writerow((number, name, one.node, *place[:3], one.top, one.to, place[3], draws, found, digest))
    write_text(path, text.getvalue(), overwrite=overwrite)


def judged_by(path: Path, swc: Path, sample: Sequence[Sampled]) -> Judged:
    """Return what a judged sample says of a tree.

    Args:
        path: OUT.audit.csv with its column `wrong` filled by yes and no, or a file of verdicts on the stretches of the sample:
            `drop` and `detach` are wrong, `keep` is right.
        swc: the tree.
        sample: the same draws as those that were judged; of a CSV, whose own draws count, it is not asked.

    Raises:
        InputError: if the file cannot be used, is about another tree, or judges nothing.
    """
    if path.suffix.lower() == ".json":
        verdicts = read_verdicts(path)
        found = _by_verdicts(verdicts, sample)
        digest = verdicts.tree_sha256
    else:
        found, digest = _by_table(path)
    if digest != hash_path(swc):
        raise InputError(f"{path}: is about another tree than {swc}; give the one that was judged")
    open_draws = [draw for one in found if one.wrong is None for draw in one.draws]
    last = min(open_draws, default=1 + max((d for one in found for d in one.draws), default=0)) - 1
    if last < 1:
        raise InputError(f"{path}: judges none of the sample's first stretches; fill them in their order")
    wrong = sum(draw <= last for one in found if one.wrong for draw in one.draws)
    return Judged(last, wrong, upper_bound(wrong, last))


def _by_verdicts(verdicts: Verdicts, sample: Sequence[Sampled]) -> list[Sampled]:
    """Return a sample with what verdicts say of it."""
    of_stretch = {(v.top, v.to): v.do == "drop" for v in verdicts.verdicts if v.do in ("keep", "drop")}
    cut = {v.node for v in verdicts.verdicts if v.do == "detach"}
    return [
        replace(one, wrong=True if cut.intersection(one.within) else of_stretch.get((one.top, one.to)))
        for one in sample
    ]


def _by_table(path: Path) -> tuple[list[Sampled], str]:
    """Return the stretches of a filled OUT.audit.csv, and the hash of their tree."""
    check_regular(path)
    try:
        with open(path, newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            if missing := [name for name in ("draws", "wrong", "tree_sha256") if name not in (reader.fieldnames or ())]:
                raise InputError(f"{path}:1: has no column {missing[0]!r}; give the filled OUT.audit.csv")
            lines = [(reader.line_num, line) for line in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    hashes = {line["tree_sha256"] for _, line in lines}
    if len(hashes) != 1:
        raise InputError(f"{path}: holds the stretches of {len(hashes)} trees; those of one are needed")
    return [_from_line(line, f"{path}:{number}") for number, line in lines], hashes.pop() or ""


def _from_line(line: Mapping[str, str], where: str) -> Sampled:
    """Return a line of OUT.audit.csv."""
    said = (line["wrong"] or "").strip().lower()
    if said and said not in (*YES, *NO):
        raise InputError(f"{where}: `wrong` is {said!r:.40}; yes or no is needed, or nothing where it was not judged")
    try:
        draws = tuple(int(word) for word in line["draws"].split())
    except (AttributeError, ValueError) as error:
        raise InputError(f"{where}: `draws` holds no numbers; leave that column as it was written") from error
    return Sampled(
        0, 0, to=0, within=(), xyz=(0.0, 0.0, 0.0), length=0.0, draws=draws, wrong=None if not said else said in YES
    )
