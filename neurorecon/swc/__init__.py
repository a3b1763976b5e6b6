"""SWC files: read, write, judge and repair."""

from neurorecon.swc.reader import header_notes, ids_in_file, read_swc, rows_in_file, stated_unit
from neurorecon.swc.repair import repair_swc
from neurorecon.swc.rules import validate_swc
from neurorecon.swc.scan import Finding
from neurorecon.swc.writer import format_swc, write_swc, written_ids

__all__ = [
    "Finding",
    "format_swc",
    "header_notes",
    "ids_in_file",
    "read_swc",
    "repair_swc",
    "rows_in_file",
    "stated_unit",
    "validate_swc",
    "write_swc",
    "written_ids",
]
