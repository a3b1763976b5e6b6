"""Raw stack to neurite probability: tiles, grey levels, device and the prediction loop; torch is loaded when needed."""

from typing import TYPE_CHECKING, Any

from neurorecon.segmentation.settings import DEFAULT_MODEL, SegmentSettings

if TYPE_CHECKING:
    from neurorecon.segmentation.predict import segment

__all__ = ["DEFAULT_MODEL", "SegmentSettings", "segment"]


def __getattr__(name: str) -> Any:
    """Load the prediction loop, and torch with it, on the first use of `segment`."""
    if name == "segment":
        from neurorecon.segmentation.predict import segment

        return segment
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
