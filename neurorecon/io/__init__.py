"""Stacks from files and to files: one file a format, chosen by content, then by suffix.

Importing this is light: tifffile, zarr, h5py and the like are imported where a file needs them.
"""

from neurorecon.io.accept import checked_settings, stack_of
from neurorecon.io.complete import Doubt, why_incomplete
from neurorecon.io.find import find_stacks
from neurorecon.io.guard import check_finite
from neurorecon.io.parts import ALL, Chosen, chosen_in, marked, one_of
from neurorecon.io.picture import Picture
from neurorecon.io.read import read_probability, read_stack, stack_of_picture
from neurorecon.io.registry import SUFFIXES, known_suffix, open_picture
from neurorecon.io.sharded import BLOCK, ShardedImage
from neurorecon.io.writer import open_writer, write_stack

__all__ = [
    "ALL",
    "BLOCK",
    "Chosen",
    "Doubt",
    "Picture",
    "SUFFIXES",
    "ShardedImage",
    "check_finite",
    "checked_settings",
    "chosen_in",
    "find_stacks",
    "known_suffix",
    "marked",
    "one_of",
    "open_picture",
    "open_writer",
    "read_probability",
    "read_stack",
    "stack_of",
    "stack_of_picture",
    "why_incomplete",
    "write_stack",
]
