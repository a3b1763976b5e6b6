"""Whatever the tree: it is written valid, comes back the same, and a repair of its ruins is valid too."""

import contextlib
import logging
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorecon.core.errors import FormatError
from neurorecon.core.tree import Tree
from neurorecon.swc import format_swc, read_swc, repair_swc, validate_swc, write_swc

logging.getLogger("neurorecon.swc").addHandler(logging.NullHandler())
GRID = st.integers(-30, 30)  # whole steps: no edge is absurdly longer than the others


@st.composite
def trees(draw, *, apart=True):
    """Forests with somata at their roots; every node in a place of its own when `apart`."""
    n = draw(st.integers(1, 25))
    points = draw(st.lists(st.tuples(GRID, GRID, GRID), min_size=n, max_size=n, unique=apart))
    parent = [-1] + [draw(st.integers(-1, k - 1)) for k in range(1, n)]
    radius = draw(st.lists(st.integers(1, 90_000), min_size=n, max_size=n))
    kinds = draw(st.lists(st.sampled_from([0, 2, 3, 4, 5, 6, 7, 19]), min_size=n, max_size=n))
    soma = draw(st.booleans())
    kinds = [1 if soma and up < 0 else kind for kind, up in zip(kinds, parent, strict=True)]
    xyz = np.array(points, float) + draw(st.integers(0, 9999)) / 10_000
    unit = draw(st.sampled_from(["um", "voxel"]))
    return Tree(xyz, np.array(radius) / 10_000, np.array(parent), np.array(kinds), unit)


def same(a, b):
    return (
        a.unit == b.unit
        and np.array_equal(a.parent, b.parent)
        and np.array_equal(a.type, b.type)
        and np.allclose(a.xyz, b.xyz, rtol=0, atol=1e-9)
        and np.allclose(a.radius, b.radius, rtol=0, atol=1e-9)
    )


@given(trees())
@settings(max_examples=30, deadline=None)
def test_reading_what_was_written_gives_the_tree_back(tree):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.swc"
        write_swc(tree, path)
        assert same(read_swc(path), tree)


@given(trees(apart=False))
@settings(max_examples=30, deadline=None)
def test_whatever_is_written_is_valid_and_stable(tree):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.swc"
        write_swc(tree, path)
        assert validate_swc(path) == []
        again = read_swc(path)
        assert format_swc(again) == format_swc(tree)
        assert np.isclose(again.cable_length, tree.cable_length) or len(again) < len(tree)


@given(trees(apart=False), st.data())
@settings(max_examples=30, deadline=None)
def test_repair_of_shuffled_renamed_lines_is_valid(tree, data):
    n = len(tree)
    names = data.draw(st.lists(st.integers(0, 10**6), min_size=n, max_size=n, unique=True))
    radii = data.draw(st.lists(st.sampled_from(["0", "-1", "nan", "2.5"]), min_size=n, max_size=n))
    ups = [names[up] if up >= 0 else -1 for up in tree.parent]
    rows = [
        f"{names[k]} {tree.type[k]} {' '.join(f'{value:.4f}' for value in tree.xyz[k])} {radii[k]} {ups[k]}"
        for k in range(n)
    ]
    order = data.draw(st.permutations(rows))
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "in.swc", Path(folder) / "out.swc"
        path.write_text("\n".join(order) + "\n")
        try:
            repair_swc(path, out)
        except FormatError:
            assert "2.5" not in radii or len(tree.roots) > 1  # a tree without any radius
            assert not out.exists()
        else:
            assert validate_swc(out) == []
            assert len(read_swc(out)) <= n


@given(st.text(alphabet="0123 .-naif,#\n\r\x00é\u0661\ufeff", max_size=60) | st.text(max_size=20))
@settings(max_examples=80, deadline=None)
def test_any_text_is_read_or_refused_and_what_is_valid_is_read(text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.swc"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        if validate_swc(path):
            with contextlib.suppress(FormatError):
                assert len(read_swc(path)) > 0
        else:
            assert len(read_swc(path)) > 0
