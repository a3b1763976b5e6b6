"""Stage two: a probability map becomes a tree (`trace`); `evidence_of` gives a map to a grey stack without a network."""

from neurorecon.trace.chain import trace
from neurorecon.trace.raw import evidence_of
from neurorecon.trace.settings import TraceSettings

__all__ = ["TraceSettings", "evidence_of", "trace"]
