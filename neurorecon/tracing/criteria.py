"""Numbers by which several steps of the tracer judge one thing: how straight, how near, how much better.

One thing has one name, whatever the step. Where steps need different values, these stand side by side. A number that one step
alone uses stands in the file of that step.
"""

__all__ = [
    "ARM_PX",
    "BETTER",
    "FACING",
    "MERGED_PX",
    "MERGED_SHARE",
    "NEIGHBOURS",
    "ONE_CROSSING_PX",
    "SAME_NEURITE",
    "SHARE_APART",
    "SHARE_MISSING",
    "STRAIGHT",
    "STRAIGHT_MOVED",
    "THICKER",
    "THICKER_LABELLED",
    "TOUCH_PX",
]

# Where a line names no other source: chosen by hand on the 39 training neurons (benchmarks/tracer.py); no sweep is recorded.
# FACING, STRAIGHT, BETTER, ONE_CROSSING_PX, NEIGHBOURS, ARM_PX and MERGED_SHARE had other values in some steps. These values
# were tried there one by one, on 18 stacks of `lifted` and 13 of `hard` of training neurons and on 14 real stacks in maps of
# networks that have not seen them; STRAIGHT, BETTER and ONE_CROSSING_PX also on two synthetic brains in drawn maps. No mean
# of F1 falls by more than 0.0003.
# How straight: least cosine between the direction of an end and the way to its target; of both, where two ends face each other
FACING = 0.5  # 60 degrees; across gaps, at crossings, and of ends that touch
# How straight: least cosine between two arms that are one neurite, which runs through a crossing
STRAIGHT = 0.7  # about 45 degrees, where a second pair of arms has to be as straight
# ... of an arm that is moved from one neurite to another: about 37 degrees. With 0.7 an end tears off a true branch that leaves
# at 60 degrees (tests/tracing/test_trace_crossing.py). With 0.8 for all, path_rerooted of the real stacks falls by 0.003, and
# in the brains 0.006 less of the cable lies in the tree of its own neuron.
STRAIGHT_MOVED = 0.8
# How much better: by how much a pairing of arms has to be straighter than any other one
BETTER = 0.2  # of the cosine (crossing), and of the sum of both cosines (touching)
# How near: nodes closer than that are neighbours, and the way from one to the other says nothing about a direction
NEIGHBOURS = 1.75  # px; voxels that share a corner are 1.73 apart
# How near: branch points so near along a neurite are one crossing. With 8 px, neurites that run together for 9 px are not told
# apart (tests/tracing/test_trace_touching.py).
ONE_CROSSING_PX = 10.0  # px
# How near: between an end and the surface of the neurite that it touches
TOUCH_PX = 3.0  # px
# How near: a place within so many depths, and voxels more, of a centre line belongs to its neurite (cover, parts.join)
SAME_NEURITE = 1.2, 1.5
# How far: a piece reaches no further than this share of its length, and of the other piece's
SHARE_MISSING = 0.25  # of missing evidence (bridge): with 1.0 F1 of the real stacks falls by 0.0006
SHARE_APART = 1.0  # of distance (long_gaps): with 0.25 F1 of `hard` falls by 0.002, and path_rerooted by 0.005
# How thick: times the depth of neurites from which a place is a body, and no swelling. On 81 stacks of training neurons and 14
# real ones 1.7 gives the same trees as 1.8, but takes a swelling with specks for a soma (tests/tracing/test_trace_several.py).
THICKER = 1.8
THICKER_LABELLED = 1.7  # ... at the root of a tracing, where a body is expected (training.sources.labels_soma)
# From where to where along an arm its direction is taken, from its branch point on
MERGED_PX, ARM_PX = 2.0, 6.0  # px: nearer, ways run together; further off, neurites bend
MERGED_SHARE = 0.3  # of an arm that is short
