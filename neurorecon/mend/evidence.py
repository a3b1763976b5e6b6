"""Find the map in which a join is traced: a given one, one beside the tree, or one computed from the stack for a box."""

import logging
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurorecon.batch import Recorded, read_record
from neurorecon.batch.rerun_record import read_again
from neurorecon.core.address import Address, path_or_address
from neurorecon.core.errors import InputError, NeuroreconError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.core.tree import Unit
from neurorecon.core.voxel_hash import hash_input
from neurorecon.io import read_probability, read_stack
from neurorecon.mend.way import Box, Ground
from neurorecon.pipeline import ReconstructSettings

__all__ = ["KEPT", "Sources", "open_ground", "open_stack", "record_of"]

log = logging.getLogger(__name__)

KEPT = ("_prob.ome.zarr", "_prob.ome.zarr.zip", "_prob.tif", "_prob.tiff")  # ends of the name of a map beside OUT.swc
NUMBERED = re.compile(r"(.+)_\d+")


class Sources:
    """The map and the stack that a tree was made from, as far as they are known.

    Attributes:
        swc: the tree's file.
        probability: the map that was named, None for one beside the tree.
        stack: where the stack lies now, None for the place that OUT.json names.
    """

    def __init__(self, swc: Path, *, probability: Path | None = None, stack: Path | None = None) -> None:
        """Take the paths; nothing is read."""
        self.swc, self.probability, self.stack = swc, probability, stack

    def kept_map(self) -> Path | None:
        """Return the map that was named, or one that lies beside the tree."""
        if self.probability is not None:
            return self.probability
        places = [self.swc.with_name(stem + end) for stem in stems_of(self.swc) for end in KEPT]
        return next((path for path in places if path.exists()), None)


def stems_of(swc: Path) -> list[str]:
    """Return the names of a result that an SWC file may be of: OUT_2.swc is one of OUT, too."""
    match = NUMBERED.fullmatch(swc.stem)
    return [swc.stem, match.group(1)] if match else [swc.stem]


def record_of(swc: Path) -> Recorded | None:
    """Return the record beside a tree that names it, None where there is none that says how it was made."""
    for stem in stems_of(swc):
        path = swc.with_name(f"{stem}.json")
        if not path.is_file():
            continue
        try:
            record = read_record(path)
        except InputError as error:
            log.info("%s", error)
            continue
        if swc.name in record.outputs:
            return record
    return None


def open_stack(sources: Sources) -> tuple[Stack, Recorded | None]:
    """Return the stack that a tree was made from, and the record of how.

    Raises:
        InputError: if it is not known or not there, or is another.
    """
    record = record_of(sources.swc)
    if record is None:
        if sources.stack is None:
            raise InputError(f"{sources.swc}: no OUT.json beside it says which stack it is of; give --stack")
        return read_stack(path_or_address(sources.stack)), None
    command = record.command
    place: Path | Address = path_or_address(sources.stack or command.input)
    if hash_input(place, lambda: read_again(place, command)) != record.source_sha256:
        raise InputError(f"{place}: is not the stack that {record.path} names; give --stack, where that one lies now")
    return read_again(place, command), record


def open_ground(sources: Sources, unit: Unit) -> Ground | str:
    """Return the map in which joins of a tree find their way, or why there is none.

    Raises:
        InputError: if a map or a stack that was named cannot be used.
    """
    kept = sources.kept_map()
    if kept is not None:
        return _placed(_of_map(read_probability(kept), unit, kept.name))
    try:
        stack, record = open_stack(sources)
        return _placed(_of_stack(stack, record, unit))
    except NeuroreconError as error:
        if sources.stack is not None:
            raise
        return str(error)


def _placed(ground: Ground) -> Ground:
    """Return a map in which the points of the tree have a place."""
    if ground.unit == "um" and ground.voxel_size is None:
        raise InputError(f"{ground.name}: has no voxel size, and the tree is in um; give a map or a stack that has one")
    return ground


def _of_map(probability: Probability, unit: Unit, name: str) -> Ground:
    """Return a map that was kept."""

    def read(box: Box) -> NDArray[np.uint8]:
        return np.asarray(probability.neurite[box], np.uint8)

    return Ground(
        probability.shape, read, voxel_size=probability.voxel_size, planes=probability.planes, unit=unit, name=name
    )


def _of_stack(stack: Stack, record: Recorded | None, unit: Unit) -> Ground:
    """Return a map that is made for the boxes that are asked for, by the network of the record."""
    from neurorecon.nets import load_model
    from neurorecon.segmentation.adapt.survey import survey_by
    from neurorecon.segmentation.fit_memory import shrunk_to_memory
    from neurorecon.segmentation.predict import segment_box
    from neurorecon.segmentation.runner import Runner

    settings = (ReconstructSettings() if record is None else record.settings).segment
    model = load_model(settings.model if record is None else record.command.model)
    if record is not None and model.config.sha256 != record.model[1]:
        log.warning("%s: the network %s is another now; ways of joins may differ", record.path, model.config.name)
    run = Runner.make(model, settings)
    settings = shrunk_to_memory(run, stack.shape, settings)
    survey = survey_by(run, stack, settings)
    z, y, x = stack.shape
    size = stack.voxel_size
    finer = None if size is None else VoxelSize(size.z / survey.planes, size.y, size.x)

    def read(box: Box) -> NDArray[np.uint8]:
        return segment_box(stack, box, survey, run=run, settings=settings)[0]

    name = f"a map of {model.config.name}"
    return Ground(
        ((z - 1) * survey.planes + 1, y, x), read, voxel_size=finer, planes=survey.planes, unit=unit, name=name
    )
