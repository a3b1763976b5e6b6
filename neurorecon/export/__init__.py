"""Trees in the formats of other programs: one file a format, each a function from a Tree to bytes or files."""

from neurorecon.export.formats import FORMATS, Scale, export_tree
from neurorecon.export.serve import PORT, VIEWER, Server, link_of, open_server
from neurorecon.export.viewer import Picture, state_of

__all__ = [
    "FORMATS",
    "PORT",
    "VIEWER",
    "Picture",
    "Scale",
    "Server",
    "export_tree",
    "link_of",
    "open_server",
    "state_of",
]
