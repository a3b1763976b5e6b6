"""Numbers by which several steps of the tracer judge one thing: how straight, how near, how much better.

One thing has one name, whatever the step. Where steps need different values, these stand side by side. A number that one step
alone uses stands in the file of that step.
"""

__all__ = [
    "ARM_PX",
    "BETTER",
    "BETTER_PAIR",
    "CLOSE_PX",
    "FACING",
    "FACING_FAR",
    "FACING_NEAR",
    "FORK_PX",
    "MERGED_PX",
    "NEIGHBOURS",
    "ONE_CROSSING_PX",
    "ONE_TANGLE_PX",
    "SAME_NEURITE",
    "STRAIGHT",
    "STRAIGHT_PAIR",
    "STRAIGHT_REST",
    "TOUCH_PX",
]

# Where a line names no other source: chosen by hand on the 39 training neurons (benchmarks/tracer.py); no sweep is recorded.

# How straight: least cosine between the direction of an end and the way to its target; of both, where two ends face each other
FACING = 0.5  # at a crossing, and of ends that touch: 60 degrees
FACING_NEAR = 0.35  # across a short gap (bridge): about 70 degrees
FACING_FAR = 0.6  # across a long one (long_gaps): about 53 degrees

# How straight: least cosine between two arms that are one neurite, which runs through a crossing
STRAIGHT = 0.8  # a cut end and the arm that goes on from it (crossing): about 37 degrees
STRAIGHT_REST = 0.7  # the arms that remain without it, and two ends that meet (crossing): about 45 degrees
STRAIGHT_PAIR = 0.6  # each of the two neurites (touching): about 53 degrees

# How much better: by how much a pairing of arms has to be straighter than any other one
BETTER = 0.15  # of one cosine (crossing)
BETTER_PAIR = 0.2  # of the sum of both cosines (touching)

# How near: nodes closer than that are neighbours, and the way from one to the other says nothing about a direction
NEIGHBOURS = 1.75  # voxels; those that share a corner are 1.73 apart
CLOSE_PX = 2.0  # px, of a gap (bridge)

# How near: branch points so near along a neurite are one crossing
ONE_CROSSING_PX = 8.0  # of one tree (crossing)
ONE_TANGLE_PX = 10.0  # of several neurons (touching)

# How near: between an end and the surface of the neurite that it touches
TOUCH_PX = 3.0  # px

# How near: a place within so many depths, and voxels more, of a centre line belongs to its neurite (cover, parts.join)
SAME_NEURITE = 1.2, 1.5

# From where to where along an arm its direction is taken
MERGED_PX = 2.0  # px from a branch point: nearer, ways run together
ARM_PX = 9.0  # px, of arms that are paired (crossing, touching)
FORK_PX = 6.0  # px, of arms whose lines meet at their branch point (fork): further off neurites bend
