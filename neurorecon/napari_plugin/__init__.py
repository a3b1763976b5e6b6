"""The plugin of napari: results as layers, both stages as a dock, the review list with its verdicts.

What thinks needs neither napari nor Qt; `reconstruct_dock` and `review_dock` are thin Qt on top of it.
"""
