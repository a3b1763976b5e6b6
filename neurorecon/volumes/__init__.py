"""One volume larger than the memory, segmented or traced block by block; a block is an item of a batch."""

from neurorecon.volumes.block_folder import parse_block
from neurorecon.volumes.segment_in_blocks import SegmentVolumeSettings, segment_volume
from neurorecon.volumes.trace_in_blocks import TracedVolume, TraceVolumeSettings, trace_volume
from neurorecon.volumes.verify_seams import SeamScore, seam_scores

__all__ = [
    "SeamScore",
    "TraceVolumeSettings",
    "TracedVolume",
    "SegmentVolumeSettings",
    "parse_block",
    "seam_scores",
    "segment_volume",
    "trace_volume",
]
