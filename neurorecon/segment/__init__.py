"""Raw stack to neurite probability: tiles, grey levels, device and the prediction loop."""

from neurorecon.segment.predict import segment
from neurorecon.segment.settings import DEFAULT_MODEL, SegmentSettings

__all__ = ["DEFAULT_MODEL", "SegmentSettings", "segment"]
