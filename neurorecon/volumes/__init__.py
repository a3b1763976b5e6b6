"""One volume larger than the memory, segmented or traced block by block; a block is an item of a batch."""

from neurorecon.volumes.block_folder import parse_block
from neurorecon.volumes.segment_in_blocks import VolumeSettings, segment_volume
from neurorecon.volumes.trace_in_blocks import TracedVolume, TraceVolumeSettings, traced_volume
from neurorecon.volumes.verify_seams import SeamScore, seam_scores

__all__ = [
    "SeamScore",
    "TraceVolumeSettings",
    "TracedVolume",
    "VolumeSettings",
    "parse_block",
    "seam_scores",
    "segment_volume",
    "traced_volume",
]
