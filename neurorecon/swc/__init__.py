"""SWC files: read, write, judge and repair."""

from neurorecon.swc.reader import read_swc, stated_unit
from neurorecon.swc.writer import format_swc, write_swc

__all__ = ["format_swc", "read_swc", "stated_unit", "write_swc"]
