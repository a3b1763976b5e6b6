"""Scores against a gold standard, as METRICS.md defines them."""

from neurorecon.evaluate.masks import MaskScores, score_masks
from neurorecon.evaluate.trees import TreeScores, pieces_of, score_trees

__all__ = ["MaskScores", "TreeScores", "pieces_of", "score_masks", "score_trees"]
