"""Stacks from files and to files: one file a format, chosen by content, then by suffix.

Importing this is light: tifffile, zarr, h5py and the like are imported where a file needs them.
"""

from neurorecon.io.accept import checked_settings, stack_of
from neurorecon.io.chosen_parts import ALL, Chosen, chosen_in, marked, one_of
from neurorecon.io.complete import Doubt, why_incomplete
from neurorecon.io.find import find_stacks
from neurorecon.io.format_registry import SUFFIXES, known_suffix, open_file
from neurorecon.io.formats.zarr.sharded import BLOCK, ShardedImage
from neurorecon.io.guard import check_finite
from neurorecon.io.header import OpenedFile
from neurorecon.io.read import read_probability, read_stack, stack_of_file
from neurorecon.io.stack_writer import open_writer, write_stack

__all__ = [
    "ALL",
    "BLOCK",
    "Chosen",
    "Doubt",
    "OpenedFile",
    "SUFFIXES",
    "ShardedImage",
    "check_finite",
    "checked_settings",
    "chosen_in",
    "find_stacks",
    "known_suffix",
    "marked",
    "one_of",
    "open_file",
    "open_writer",
    "read_probability",
    "read_stack",
    "stack_of",
    "stack_of_file",
    "why_incomplete",
    "write_stack",
]
