"""One huge probability traced in blocks: a block is an item of a batch, with lease, record and hash.

The traced blocks are kept in a folder beside the output, OUT.swc.part, until the trees are written:

    .neurorecon         the ledger, and survey.json: measurements of the whole map
    blocks/Z_Y_X.npz    the part of the tree around block Z,Y,X
    blocks/Z_Y_X_generous.npz   that of the second tracing, which finds the ways on that the tree lacks (`missing`)
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neurorecon.batch.batch_run import Progress
from neurorecon.batch.engines import Engine, run_here
from neurorecon.batch.items import Item, key_of
from neurorecon.batch.job import Fingerprint
from neurorecon.core.errors import SettingsError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.probability import Probability
from neurorecon.core.settings import from_dict
from neurorecon.core.stack import Stack, Volume
from neurorecon.inspect import examined
from neurorecon.io import read_probability, read_stack
from neurorecon.io.formats.zarr.ome_zarr import own_attributes
from neurorecon.tracing import Box, Part, TraceSettings, cut_volume, generous, grey_of, height_in, trace_part
from neurorecon.tracing.parts.part_file import load_part, save_part
from neurorecon.volumes.block_folder import BlockFolder, content_of, fingerprint_of
from neurorecon.volumes.block_job import BlockJob

__all__ = ["BLOCK", "TraceBlocks", "TraceVolumeSettings", "TracedVolume", "trace_volume"]

# Set by hand; not tuned, unless a line says more.
BLOCK = (256, 768, 768)  # voxels: with the halo and two maps 0.5 GB
GENEROUS = " generous"  # ends the name of a block of the second tracing


@dataclass(frozen=True, slots=True)
class TraceVolumeSettings:
    """All that decides the tree of a volume.

    Attributes:
        trace: settings of the tracer.
        voxel_size: in place of the map's own.
        block: (z, y, x) voxels of a block.
        channel: of the grey stack.
        invert: it has bright and dark exchanged; see `read_stack`.
        time: its time point.
    """

    trace: TraceSettings = field(default_factory=TraceSettings)
    voxel_size: VoxelSize | None = None
    block: tuple[int, int, int] = BLOCK
    channel: int | None = None
    invert: bool | None = None
    time: int | None = None

    def __post_init__(self) -> None:
        """Check the block once."""
        if min(self.block) < 32:
            raise SettingsError(f"block {self.block}: (z, y, x) of 32 voxels or more is needed to see neurites in it")


@dataclass(frozen=True, slots=True)
class TraceSurvey:
    """The measurement of a whole map that every block needs: the height of neurites by their width, in both tracings."""

    height: float
    generous: float = 0.0


@dataclass(frozen=True, slots=True)
class TracedVolume:
    """The traced blocks of a map.

    Attributes:
        probability: the map.
        parts: one a block, in the order of their places.
        height: height of neurites by their width (`tracing/cover.py`).
        sha256: hash of the inputs and the settings of the trees.
        stack: the grey stack, None where none was given.
        more: the parts of the second, generous tracing, where `TraceSettings.missing` asks for ways on.
    """

    probability: Probability
    parts: Sequence[Part]
    height: float
    sha256: str
    stack: Stack | None = None
    more: Sequence[Part] = ()


@contextmanager
def trace_volume(
    source: Path,
    output: Path,
    settings: TraceVolumeSettings,
    *,
    grey: Path | None = None,
    engine: Engine = run_here,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Iterator[TracedVolume]:
    """Trace a map of any size block by block, and go on where an earlier call was interrupted.

    Several processes, of several machines too, may do this with one `output` at a time; each block is done once. The traced
    blocks are removed when the context ends without an error: write the trees inside of it.

    Args:
        source: the probability, an OME-Zarr as `segment` writes it; never read whole.
        output: OUT.swc.
        settings: see TraceVolumeSettings.
        grey: the stack that the map was made from, for its light.
        engine: where the work is done.
        overwrite: discard blocks that were traced with other settings.
        progress: called with (blocks ended, all blocks, record) as each block ends.

    Raises:
        InputError: if the map or the stack cannot be read, or they have different shapes.
        OutputError: if nothing can be written beside `output`.
        SettingsError: if blocks were traced with other settings before, or of another map.
        NeuroreconError: if blocks failed; the others are kept for the next call.
    """
    probability = read_probability(source, voxel_size=settings.voxel_size)
    cores = cut_volume(probability.shape, settings.block)
    stack = Stack(probability.neurite, probability.voxel_size, str(source))
    lit = None if grey is None else examined(grey_stack(grey, settings))
    if lit is not None:
        grey_of(lit, probability)
    more = {
        "planes": probability.planes,
        "faint": probability.faint,
        "certain": probability.certain,
        "map": own_attributes(source),
    }
    prints = fingerprint_of(settings, {"input": stack, "stack": lit}, more)
    folder = BlockFolder(output, prints, [output.with_name(f"{output.stem}_1{output.suffix}")])
    with folder.opened(overwrite=overwrite):
        survey = from_dict(TraceSurvey, folder.known(lambda: measured_in(probability, cores, settings.trace)))
        items = [item_of(core) for core in cores]
        again = [] if settings.trace.missing is None else [item_of(core, GENEROUS) for core in cores]
        folder.work([*items, *again], source, TraceBlocks(source, grey, settings, survey, prints), engine, progress)
        with folder.finishing():
            parts, second = ([load_part(folder.path / item.output) for item in own] for own in (items, again))
            yield TracedVolume(probability, parts, survey.height, content_of(prints)[1], stack=lit, more=second)


def measured_in(probability: Probability, cores: Sequence[Box], settings: TraceSettings) -> TraceSurvey:
    """Measure the height of neurites in a map; with `missing`, for the second tracing as well."""
    height = height_in(probability, cores, settings)
    if settings.missing is None:
        return TraceSurvey(height)
    return TraceSurvey(height, height_in(probability, cores, generous(probability, settings)))


def grey_stack(path: Path, settings: TraceVolumeSettings) -> Stack:
    """Read the grey stack at `path` with the channel, time point and polarity of the settings."""
    chosen: dict[str, Any] = {"channel": settings.channel, "time": settings.time, "invert": settings.invert}
    return read_stack(path, voxel_size=settings.voxel_size, **chosen)


@dataclass(frozen=True, slots=True)
class Opened:
    """The inputs of a process: the map, and the voxels of the grey stack if there is one."""

    probability: Probability
    grey: Volume | None


class TraceBlocks(BlockJob[Opened]):
    """Traces each block of a map.

    Args:
        source: the map.
        grey: the grey stack that it was made from, if its light is used.
        settings: of both.
        survey: measurements of the whole map.
        prints: fingerprint of everything that decides the output.
    """

    stage = "trace"

    def __init__(
        self,
        source: Path,
        grey: Path | None,
        settings: TraceVolumeSettings,
        survey: TraceSurvey,
        prints: Fingerprint,
    ) -> None:
        super().__init__(prints)
        self.source, self.grey, self.settings, self.survey = source, grey, settings, survey

    def opened(self, threads: int | None) -> Opened:
        """Open the map and the grey stack."""
        probability = read_probability(self.source, voxel_size=self.settings.voxel_size)
        lit = None if self.grey is None else grey_of(grey_stack(self.grey, self.settings), probability)
        return Opened(probability, lit)

    def outputs(self, item: Item) -> Sequence[str]:
        """Return the name of the file of a part."""
        return (Path(item.output).name,)

    def work(self, opened: Opened, name: str, out: Path) -> None:
        """Trace block `name`, "z,y,x" of its first voxel, into the file `out`; generously where the name ends so."""
        z, y, x = map(int, name.removesuffix(GENEROUS).split(","))
        sizes = zip((z, y, x), self.settings.block, opened.probability.shape, strict=True)
        last_z, last_y, last_x = (min(low + size, end) for low, size, end in sizes)
        core = Box((z, y, x), (last_z, last_y, last_x))
        trace, height = self.settings.trace, self.survey.height
        if name.endswith(GENEROUS):
            trace, height = generous(opened.probability, trace), self.survey.generous
        save_part(trace_part(opened.probability, core, trace, height, opened.grey), out)


def item_of(core: Box, more: str = "") -> Item:
    """Return the item of a block; `more` ends its name."""
    z, y, x = core.low
    name = f"{z},{y},{x}{more}"
    return Item(name, f"blocks/{z}_{y}_{x}{more.replace(' ', '_')}.npz", key_of(name))
