"""Loops over voxels, lines and ways, compiled: the only files of the tracer that use numba."""
