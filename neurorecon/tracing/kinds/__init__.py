"""Kinds of neurites: sections of a tree, their figures, a fitted model, and what the tree around each says."""
