"""What the fits of confidence and predicted F1 look at: stacks with their truth, and the map that they are traced in.

The groups:

- lifted, hard, dim: those sets, by the map of `--model`;
- real: whole real stacks, by the maps that `real.py --work` kept (of networks that have not seen their fold);
- flood: parts of real stacks, by the map of `--flood`, a network that floods there;
- unlike: parts of real stacks scrambled, in haze, padded with zeros (unlike.py), by the map of `--flood`;
- texture: scrambled parts of real stacks by the map of `--model`;
- raw: lifted, hard and parts of real stacks, each traced from itself as `--raw` does.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from maps import SETS, is_kept, kept_map, load_map
from numpy.typing import NDArray
from real import Entry, entries_of
from unlike import KINDS, unlike

from neurorecon.core.files import read_ids
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree
from neurorecon.io import read_stack
from neurorecon.nets import load_model
from neurorecon.segmentation.adapt.inspect_tiles import levels_at_sight
from neurorecon.segmentation.adapt.survey import Survey
from neurorecon.segmentation.normalise import Levels
from neurorecon.swc import read_swc
from neurorecon.tracing import TraceSettings, evidence_of

GROUPS = ("lifted", "hard", "dim", "real", "flood", "unlike", "texture", "raw")
SETTINGS = TraceSettings(units="voxel")

loaded = cache(load_model)


@lru_cache(maxsize=1)
def whole_stack(path: Path) -> Stack:
    """Return a stack in memory."""
    stack = read_stack(path)
    return Stack(np.asarray(stack.data[...]), stack.voxel_size, source=stack.source)


@lru_cache(maxsize=1)
def levels_of(path: Path) -> Levels:
    """Return the grey levels of a stack."""
    return levels_at_sight(whole_stack(path))[0]


@dataclass(frozen=True, slots=True)
class Case:
    """A stack and the way that it is traced.

    Attributes:
        group: one of GROUPS.
        neuron: its specimen; all cases of one are left out together.
        stack, truth: picture and tracing.
        kind: of `unlike`, "" for the stack as it is.
        map: where the network's map is kept; None traces the stack itself.
        model: the network of the map; "" takes the map as it is.
        ignore: boxes (K, 3, 2), zyx, in which predicted cable counts neither way.
    """

    group: str
    neuron: str
    stack: Path
    truth: Path
    kind: str = ""
    map: Path | None = None
    model: str = ""
    ignore: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 3, 2)))

    def open(self) -> tuple[Stack, Tree]:
        """Return the stack and its truth."""
        stack, gold = whole_stack(self.stack), read_swc(self.truth)
        return unlike(self.kind, stack, gold, KINDS.index(self.kind)) if self.kind else (stack, gold)

    def make_map(self) -> None:
        """Make the map where it is not there, or is another network's."""
        if self.map is not None and self.model and not is_kept(self.map, loaded(self.model)):
            survey = Survey(levels_of(self.stack)) if self.kind == "crop" else None  # as the whole stack is seen
            kept_map(self.map, self.open()[0], loaded(self.model), survey=survey)

    def probability(self, stack: Stack) -> Probability:
        """Return what is traced; of the sets in voxels of unknown size, as the figures of docs/results.md are."""
        if self.map is None:
            return evidence_of(stack)
        found = load_map(self.map)
        size = None if self.group in SETS else found.voxel_size
        return replace(found, voxel_size=size, source=str(self.stack))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which cases there are."""
    parser.add_argument("sets", type=Path, help="folder of lifted, hard and dim")
    parser.add_argument("--ids", type=Path, required=True, help="text file; ids that open a line of it are fitted on")
    parser.add_argument("--work", type=Path, required=True, help="folder where maps are kept")
    parser.add_argument(
        "--model", default="vit3d-dtt", help="network of the maps of the sets (default: the shipped one)"
    )
    parser.add_argument("--real", type=Path, help="folder of real stacks with index.csv (real.py)")
    parser.add_argument("--real-maps", type=Path, help="their maps, as real.py --work keeps them")
    parser.add_argument("--flood", help="a network that floods on real stacks: a folder")
    parser.add_argument("--most", type=float, default=np.inf, help="largest stack of the sets, in million voxels")
    parser.add_argument("--no-raw", action="store_true", help="leave out raw, which no network changes")
    parser.add_argument("--check", type=Path, help="text file of other ids: judged, never fitted on")
    parser.add_argument("--jobs", type=int, default=2, help="stacks at a time (default: 2)")


def cases_of(ids: Path, args: argparse.Namespace) -> list[Case]:
    """Return the cases of the sets whose ids open a line of a file."""
    wanted = read_ids(ids)
    found = []
    for name in SETS:
        for path in sorted((args.sets / name).glob("*.tif")):
            if path.stem in wanted and read_stack(path).voxels <= args.most * 1e6:
                place = args.work / "net" / f"{name}_{path.stem}.npz"
                found.append(Case(name, path.stem, path, path.with_suffix(".swc"), map=place, model=args.model))
                if name != "dim" and not args.no_raw:
                    found.append(Case("raw", path.stem, path, path.with_suffix(".swc")))
    return found


def real_cases(args: argparse.Namespace) -> Iterator[Case]:
    """Yield the cases of the real stacks whose precision is asked."""
    for entry in entries_of(args.real) if args.real else []:
        if not entry.asked:
            continue
        if args.real_maps and (place := args.real_maps / f"{entry.id}.npz").exists():
            yield Case("real", entry.specimen, entry.stack, entry.gold, map=place, ignore=entry.ignore)
        if not len(entry.ignore):  # else a neurite goes on that is no background
            yield from parts_of(entry, args)


def parts_of(entry: Entry, args: argparse.Namespace) -> Iterator[Case]:
    """Yield the cases of a part of a real stack."""
    if not args.no_raw:
        yield Case("raw", entry.specimen, entry.stack, entry.gold, "crop")
    for word, model in (("flood", args.flood), ("own", args.model)):
        for kind in KINDS if model else ():
            if word == "flood" or kind == "scrambled":
                place = args.work / "unlike" / f"{word}_{kind}_{entry.id}.npz"
                group = "texture" if word == "own" else "flood" if kind == "crop" else "unlike"
                yield Case(group, entry.specimen, entry.stack, entry.gold, kind, place, model)
