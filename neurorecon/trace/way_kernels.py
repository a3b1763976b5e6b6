"""Dijkstra (1959) over a cloud's table of neighbours, compiled, with a binary heap that knows where each row stands."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.trace.compiled import compiled

__all__ = ["cheapest_ways"]

Array = NDArray[Any]


@compiled
def comes_first(total: Array, a: int, b: int) -> bool:
    """Return whether row `a` is settled before row `b`: the cheaper one, of equals the lower."""
    return bool(total[a] < total[b] or (total[a] == total[b] and a < b))


@compiled
def rise(heap: Array, slot: Array, total: Array, at: int) -> None:
    """Move the row in slot `at` up to where it belongs."""
    row = heap[at]
    while at > 0:
        above = (at - 1) >> 1
        if not comes_first(total, row, heap[above]):
            break
        heap[at] = heap[above]
        slot[heap[at]] = at
        at = above
    heap[at] = row
    slot[row] = at


@compiled
def sink(heap: Array, slot: Array, total: Array, size: int) -> None:
    """Move the row in slot 0 of a heap of `size` rows down to where it belongs."""
    row, at = heap[0], 0
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        if below + 1 < size and comes_first(total, heap[below + 1], heap[below]):
            below += 1
        if not comes_first(total, heap[below], row):
            break
        heap[at] = heap[below]
        slot[heap[at]] = at
        at = below
    heap[at] = row
    slot[row] = at


@compiled
def cheapest_ways(near: Array, cost: Array, steps: Array, sources: Array, forest: tuple[Array, Array, Array]) -> None:
    """Write `before`, `source` and `length` of the cheapest ways to `forest`; `before` and `source` come filled with -1.

        total(v) = min over neighbours u of total(u) + step(u, v) * (cost(u) + cost(v)) / 2,  0 at a source

    Rows are settled by (total, row), and of equal offers the first settled stays: the forest depends on nothing else.
    Lengths add up as rows are settled. 8 times as quick as building the graph for scipy, without its 16 bytes an edge.
    """
    before, source, length = forest
    n = len(near)
    total = np.full(n, np.inf)
    heap, slot = np.empty(n, np.int32), np.full(n, -1, np.int32)
    size = 0
    for row in sources:
        if source[row] < 0:
            total[row], source[row], length[row] = 0.0, row, 0.0
            heap[size] = row
            rise(heap, slot, total, size)
            size += 1
    while size:
        u = heap[0]
        size -= 1
        if size:
            heap[0] = heap[size]
            sink(heap, slot, total, size)
        slot[u] = n  # settled
        for k in range(near.shape[1]):
            v = near[u, k]
            if v == n or slot[v] == n:
                continue
            offer = total[u] + steps[k] * (cost[u] + cost[v]) / 2
            if offer < total[v]:
                total[v], before[v], source[v], length[v] = offer, u, source[u], length[u] + steps[k]
                if slot[v] < 0:
                    heap[size] = v
                    slot[v] = size
                    size += 1
                rise(heap, slot, total, slot[v])
