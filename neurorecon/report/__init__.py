"""What is said about a result: morphometrics, the overlay picture, the manifest, the files of one stack, the report."""

from neurorecon.report.html import write_html
from neurorecon.report.manifest import Provenance, build_manifest, provenance_lines
from neurorecon.report.morphometry import Morphometrics, morphometrics
from neurorecon.report.outputs import check_outputs, neuron_files, swc_paths, write_outputs
from neurorecon.report.picture import draw_overlay
from neurorecon.report.summary import Row, write_csv

__all__ = [
    "Morphometrics",
    "Provenance",
    "Row",
    "build_manifest",
    "check_outputs",
    "draw_overlay",
    "morphometrics",
    "neuron_files",
    "provenance_lines",
    "swc_paths",
    "write_csv",
    "write_html",
    "write_outputs",
]
