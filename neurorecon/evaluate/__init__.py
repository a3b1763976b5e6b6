"""Scores against a gold standard, as METRICS.md defines them."""

from neurorecon.evaluate.frames import frame_hint
from neurorecon.evaluate.masks import MaskScores, score_masks
from neurorecon.evaluate.morphology import MorphologyScores, path_agreement, score_morphology
from neurorecon.evaluate.neurons import MERGE, NeuronScores, SeveralScores, score_neurons
from neurorecon.evaluate.trees import TreeScores, one_node_a_soma, pieces_of, score_trees

__all__ = [
    "MERGE",
    "MaskScores",
    "MorphologyScores",
    "NeuronScores",
    "SeveralScores",
    "TreeScores",
    "frame_hint",
    "one_node_a_soma",
    "path_agreement",
    "pieces_of",
    "score_masks",
    "score_morphology",
    "score_neurons",
    "score_trees",
]
