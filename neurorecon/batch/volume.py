"""One huge stack segmented in blocks: a block is an item of a batch, with lease, record and hashes.

The output grows in a folder beside it, OUT.ome.zarr.part, and is renamed when all blocks are there:

    .neurorecon         the ledger, and survey.json: what is known of the whole stack
    0/c/Z/Y/X           the neurite map, a shard a block; 1, 2 ... its pyramid
    soma/0/c/Z/Y/X      the soma map likewise, an OME-Zarr image of its own
    zarr.json           and those of the arrays: written at the end
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import neurorecon
from neurorecon.batch.engines import Engine, run_here
from neurorecon.batch.job import Fingerprint
from neurorecon.batch.leases import Leases
from neurorecon.batch.ledger import Ledger, differs
from neurorecon.batch.plan import Item, key_of
from neurorecon.batch.run import Progress, exclusive, run_items
from neurorecon.batch.settings import BatchSettings
from neurorecon.core.errors import ModelError, NeuroreconError, OutputError, SettingsError
from neurorecon.core.files import check_output, write_text
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.planes import fill
from neurorecon.core.probability import Probability
from neurorecon.core.settings import as_dict, from_dict
from neurorecon.core.stack import Stack
from neurorecon.io import BLOCK, ShardedImage, read_stack
from neurorecon.pipeline import StageCost, collected_warnings, measured
from neurorecon.segment import SegmentSettings

if TYPE_CHECKING:
    from neurorecon.nets import Model
    from neurorecon.nets.weights import ModelConfig
    from neurorecon.segment.runner import Runner
    from neurorecon.segment.survey import Survey

__all__ = ["SegmentBlocks", "VolumeSettings", "parse_block", "part_path", "segment_volume"]

PLACES = 3  # along each axis: voxels there tell one stack from another
PATCH = (1, 64, 64)  # voxels of such a place


@dataclass(frozen=True, slots=True)
class VolumeSettings:
    """All that decides the maps of a volume.

    Attributes:
        segment: settings of the network's stage.
        voxel_size: in place of the file's own.
        channel: the channel to take.
        block: (z, y, x) voxels of a block.
    """

    segment: SegmentSettings = field(default_factory=SegmentSettings)
    voxel_size: VoxelSize | None = None
    channel: int | None = None
    block: tuple[int, int, int] = BLOCK

    def __post_init__(self) -> None:
        """Check the block once."""
        if min(self.block) < 1:
            raise SettingsError(f"block {self.block}: (z, y, x) of 1 voxel or more is needed")


def parse_block(text: str) -> tuple[int, int, int]:
    """Read "Z,Y,X".

    Raises:
        SettingsError: if the text is anything else.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3 or not all(re.fullmatch(r"[0-9]{1,6}", part) for part in parts):
        raise SettingsError(f"--block got {text!r}; give voxels as Z,Y,X, for example 384,768,768")
    z, y, x = map(int, parts)
    return z, y, x


def segment_volume(
    source: Path,
    output: Path,
    settings: VolumeSettings | None = None,
    *,
    engine: Engine = run_here,
    elsewhere: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> int:
    """Segment a stack of any size into an OME-Zarr, block by block, and go on where an earlier call was interrupted.

    Several processes, of several machines too, may do this with one `output` at a time; each block is done once.

    Args:
        source: the stack; lazy ones (OME-Zarr) are never read whole.
        output: OUT.ome.zarr: the neurite map, with the soma map in OUT.ome.zarr/soma.
        settings: see VolumeSettings.
        engine: where the work is done.
        elsewhere: that is on other machines: the device has to be there, not here.
        overwrite: take the place of an output that exists, and of an unfinished one with other settings.
        progress: called with (blocks ended, all blocks, record) as each block ends.

    Returns:
        The number of blocks.

    Raises:
        NoNeuronError: if the stack is constant.
        InputError: if it cannot be read, or the device is not there.
        OutputError: if `output` exists, or cannot be written.
        SettingsError: if an unfinished one was begun with other settings, another model or another stack.
        NeuroreconError: if blocks failed; the others are kept for the next call.
    """
    from neurorecon.nets import load_model

    settings = settings or VolumeSettings()
    check_output(output, overwrite=overwrite)
    model = load_model(settings.segment.model)
    stack = read_stack(source, channel=settings.channel, voxel_size=settings.voxel_size)
    volume = _Volume((source, output), settings, (stack, model), overwrite=overwrite, elsewhere=elsewhere)
    try:
        return volume.run(engine, progress)
    except (OSError, NeuroreconError) as error:
        if not taken_away(error, part_path(output)):
            raise
        if not output.exists():
            raise OutputError(f"{part_path(output)}: was removed while blocks were written into it") from error
        return len(list(volume.image.indices))  # another process put it in place


def taken_away(error: Exception, part: Path) -> bool:
    """Say whether an error came because the folder of blocks is gone; blocks fail, too, where it is taken away."""
    return not part.exists() and (isinstance(error, OSError | OutputError) or type(error) is NeuroreconError)


def part_path(output: Path) -> Path:
    """Return the folder in which an output grows."""
    return output.with_name(f"{output.name}.part")


class _Volume:
    """A stack on its way to its maps."""

    def __init__(
        self,
        paths: tuple[Path, Path],
        settings: VolumeSettings,
        opened: "tuple[Stack, Model]",
        *,
        overwrite: bool,
        elsewhere: bool,
    ) -> None:
        self.source, self.output = paths
        self.settings, self.overwrite, self.elsewhere = settings, overwrite, elsewhere
        self.part = part_path(self.output)
        self.stack, self.model = opened
        self.prints = _prints(settings, self.stack, self.model.config)
        self.image = ShardedImage.of(self.stack.shape, self.stack.voxel_size, settings.block)

    def run(self, engine: Engine, progress: Progress | None) -> int:
        """Do all blocks, and put the output in place."""
        ledger, settings = (
            Ledger(self.part),
            BatchSettings(overwrite=True),
        )  # what is in the folder is of no other batch
        if self.overwrite and differs(ledger.fingerprint() or {}, self.prints):
            self._put_aside()
        ledger.make()
        leases = Leases(ledger.leases, ledger.scratch, settings.lease_seconds)
        with leases.beating():
            with exclusive(leases, "settings"):
                ledger.begin(self.prints, overwrite=False)
                survey = self._survey(ledger)
            filled = fill(self.stack, survey.planes)
            self.image = ShardedImage.of(filled.shape, filled.voxel_size, self.settings.block)
            job = SegmentBlocks(self.source, self.settings, survey, self.image, self.prints)
            job.take(self.stack, self.model)
            items = [item_of(index) for index in self.image.indices]
            result = run_items(items, self.source, self.part, job, settings, engine=engine, progress=progress)
            if failed := result.with_status("failed"):
                raise NeuroreconError(
                    f"{self.output}: {len(failed)} of {len(items)} blocks failed, block {failed[0].input}: "
                    f"{failed[0].reason}; the same command does them again, the others are kept in {self.part}"
                )
            with exclusive(leases, "finish"):
                self._finish(survey)
        return len(items)

    def _put_aside(self) -> None:
        """Remove what was begun with other settings."""
        aside = self.part.with_name(f".{self.part.name}.{os.getpid()}.part")
        with suppress(FileNotFoundError):
            os.replace(self.part, aside)
            shutil.rmtree(aside, ignore_errors=True)

    def _survey(self, ledger: Ledger) -> "Survey":
        """Return what is known of the whole stack: from the folder, or found out now."""
        from neurorecon.segment.survey import Survey, take_survey

        path = ledger.root / "survey.json"
        try:
            return from_dict(Survey, json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            pass
        try:
            settings = self.settings.segment
            settings = replace(settings, device="auto") if self.elsewhere else settings
            survey = take_survey(self.stack, settings, model=self.model)
        except NeuroreconError:
            shutil.rmtree(self.part, ignore_errors=True)  # there is nothing in it yet
            raise
        write_text(path, json.dumps(as_dict(survey), indent=1) + "\n", overwrite=True)
        return survey

    def _finish(self, survey: "Survey") -> None:
        """Make an OME-Zarr of the folder, and put it in place."""
        about = {
            "version": neurorecon.__version__,
            "map": "neurite",
            "soma": "soma",
            "source": str(self.source),
            "model": {"name": self.prints.model_name, "sha256": self.prints.model_sha256},
            "settings": self.prints.settings,
            "survey": as_dict(survey),
            "planes": survey.planes,
            "voxels_as_one": list(survey.voxels_as_one),
            "faint": Probability.__dataclass_fields__["faint"].default,
        }
        self.image.write_metadata(self.part / "soma", name="soma probability", about={"map": "soma"})
        self.image.write_metadata(self.part, name="neurite probability", about=about)
        if self.output.exists():
            check_output(self.output, overwrite=self.overwrite)
            shutil.rmtree(self.output) if self.output.is_dir() else self.output.unlink()
        os.replace(self.part, self.output)
        shutil.rmtree(self.output / ".neurorecon", ignore_errors=True)


class SegmentBlocks:
    """What is done to each block: the job of a batch (see `batch/job.py`)."""

    def __init__(
        self, source: Path, settings: VolumeSettings, survey: "Survey", image: ShardedImage, prints: Fingerprint
    ) -> None:
        from neurorecon.nets import find_model

        self.source, self.settings, self.survey, self.image = source.absolute(), settings, survey, image
        self.fingerprint = prints
        name = settings.segment.model
        self._place = str(Path(name).resolve()) if find_model(name) == Path(name) else name  # see ReconstructJob
        self._stack: Stack | None = None
        self._model: Model | None = None
        self._tools: tuple[Stack, Runner, SegmentSettings] | None = None

    def take(self, stack: Stack, model: "Model") -> None:
        """Keep what is open in this process already."""
        self._stack, self._model = stack, model

    def prepare(self, threads: int | None) -> None:
        """Open the stack, and load the network.

        Raises:
            InputError: if the stack or the device is not here.
            ModelError: if the network is not here, or is another.
        """
        import torch

        from neurorecon.nets import load_model
        from neurorecon.segment.fitting import fitting
        from neurorecon.segment.runner import Runner

        if threads is not None:
            torch.set_num_threads(threads)
        chosen = self.settings
        stack = self._stack or read_stack(self.source, channel=chosen.channel, voxel_size=chosen.voxel_size)
        model = self._model or load_model(self._place)
        if model.config.sha256 != self.fingerprint.model_sha256:
            raise ModelError(
                f"{model.path}: is another model than that of the volume, {self.fingerprint.model_sha256[:12]}; "
                "install the same neurorecon everywhere, or give --model a folder that all machines see"
            )
        run = Runner.make(model, chosen.segment)
        self._tools = stack, run, fitting(run, stack.shape, chosen.segment)

    def identify(self, source: Path) -> str:
        """Return what tells a block: the stack and its number."""
        return hashlib.sha256(f"{self.fingerprint.settings_sha256} {source.name}".encode()).hexdigest()

    def __call__(self, source: Path, name: str, swc: Path, input_sha256: str) -> Mapping[str, Any]:
        """Write the files of block `name`, "z,y,x", below the folder of `swc`."""
        from neurorecon.segment.predict import segment_box

        if self._tools is None:
            raise RuntimeError("prepare was not called")
        stack, run, settings = self._tools
        z, y, x = map(int, name.split(","))
        index = (z, y, x)
        costs: list[StageCost] = []
        with collected_warnings() as warnings, measured("segment", costs):
            maps = segment_box(stack, self.image.box(index), self.survey, run=run, settings=settings)
            for folder, data in zip((swc.parent, swc.parent / "soma"), maps, strict=True):
                self.image.write_block(folder, index, data)
        return {"stages": [{"peak_bytes": cost.peak_bytes} for cost in costs], "warnings": warnings}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what each process opens itself."""
        return self.__dict__ | {"_stack": None, "_model": None, "_tools": None}


def item_of(index: tuple[int, int, int]) -> Item:
    """Return the item of a block: its files stand at the root of the folder."""
    name = ",".join(map(str, index))
    return Item(name, "block", key_of(name))


def _prints(settings: VolumeSettings, stack: Stack, model: "ModelConfig") -> Fingerprint:
    """Return what decides the maps: settings, model and stack."""
    plain = as_dict(settings) | {"input": describe(stack)}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return Fingerprint(plain, hashlib.sha256(text.encode()).hexdigest(), model.name, model.sha256)


def describe(stack: Stack) -> dict[str, Any]:
    """Return what tells one stack from another: a hash of some of its voxels, for all would take hours to read."""
    digest = hashlib.sha256()
    for place in np.ndindex(PLACES, PLACES, PLACES):
        starts = [k * max(0, n - p) // (PLACES - 1) for k, n, p in zip(place, stack.shape, PATCH, strict=True)]
        patch = stack.data[tuple(slice(s, s + p) for s, p in zip(starts, PATCH, strict=True))]
        digest.update(np.ascontiguousarray(patch).tobytes())
    size = stack.voxel_size
    return {
        "shape": list(stack.shape),
        "dtype": str(np.dtype(stack.data.dtype)),
        "voxel_size": None if size is None else [float(e) for e in size.zyx],
        "voxels_sha256": digest.hexdigest()[:16],
    }
