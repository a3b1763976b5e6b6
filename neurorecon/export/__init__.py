"""Trees in the formats of other programs: one file a format, each a function from a Tree to bytes or files."""

from neurorecon.export.formats import FORMATS, Scale, export_tree

__all__ = ["FORMATS", "Scale", "export_tree"]
