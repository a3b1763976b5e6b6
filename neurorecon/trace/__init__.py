"""Stage two: a probability map becomes a tree (`trace`); `evidence_of` gives a map to a grey stack without a network.

A volume larger than the memory is traced part by part: `cut_volume`, `height_in`, `trace_part` for each, `trace_parts`.
`grey_of` gives the voxels of the grey stack that lends its light.
"""

from neurorecon.trace.chain import grey_of, is_cut_off, trace
from neurorecon.trace.outline import outlined
from neurorecon.trace.part import Box, Part, trace_part
from neurorecon.trace.raw import evidence_of
from neurorecon.trace.settings import TraceSettings
from neurorecon.trace.volume import cut_volume, grow_parts, height_in, trace_parts, trace_volume

__all__ = [
    "Box",
    "Part",
    "TraceSettings",
    "cut_volume",
    "evidence_of",
    "grey_of",
    "grow_parts",
    "height_in",
    "is_cut_off",
    "outlined",
    "trace",
    "trace_part",
    "trace_parts",
    "trace_volume",
]
