"""Verdicts of a person on a tree: carried out, audited, simulated, and used to train a network."""

from neurorecon.mend.apply import Applied, apply_file, log_path
from neurorecon.mend.audit import audit_path, draw_sample, judged_by, upper_bound, write_sample
from neurorecon.mend.change import Mended, Outcome, mend
from neurorecon.mend.evidence import Sources, open_stack
from neurorecon.mend.lesson import check_lesson, teach
from neurorecon.mend.simulation import Point, draw_curves, gained, gained_by, simulate, write_curves
from neurorecon.mend.verdicts import Verdict, Verdicts, format_verdicts, read_verdicts

__all__ = [
    "Applied",
    "Mended",
    "Outcome",
    "Point",
    "Sources",
    "Verdict",
    "Verdicts",
    "apply_file",
    "audit_path",
    "check_lesson",
    "draw_curves",
    "draw_sample",
    "format_verdicts",
    "gained",
    "gained_by",
    "judged_by",
    "log_path",
    "mend",
    "open_stack",
    "read_verdicts",
    "simulate",
    "teach",
    "upper_bound",
    "write_curves",
    "write_sample",
]
