"""Settings of the tracer; each default is defined once, with its reason here."""

import math
from dataclasses import dataclass

from neurorecon.core.errors import SettingsError
from neurorecon.core.tree import Unit

__all__ = ["TraceSettings"]


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """Settings of the tracer.

    Lengths without a unit in their name are in micrometres if the voxel size is known, else in voxels. Lengths in `_px` are
    in pixels, multiples of the shortest edge of a voxel. Planes up to 3 times as far apart count as 1 pixel as well, because
    light is elongated along z (`shape_metric`).

    Attributes:
        threshold: probability (0 to 1) that makes a neurite certain; None is automatic. From a certain part a neurite is
            followed down to `faint` times this value.
        min_length: shortest end branch that is kept, measured from the surface of its parent neurite; None is automatic
            (`spur_px`, or the radius of the parent neurite if that is more).
        soma: somata given by hand, (z, y, x) in voxels; they replace the search.
        units: unit of the tree; None is micrometres if the voxel size is known, else voxels.
        find_somata: search for somata in the maps; if false, the root is the thickest end of the tree.
        gap_px: longest gap without any evidence that is bridged.
        reach_px: longest gap that is bridged between two ends that face each other.
        fragments: shortest separate piece that is kept as a tree of its own; None is automatic. `confidence` applies as
            well.
        spur_px: automatic limit of an end branch.
        faint: share of `threshold` down to which a certain neurite is followed; None is the value stored with the map.
        confidence: least expected share of right cable (0 to 1) of a branch that is kept, more where most of all cable is
            doubtful; 0 keeps all.
        spines: keep spines and boutons as branches; if false, they are removed if the voxel size is known and `min_length`
            is not given.
        step_px: distance between neighbouring nodes of the tree.
        smooth_px: usual standard deviation of the smoothing along the neurite: less where it is thin and certain, 1.5 times
            as much where it is doubtful.
        missing: list the places as well where a neurite may go on that the tree lacks, with at least this confidence (0 to 1);
            None looks for none. Takes as long as the tracing once more; the tree stays the same (docs/review.md).
        kinds: tell axon, dendrite and apical dendrite apart (docs/kinds.md). Off by default: it knows neurons of vertebrates,
            and a stack does not say whose neuron it shows.

    Raises:
        SettingsError: if a value is out of range.
    """

    threshold: float | None = None
    min_length: float | None = None
    soma: tuple[tuple[float, float, float], ...] = ()
    units: Unit | None = None
    find_somata: bool = True
    gap_px: float = 10.0
    reach_px: float = 45.0
    fragments: float | None = None
    spur_px: float = 3.0
    faint: float | None = None
    confidence: float = 0.3
    spines: bool = False
    step_px: float = 1.5
    smooth_px: float = 2.0
    missing: float | None = None
    kinds: bool = False

    def __post_init__(self) -> None:
        """Check every value once."""
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise SettingsError(f"threshold is {self.threshold}; a probability between 0 and 1 is needed")
        if self.units not in (None, "um", "voxel"):
            raise SettingsError(f"units is {self.units!r}; 'um' or 'voxel' is needed")
        for name in ("min_length", "fragments", "gap_px", "reach_px", "spur_px", "smooth_px"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise SettingsError(f"{name} is {value}; a length of 0 or more is needed")
        if not 0.5 <= self.step_px <= 100:
            raise SettingsError(f"step_px is {self.step_px}; 0.5 to 100 is needed")
        for name in ("faint", "confidence", "missing"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise SettingsError(f"{name} is {value}; 0 to 1 is needed")
        if any(len(list(point)) != 3 or not all(map(math.isfinite, point)) for point in self.soma):
            raise SettingsError(f"soma is {self.soma}; a list of (z, y, x) in voxels is needed")
