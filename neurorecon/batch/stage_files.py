"""Files that the first stage leaves for the second, so that two workers can share a stack.

neurite.npy, soma.npy   the maps, as they are: packing them would cost more time than it saves
half.json               all the rest
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import Probability
from neurorecon.pipeline import Segmented, StageCost

__all__ = ["load_half", "save_half"]

MAPS = ("neurite", "soma")


def save_half(segmented: Segmented, folder: Path) -> None:
    """Write the result of the first stage into `folder`, which is empty.

    Raises:
        OSError: if the disk is full, say.
    """
    seen = segmented.probability
    for name in MAPS:
        if (volume := getattr(seen, name)) is not None:
            np.save(folder / f"{name}.npy", np.asarray(volume))
    rest = {f.name: getattr(seen, f.name) for f in dataclasses.fields(seen) if f.name not in MAPS}
    if seen.voxel_size is not None:
        rest["voxel_size"] = dataclasses.asdict(seen.voxel_size)
    table = {f.name: getattr(segmented, f.name) for f in dataclasses.fields(segmented)}
    table |= {"probability": rest, "stages": [dataclasses.asdict(stage) for stage in segmented.stages]}
    (folder / "half.json").write_text(json.dumps(table), encoding="utf-8")


def load_half(folder: Path) -> Segmented:
    """Read what `save_half` wrote.

    Raises:
        OSError: if it is gone.
    """
    table: dict[str, Any] = json.loads((folder / "half.json").read_text(encoding="utf-8"))
    rest = table.pop("probability")
    size = rest.pop("voxel_size")
    rest["voxels_as_one"] = tuple(rest["voxels_as_one"])
    maps = {name: np.load(path) for name in MAPS if (path := folder / f"{name}.npy").exists()}
    return Segmented(
        **table
        | {
            "probability": Probability(**maps, **rest, voxel_size=None if size is None else VoxelSize(**size)),
            "stages": tuple(StageCost(**stage) for stage in table["stages"]),
            "warnings": tuple(table["warnings"]),
        }
    )
