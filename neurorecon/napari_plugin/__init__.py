"""The plugin of napari: results as layers, both stages as a dock, the review list with its verdicts.

Only `dock_parts`, `reconstruct_dock` and `review_dock` import Qt; they are thin, and all logic stands in modules without Qt.
"""
