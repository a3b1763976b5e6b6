"""Import paths and names of version 0.5 that still work in this one, each with a warning that names the new one.

Gone in 0.9. `neurorecon.trace` and `neurorecon.segment` are functions. Whoever imports them as the packages that they were
until 0.5 gets a callable module with the names of the new package.
"""

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType
from typing import Any

__all__ = ["MODULES", "NAMES", "answer_old_imports", "moved_name"]

# Import path until 0.5 -> the present one.
MODULES = {
    "neurorecon.batch.blocks": "neurorecon.volumes.block_folder",
    "neurorecon.batch.engines.places": "neurorecon.batch.engines.dask_cluster",
    "neurorecon.batch.engines.steps": "neurorecon.batch.engines.two_stage",
    "neurorecon.batch.halfway": "neurorecon.batch.stage_files",
    "neurorecon.batch.identity": "neurorecon.batch.state.identity",
    "neurorecon.batch.leases": "neurorecon.batch.state.leases",
    "neurorecon.batch.ledger": "neurorecon.batch.state.ledger",
    "neurorecon.batch.names": "neurorecon.batch.state.names",
    "neurorecon.batch.plan": "neurorecon.batch.items",
    "neurorecon.batch.record": "neurorecon.batch.state.record",
    "neurorecon.batch.rerun": "neurorecon.batch.rerun_record",
    "neurorecon.batch.run": "neurorecon.batch.batch_run",
    "neurorecon.batch.scout": "neurorecon.batch.watch_folder",
    "neurorecon.batch.seams": "neurorecon.volumes.verify_seams",
    "neurorecon.batch.sources": "neurorecon.batch.input_checks",
    "neurorecon.batch.stamp": "neurorecon.batch.state.file_stamp",
    "neurorecon.batch.trace_volume": "neurorecon.volumes.trace_in_blocks",
    "neurorecon.batch.volume": "neurorecon.volumes.segment_in_blocks",
    "neurorecon.cli.engines": "neurorecon.cli.engine_options",
    "neurorecon.cli.machine": "neurorecon.cli.installation",
    "neurorecon.cli.outcome": "neurorecon.cli.output_files",
    "neurorecon.cli.progress": "neurorecon.cli.progress_bar",
    "neurorecon.core.bodies": "neurorecon.core.bright_bodies",
    "neurorecon.core.coarse": "neurorecon.core.coarsened",
    "neurorecon.core.outline": "neurorecon.core.surface",
    "neurorecon.core.planes": "neurorecon.core.filled",
    "neurorecon.core.scale": "neurorecon.core.scaled_floats",
    "neurorecon.inspect.planes": "neurorecon.inspect.plane_checks",
    "neurorecon.inspect.probability": "neurorecon.inspect.map_check",
    "neurorecon.inspect.voxels": "neurorecon.inspect.voxel_checks",
    "neurorecon.io.extra_formats": "neurorecon.io.formats.extra_formats",
    "neurorecon.io.imaris": "neurorecon.io.formats.imaris",
    "neurorecon.io.imaris_check": "neurorecon.io.formats.imaris_check",
    "neurorecon.io.nifti": "neurorecon.io.formats.nifti",
    "neurorecon.io.npy": "neurorecon.io.formats.npy",
    "neurorecon.io.nrrd_format": "neurorecon.io.formats.nrrd_format",
    "neurorecon.io.ome_zarr": "neurorecon.io.formats.zarr.ome_zarr",
    "neurorecon.io.parts": "neurorecon.io.chosen_parts",
    "neurorecon.io.pbd_check": "neurorecon.io.formats.pbd_check",
    "neurorecon.io.picture": "neurorecon.io.header",
    "neurorecon.io.plane_names": "neurorecon.io.formats.tiff.plane_names",
    "neurorecon.io.plane_ome": "neurorecon.io.formats.tiff.plane_ome",
    "neurorecon.io.planes": "neurorecon.io.formats.tiff.plane_folder",
    "neurorecon.io.registry": "neurorecon.io.format_registry",
    "neurorecon.io.sharded": "neurorecon.io.formats.zarr.sharded",
    "neurorecon.io.tiff": "neurorecon.io.formats.tiff.tiff",
    "neurorecon.io.tiff_check": "neurorecon.io.formats.tiff.tiff_check",
    "neurorecon.io.tiff_lazy": "neurorecon.io.formats.tiff.tiff_lazy",
    "neurorecon.io.tiff_open": "neurorecon.io.formats.tiff.tiff_open",
    "neurorecon.io.tiff_scale": "neurorecon.io.formats.tiff.tiff_scale",
    "neurorecon.io.vaa3d": "neurorecon.io.formats.vaa3d",
    "neurorecon.io.write_tiff": "neurorecon.io.formats.tiff.write_tiff",
    "neurorecon.io.write_zarr": "neurorecon.io.formats.zarr.write_zarr",
    "neurorecon.io.writer": "neurorecon.io.stack_writer",
    "neurorecon.io.zarr_bounds": "neurorecon.io.formats.zarr.zarr_bounds",
    "neurorecon.io.zarr_place": "neurorecon.io.formats.zarr.zarr_place",
    "neurorecon.io.zarr_remote": "neurorecon.io.formats.zarr.zarr_remote",
    "neurorecon.io.zarr_zip": "neurorecon.io.formats.zarr.zarr_zip",
    "neurorecon.mend.simulate": "neurorecon.mend.simulation",
    "neurorecon.nets.bodies": "neurorecon.nets.soma_head",
    "neurorecon.nets.parts": "neurorecon.nets.layers",
    "neurorecon.nets.registry": "neurorecon.nets.model_registry",
    "neurorecon.report.review": "neurorecon.report.review_list",
    "neurorecon.segment": "neurorecon.segmentation",
    "neurorecon.segment.device": "neurorecon.segmentation.device",
    "neurorecon.segment.fitting": "neurorecon.segmentation.fit_memory",
    "neurorecon.segment.flat": "neurorecon.segmentation.adapt.missing_planes",
    "neurorecon.segment.intensity": "neurorecon.segmentation.normalise",
    "neurorecon.segment.look": "neurorecon.segmentation.adapt.inspect_tiles",
    "neurorecon.segment.predict": "neurorecon.segmentation.predict",
    "neurorecon.segment.profile": "neurorecon.segmentation.adapt.width",
    "neurorecon.segment.rows": "neurorecon.segmentation.tile_rows",
    "neurorecon.segment.runner": "neurorecon.segmentation.runner",
    "neurorecon.segment.sample": "neurorecon.segmentation.adapt.sample",
    "neurorecon.segment.settings": "neurorecon.segmentation.settings",
    "neurorecon.segment.survey": "neurorecon.segmentation.adapt.survey",
    "neurorecon.segment.thick": "neurorecon.segmentation.adapt.thick_neurites",
    "neurorecon.segment.tiles": "neurorecon.segmentation.tiles",
    "neurorecon.segment.writers": "neurorecon.segmentation.writers",
    "neurorecon.trace": "neurorecon.tracing",
    "neurorecon.trace.body": "neurorecon.tracing.soma.grey_body",
    "neurorecon.trace.bridge": "neurorecon.tracing.bridge",
    "neurorecon.trace.calibre": "neurorecon.tracing.calibre",
    "neurorecon.trace.chain": "neurorecon.tracing.chain",
    "neurorecon.trace.cloud": "neurorecon.tracing.foreground",
    "neurorecon.trace.compiled": "neurorecon.tracing.kernels.compiled",
    "neurorecon.trace.confidence": "neurorecon.tracing.confidence",
    "neurorecon.trace.cost": "neurorecon.tracing.cost",
    "neurorecon.trace.cover": "neurorecon.tracing.cover",
    "neurorecon.trace.cover_kernels": "neurorecon.tracing.kernels.cover_kernels",
    "neurorecon.trace.cross": "neurorecon.tracing.crossing",
    "neurorecon.trace.field": "neurorecon.tracing.field",
    "neurorecon.trace.fork": "neurorecon.tracing.fork",
    "neurorecon.trace.geodesic": "neurorecon.tracing.geodesic",
    "neurorecon.trace.grey_kernels": "neurorecon.tracing.kernels.grey_kernels",
    "neurorecon.trace.grow": "neurorecon.tracing.grow",
    "neurorecon.trace.join": "neurorecon.tracing.parts.join",
    "neurorecon.trace.light": "neurorecon.tracing.light",
    "neurorecon.trace.limits": "neurorecon.tracing.limits",
    "neurorecon.trace.line_kernels": "neurorecon.tracing.kernels.line_kernels",
    "neurorecon.trace.outline": "neurorecon.tracing.outline",
    "neurorecon.trace.part": "neurorecon.tracing.parts.part",
    "neurorecon.trace.part_file": "neurorecon.tracing.parts.part_file",
    "neurorecon.trace.prune": "neurorecon.tracing.prune",
    "neurorecon.trace.radius": "neurorecon.tracing.radius",
    "neurorecon.trace.raw": "neurorecon.tracing.grey_evidence",
    "neurorecon.trace.reach": "neurorecon.tracing.long_gaps",
    "neurorecon.trace.settings": "neurorecon.tracing.settings",
    "neurorecon.trace.share": "neurorecon.tracing.touching",
    "neurorecon.trace.skeleton": "neurorecon.tracing.skeleton",
    "neurorecon.trace.smooth": "neurorecon.tracing.smooth",
    "neurorecon.trace.soma": "neurorecon.tracing.soma.find_soma",
    "neurorecon.trace.tails": "neurorecon.tracing.tails",
    "neurorecon.trace.volume": "neurorecon.tracing.parts.finish",
    "neurorecon.trace.voxel_kernels": "neurorecon.tracing.kernels.voxel_kernels",
    "neurorecon.trace.way_kernels": "neurorecon.tracing.kernels.way_kernels",
    "neurorecon.training.bodies": "neurorecon.training.sources.labels_soma",
    "neurorecon.training.data": "neurorecon.training.sources.pairs",
    "neurorecon.training.distil": "neurorecon.training.teaching.distil",
    "neurorecon.training.disturb": "neurorecon.training.sources.disturb_crop",
    "neurorecon.training.dress": "neurorecon.training.sources.dress_crop",
    "neurorecon.training.export": "neurorecon.training.model_folder",
    "neurorecon.training.flat": "neurorecon.training.sources.projections",
    "neurorecon.training.fresh": "neurorecon.training.sources.synthetic_live",
    "neurorecon.training.grounds": "neurorecon.training.sources.real_backgrounds",
    "neurorecon.training.masks": "neurorecon.training.sources.truth",
    "neurorecon.training.picture": "neurorecon.training.log_picture",
    "neurorecon.training.pool": "neurorecon.training.sources.synthetic",
    "neurorecon.training.rescale": "neurorecon.training.sources.rescale_crop",
    "neurorecon.training.rim": "neurorecon.training.sources.labels_rim",
    "neurorecon.training.sparse": "neurorecon.training.sources.labelled_planes",
    "neurorecon.training.stream": "neurorecon.training.sources.stream",
    "neurorecon.training.targets": "neurorecon.training.sources.labels",
    "neurorecon.training.teacher": "neurorecon.training.teaching.teacher",
    "neurorecon.training.transfer": "neurorecon.training.teaching.transfer",
    "neurorecon.training.visible": "neurorecon.training.sources.labels_visible",
    "neurorecon.training.watch": "neurorecon.training.validation",
    "neurorecon.training.whole": "neurorecon.training.score_stacks",
}

# Name that a package gave until 0.5 -> its present home and name.
NAMES = {
    ("neurorecon.batch", "SeamScore"): ("neurorecon.volumes", "SeamScore"),
    ("neurorecon.batch", "TraceVolumeSettings"): ("neurorecon.volumes", "TraceVolumeSettings"),
    ("neurorecon.batch", "TracedVolume"): ("neurorecon.volumes", "TracedVolume"),
    ("neurorecon.batch", "VolumeSettings"): ("neurorecon.volumes", "SegmentVolumeSettings"),
    ("neurorecon.batch", "describe_stack"): ("neurorecon.core.voxel_hash", "describe_stack"),
    ("neurorecon.batch", "parse_block"): ("neurorecon.volumes", "parse_block"),
    ("neurorecon.batch", "seam_scores"): ("neurorecon.volumes", "seam_scores"),
    ("neurorecon.batch", "segment_volume"): ("neurorecon.volumes", "segment_volume"),
    ("neurorecon.batch", "traced_volume"): ("neurorecon.volumes", "trace_volume"),
    ("neurorecon.io", "Picture"): ("neurorecon.io", "OpenedFile"),
    ("neurorecon.io", "open_picture"): ("neurorecon.io", "open_file"),
    ("neurorecon.io", "stack_of_picture"): ("neurorecon.io", "stack_of_file"),
    ("neurorecon.trace", "trace_volume"): ("neurorecon.tracing", "trace_in_parts"),
}


def moved_name(package: str, name: str) -> Any:
    """Return what `package` called `name` until 0.5, and warn; AttributeError where there was no such name."""
    if (package, name) not in NAMES:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    home, new = NAMES[package, name]
    warn(f"{package}.{name}", f"{home}.{new}")
    return getattr(importlib.import_module(home), new)


def answer_old_imports() -> None:
    """Register the old paths with the import system, last, so that existing modules are found first."""
    if not any(isinstance(finder, _OldPaths) for finder in sys.meta_path):
        sys.meta_path.append(_OldPaths())


INNER = ("importlib", "neurorecon.batch", "neurorecon.io", __name__)


def warn(old: str, new: str) -> None:
    """Warn of an old name, at the line outside of neurorecon and of the import system that uses it."""
    message = f"{old} is called {new} now; the old name goes in version 0.9"
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and (_is_importing(frame) or frame.f_globals.get("__name__") in INNER):
        level += not _is_importing(frame)  # `warnings` does not count these
        frame = frame.f_back
    warnings.warn(message, DeprecationWarning, stacklevel=level)


def _is_importing(frame: FrameType) -> bool:
    """Return whether a frame is of the import system itself, by the rule of `warnings`."""
    name = frame.f_code.co_filename
    return "importlib" in name and "_bootstrap" in name


class _OldModule(ModuleType):
    """A module under its old path; its attributes are those of the new one."""

    def __getattr__(self, name: str) -> Any:
        """Return the name from the new module, or from where it went since."""
        if name.startswith("__"):  # the import system asks for these; without, it would load files a second time
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        new = importlib.import_module(MODULES[self.__name__])
        if hasattr(new, name):
            return getattr(new, name)
        package = self.__name__.rpartition(".")[0]
        return moved_name(package if (package, name) in NAMES else self.__name__, name)

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Do what the public function of this name does: `neurorecon.trace(...)` after `import neurorecon.trace`."""
        return getattr(self, self.__name__.rpartition(".")[2])(*args, **options)


class _OldPaths(MetaPathFinder, Loader):
    """Finds and makes the modules of the old paths."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a spec for an old path, None for any other."""
        return ModuleSpec(fullname, self, is_package=True) if fullname in MODULES else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Warn, and return the module under its old path."""
        warn(spec.name, MODULES[spec.name])
        importlib.import_module(MODULES[spec.name])
        return _OldModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is left to run."""
