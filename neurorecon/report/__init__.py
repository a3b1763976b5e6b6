"""Reports on a result: morphometrics, doubts, the picture, the manifest, the files of one stack, the summary."""

from neurorecon.report.checks import CHECKS, Finding, check_tree
from neurorecon.report.command import Command, absolute
from neurorecon.report.follow import Follow, ends_of
from neurorecon.report.html import write_html
from neurorecon.report.manifest import Provenance, build_manifest, provenance_lines
from neurorecon.report.morphometry import Morphometrics, morphometrics
from neurorecon.report.outputs import (
    PageContent,
    PageWriter,
    check_outputs,
    file_rows,
    neuron_files,
    outline_paths,
    page_path,
    side_paths,
    swc_paths,
    write_outlines,
    write_outputs,
)
from neurorecon.report.picture import draw_overlay, stretch
from neurorecon.report.quality import Quality, predicted_f1, quality_of, warn_if_doubtful
from neurorecon.report.review_list import MISSING, Entry, review_path, review_tree, write_review
from neurorecon.report.summary import Row, write_csv

__all__ = [
    "CHECKS",
    "Command",
    "Entry",
    "Finding",
    "Follow",
    "MISSING",
    "Morphometrics",
    "PageContent",
    "PageWriter",
    "Provenance",
    "Quality",
    "Row",
    "absolute",
    "build_manifest",
    "check_outputs",
    "check_tree",
    "draw_overlay",
    "ends_of",
    "file_rows",
    "morphometrics",
    "neuron_files",
    "outline_paths",
    "page_path",
    "predicted_f1",
    "quality_of",
    "provenance_lines",
    "review_path",
    "review_tree",
    "side_paths",
    "stretch",
    "swc_paths",
    "write_csv",
    "write_html",
    "warn_if_doubtful",
    "write_outlines",
    "write_outputs",
    "write_review",
]
