"""What `ablation.py` is told, and what it has found: the plan of the TOML, its runs, and their result files."""

import dataclasses
import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from neurorecon.core.errors import InputError, SettingsError
from neurorecon.core.files import write_text
from neurorecon.core.settings import from_dict
from neurorecon.training.settings import TrainSettings
from neurorecon.training.sources.stream import left_out

PLACES = (  # where things lie and how fast: no part of what is compared
    "cache", "pairs", "leave_out", "weights", "corpus", "flat", "sparse", "threads", "device", "checkpoint_every"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stacks:
    """Stacks to be judged on: FOLDER/ID.tif with FOLDER/ID.swc."""

    folder: Path
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the TOML says.

    Attributes:
        results: folder of everything that comes out.
        train: fields of TrainSettings that all arms share; `out` and `seed` are set here.
        arms: by name, the fields that this arm changes; `student` takes another network (students.py).
        evaluate: stacks of ids that no arm was trained on.
        reference: arm that the others are compared with.
        against: arms that they are compared with besides.
        seeds: of weights, crops and the neurons that are dropped.
        shares: of the neurons that `share_arms` are trained on besides all of them.
        teacher: what every arm with a `teacher` shares of it.
        groups: by name, ids that are tabulated apart as well.
        threads: of torch while stacks are judged.
    """

    results: Path
    train: dict  # type: ignore[type-arg]  # a bare type is what from_toml can check
    arms: dict  # type: ignore[type-arg]
    evaluate: tuple[Stacks, ...]
    reference: str = "scratch"
    against: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)
    shares: tuple[float, ...] = ()
    share_arms: tuple[str, ...] = ()
    teacher: dict = field(default_factory=dict)  # type: ignore[type-arg]
    groups: dict = field(default_factory=dict)  # type: ignore[type-arg]
    threads: int = 1

    def __post_init__(self) -> None:
        missing = [name for name in (*self.references, *self.share_arms) if name not in self.arms]
        if missing:
            raise SettingsError(f"arm {missing[0]!r} is named, but there is no [arms.{missing[0]!r}]")
        if any(not 0 < share < 1 for share in self.shares):
            raise SettingsError(
                f"shares {self.shares}: above 0 and below 1 are needed; all of the data comes by itself"
            )

    @property
    def references(self) -> tuple[str, ...]:
        """All arms that the others are compared with."""
        return (self.reference, *self.against)

    @property
    def pairs(self) -> list[tuple[Path, Path]]:
        """Stack and tracing of everything to be judged on."""
        return [(s.folder / f"{i}.tif", s.folder / f"{i}.swc") for s in self.evaluate for i in s.ids]

    @property
    def names(self) -> list[str]:
        """Names of those stacks, as StackScores has them."""
        return [f"{image.parent.name}/{image.stem}" for image, _ in self.pairs]


@dataclass(frozen=True, slots=True)
class Cell:
    """One run: an arm, a share of the neurons, a seed."""

    arm: str
    share: float
    seed: int

    @property
    def key(self) -> str:
        """Name of its files."""
        return f"{re.sub(r'[^a-z0-9]+', '_', self.arm.lower())}-{100 * self.share:.0f}-{self.seed}"


def cells_of(plan: Plan) -> list[Cell]:
    """Return all runs: seed 0 of all arms, then the next seeds, then the shares in the same order."""
    whole = [Cell(arm, 1.0, seed) for seed in plan.seeds for arm in plan.arms]
    return whole + [Cell(arm, share, seed) for seed in plan.seeds for share in plan.shares for arm in plan.share_arms]


def asked_of(plan: Plan, cell: Cell) -> dict[str, Any]:
    """Return the fields of TrainSettings of a run as the TOML gives them; tables of an arm add to the common ones."""
    changes = {key: value for key, value in plan.arms[cell.arm].items() if key != "student"}
    asked = {**plan.train, **changes, "seed": cell.seed}
    if "net" in changes:
        asked["net"] = {**plan.train.get("net", {}), **changes["net"]}
    if "teacher" in changes:
        asked["teacher"] = {**plan.teacher, **changes["teacher"]}
    return asked


def settings_of(plan: Plan, cell: Cell) -> TrainSettings:
    """Return the settings of a run; for a share of the data the list of neurons left out is written first.

    Raises:
        SettingsError: if a neuron to be judged on would be trained on.
    """
    asked = {**asked_of(plan, cell), "out": str(plan.results / "runs" / cell.key)}
    settings = from_dict(TrainSettings, asked, where=f"arm {cell.arm!r}")
    unseen = left_out(settings)
    neurons = neurons_of(settings) - unseen
    seen = sorted({image.stem for image, _ in plan.pairs} & neurons, key=natural)
    if seen:
        raise SettingsError(f"[[evaluate]] names {', '.join(seen)}, which would be trained on; add it to `leave_out`")
    if cell.share == 1:
        return settings
    path = plan.results / f"left_out-{100 * cell.share:.0f}-{cell.seed}.txt"
    out = sorted(unseen | dropped(neurons - set(settings.dev), cell.share, cell.seed), key=natural)
    write_text(path, "\n".join(out) + "\n", overwrite=True)
    return dataclasses.replace(settings, leave_out=path)


def natural(name: str) -> tuple[int, str]:
    return int(name) if name.isdigit() else 1 << 62, name


def neurons_of(settings: TrainSettings) -> set[str]:
    """Return the ids of all neurons in the folders of a run."""
    stacks = (path for folder in settings.pairs for path in folder.glob("*.tif"))
    flat = (path for folder in settings.flat for path in folder.glob("*.gold.swc"))
    return {path.stem for path in stacks} | {path.name.removesuffix(".gold.swc") for path in flat}


def dropped(neurons: set[str], share: float, seed: int) -> set[str]:
    """Return the neurons that are dropped so that `share` is left: a smaller share is part of a larger one.

    It depends on the seed and the neurons alone, so all arms of a seed see the same ones.
    """
    names = sorted(neurons, key=natural)
    order = np.random.default_rng([166, seed]).permutation(len(names))
    return {names[int(k)] for k in order[math.ceil(share * len(names)) :]}


def result_path(plan: Plan, cell: Cell) -> Path:
    return plan.results / f"{cell.key}.json"


def comparable(asked: dict[str, Any]) -> dict[str, Any]:
    """Return what must be the same for two runs to be of one experiment: not where things lie."""
    plain = {k: comparable(v) if isinstance(v, dict) else v for k, v in asked.items() if k not in PLACES}
    return json.loads(json.dumps(plain))


def load_result(plan: Plan, cell: Cell) -> dict[str, Any] | None:
    """Return the result of a run, or None where there is none.

    Raises:
        InputError: if it was made with other settings.
    """
    path = result_path(plan, cell)
    if not path.exists():
        return None
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    now = comparable(asked_of(plan, cell))
    if result["asked"] != now:
        other = sorted(key for key in {*now, *result["asked"]} if now.get(key) != result["asked"].get(key))
        raise InputError(
            f"{path} was made with other settings ({', '.join(other)}); remove it, or take other `results`"
        )
    return result


def missing(plan: Plan, cell: Cell) -> list[tuple[Path, Path]]:
    """Return the pairs that a run has not been judged on."""
    result = load_result(plan, cell)
    return [
        pair for pair, name in zip(plan.pairs, plan.names, strict=True) if not result or name not in result["stacks"]
    ]
