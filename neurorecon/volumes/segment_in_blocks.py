"""One huge stack segmented in blocks: a block is an item of a batch, with lease, record and hashes.

The output grows in a folder beside it, OUT.ome.zarr.part, and is renamed when all blocks are there:

    .neurorecon         the ledger, and survey.json: measurements of the whole stack
    0/c/Z/Y/X           the neurite map, a shard a block; 1, 2 ... its pyramid
    soma/0/c/Z/Y/X      the soma map likewise, an OME-Zarr image of its own
    zarr.json           and those of the arrays: written at the end
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import neurorecon
from neurorecon.batch.batch_run import Progress
from neurorecon.batch.engines import Engine, run_here
from neurorecon.batch.items import Item, key_of
from neurorecon.batch.job import Fingerprint, checked_model
from neurorecon.core.errors import SettingsError
from neurorecon.core.files import check_output, put_in_place
from neurorecon.core.filled import fill
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import CERTAIN, FAINT
from neurorecon.core.settings import as_dict, from_dict
from neurorecon.core.stack import Stack
from neurorecon.io import BLOCK, ShardedImage, read_stack
from neurorecon.segmentation import SegmentSettings
from neurorecon.volumes.block_folder import BlockFolder, content_of, fingerprint_of
from neurorecon.volumes.block_job import BlockJob

if TYPE_CHECKING:
    from neurorecon.nets import Model
    from neurorecon.segmentation.adapt.survey import Survey
    from neurorecon.segmentation.runner import Runner

__all__ = ["SegmentBlocks", "SegmentVolumeSettings", "segment_volume"]


@dataclass(frozen=True, slots=True)
class SegmentVolumeSettings:
    """All that decides the maps of a volume.

    Attributes:
        segment: settings of the network's stage.
        voxel_size: in place of the file's own.
        channel: the channel to take.
        block: (z, y, x) voxels of a block.
        invert: see `read_stack`.
        time: the time point to take.
    """

    segment: SegmentSettings = field(default_factory=SegmentSettings)
    voxel_size: VoxelSize | None = None
    channel: int | None = None
    block: tuple[int, int, int] = BLOCK
    invert: bool | None = None
    time: int | None = None

    def __post_init__(self) -> None:
        """Check the block once."""
        if min(self.block) < 1:
            raise SettingsError(f"block {self.block}: (z, y, x) of 1 voxel or more is needed")


def segment_volume(
    source: Path,
    output: Path,
    settings: SegmentVolumeSettings | None = None,
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
        settings: see SegmentVolumeSettings.
        engine: where the work is done.
        elsewhere: the work is done on other machines; the device has to be there, not here.
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
    from neurorecon.segmentation.adapt.survey import Survey, take_survey

    settings = settings or SegmentVolumeSettings()
    check_output(output, overwrite=overwrite)
    model = load_model(settings.segment.model)
    stack = opened(source, settings)
    prints = fingerprint_of(settings, {"input": stack}, {}, (model.config.name, model.config.sha256))
    folder = BlockFolder(output, prints)
    chosen = replace(settings.segment, device="auto") if elsewhere else settings.segment
    with folder.opened(overwrite=overwrite):
        survey = from_dict(Survey, folder.known(lambda: take_survey(stack, chosen, model=model)))
        filled = fill(stack, survey.planes)
        image = ShardedImage.of(filled.shape, filled.voxel_size, settings.block)
        job = SegmentBlocks(source, settings, survey, image, prints)
        job.take(stack, model)
        items = [item_of(index) for index in image.indices]
        folder.work(items, source, job, engine, progress)
        with folder.finishing():
            write_about(folder.path, image, survey, source, prints)
            check_output(output, overwrite=overwrite)
            put_in_place(folder.path, output)
            shutil.rmtree(output / ".neurorecon", ignore_errors=True)
    return len(items)


def opened(source: Path, settings: SegmentVolumeSettings) -> Stack:
    """Read the stack at `source` with the channel, time point and polarity of the settings."""
    chosen: dict[str, Any] = {"channel": settings.channel, "time": settings.time, "invert": settings.invert}
    return read_stack(source, voxel_size=settings.voxel_size, **chosen)


def write_about(part: Path, image: ShardedImage, survey: "Survey", source: Path, prints: Fingerprint) -> None:
    """Make two OME-Zarr images of the shards in `part`, with a record of their origin."""
    about = {
        "version": neurorecon.__version__,
        "map": "neurite",
        "soma": "soma",
        "source": str(source),
        "model": {"name": prints.model_name, "sha256": prints.model_sha256},
        "settings": content_of(prints)[0],
        "survey": as_dict(survey),
        "planes": survey.planes,
        "voxels_as_one": list(survey.voxels_as_one),
        "faint": FAINT,
        "certain": CERTAIN,
    }
    image.write_metadata(part / "soma", name="soma probability", about={"map": "soma"})
    image.write_metadata(part, name="neurite probability", about=about)


@dataclass(frozen=True, slots=True)
class Opened:
    """The inputs of a process: the stack, the network, and the settings that fit into its memory."""

    stack: Stack
    run: "Runner"
    settings: SegmentSettings


class SegmentBlocks(BlockJob[Opened]):
    """Segments each block of a stack."""

    stage = "segment"

    def __init__(
        self, source: Path, settings: SegmentVolumeSettings, survey: "Survey", image: ShardedImage, prints: Fingerprint
    ) -> None:
        from neurorecon.nets import place_of_model

        super().__init__(prints)
        self.source, self.settings, self.survey, self.image = source.absolute(), settings, survey, image
        self._place = place_of_model(settings.segment.model)
        self._stack: Stack | None = None
        self._model: Model | None = None

    def take(self, stack: Stack, model: "Model") -> None:
        """Keep the stack and the network that are open in this process already."""
        self._stack, self._model = stack, model

    def opened(self, threads: int | None) -> Opened:
        """Open the stack, and load the network.

        Raises:
            InputError: if the stack or the device is not here.
            ModelError: if the network is not here, or is another.
        """
        import torch

        from neurorecon.nets import load_model
        from neurorecon.segmentation.fit_memory import shrunk_to_memory
        from neurorecon.segmentation.runner import Runner

        if threads is not None:
            torch.set_num_threads(threads)
        chosen = self.settings
        stack = self._stack or opened(self.source, chosen)
        model = checked_model(self._model or load_model(self._place), self.fingerprint, "volume")
        run = Runner.make(model, chosen.segment)
        return Opened(stack, run, shrunk_to_memory(run, stack.shape, chosen.segment))

    def outputs(self, item: Item) -> Sequence[str]:
        """Return none: the shards of a block stand in a folder that no other file is in."""
        return ()

    def work(self, opened: Opened, name: str, out: Path) -> None:
        """Write the files of block `name`, "z,y,x", below the folder of `out`."""
        from neurorecon.segmentation.predict import segment_box

        z, y, x = map(int, name.split(","))
        index = (z, y, x)
        maps = segment_box(opened.stack, self.image.box(index), self.survey, run=opened.run, settings=opened.settings)
        for folder, data in zip((out.parent, out.parent / "soma"), maps, strict=True):
            self.image.write_block(folder, index, data)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the inputs, which each process opens itself."""
        return super().__getstate__() | {"_stack": None, "_model": None}


def item_of(index: tuple[int, int, int]) -> Item:
    """Return the item of a block: its files stand at the root of the folder."""
    name = ",".join(map(str, index))
    return Item(name, "block", key_of(name))
