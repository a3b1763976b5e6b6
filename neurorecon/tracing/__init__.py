"""Stage two: `trace` turns a probability map into a tree; `evidence_of` computes a map from a grey stack without a network.

A volume larger than the memory is traced part by part: `cut_volume`, `height_in`, `trace_part` for each, `trace_parts`.
`grey_of` returns the voxels of the grey stack in which the light of the neurites is measured; `generous` the settings of the
second tracing, which finds the ways on that a tree lacks.
"""

from neurorecon.tracing.beyond import generous
from neurorecon.tracing.chain import grey_of, is_cut_off, trace
from neurorecon.tracing.grey_evidence import evidence_of
from neurorecon.tracing.kinds.label_kinds import with_kinds
from neurorecon.tracing.outline import outlined
from neurorecon.tracing.parts.finish import cut_volume, grow_parts, height_in, trace_in_parts, trace_parts
from neurorecon.tracing.parts.part import Box, Part, trace_part
from neurorecon.tracing.settings import TraceSettings

__all__ = [
    "Box",
    "Part",
    "TraceSettings",
    "cut_volume",
    "evidence_of",
    "generous",
    "grey_of",
    "grow_parts",
    "height_in",
    "is_cut_off",
    "outlined",
    "trace",
    "trace_part",
    "trace_parts",
    "trace_in_parts",
    "with_kinds",
]
