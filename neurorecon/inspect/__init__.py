"""Examine a stack once before the work begins; each oddity is a finding with a name, a sentence and a way out."""

from neurorecon.inspect.describe import describe_input
from neurorecon.inspect.examine import CHECKS, examined
from neurorecon.inspect.map_check import check_match, check_probability

__all__ = ["CHECKS", "check_match", "check_probability", "describe_input", "examined"]
