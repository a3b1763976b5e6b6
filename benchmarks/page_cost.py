"""What a page costs: seconds, memory and bytes for a stack of 20 million voxels and a tree of so many nodes.

python benchmarks/page_cost.py OUT.html [nodes]   (docs/page.md)
"""

import argparse
import time
import tracemalloc
from pathlib import Path

import numpy as np

from neurorecon.core.geometry import VoxelSize
from neurorecon.core.tree import Tree
from neurorecon.page import write_page
from neurorecon.report import PageContent, check_tree, file_rows
from neurorecon.swc import write_swc

SHAPE = (100, 450, 450)  # 20 million voxels
SIZE = VoxelSize(0.6, 0.3, 0.3)


def grown(nodes: int, seed: int = 0) -> Tree:
    """A tree of wandering branches that fills the stack, its nodes 1.5 pixels apart."""
    rng = np.random.default_rng(seed)
    extent = np.array(SHAPE[::-1]) * SIZE.zyx[::-1]
    xyz, parent = [extent / 2], [-1]
    while len(xyz) < nodes:
        up = int(rng.integers(len(xyz))) if len(xyz) > 1 else 0
        way = rng.normal(size=3)
        for _ in range(int(rng.integers(20, 200))):
            way = 0.9 * way / np.linalg.norm(way) + 0.3 * rng.normal(size=3)
            point = xyz[up] + 0.45 * way / np.linalg.norm(way)
            if (point < 0).any() or (point > extent).any():
                break
            xyz.append(point)
            parent.append(up)
            up = len(xyz) - 1
    n = len(xyz)
    kind = np.full(n, 3)
    kind[0] = 1
    radius = np.full(n, 0.4)
    radius[0] = 6.0
    return Tree(np.array(xyz), radius, np.array(parent), kind, "um", rng.uniform(0.2, 1, n), rng.random(n) < 0.002)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("page", type=Path, metavar="OUT.html")
    parser.add_argument("nodes", type=int, nargs="?", default=50_000)
    given = parser.parse_args()
    path, tree = given.page, grown(given.nodes)
    rng = np.random.default_rng(1)
    volume = rng.poisson(40, SHAPE).astype(np.uint16)
    z, y, x = np.minimum(np.round(tree.xyz[:, ::-1] / SIZE.zyx).astype(int), np.array(SHAPE) - 1).T
    volume[z, y, x] += 200
    swc = path.with_suffix(".swc")
    write_swc(tree, swc, overwrite=True)
    findings = check_tree(tree)
    files = file_rows(tree, swc)
    content = PageContent(tree, files, volume=volume, voxel_size=SIZE, title="cost", findings=findings)
    start = time.process_time()
    write_page(content, path, overwrite=True)
    seconds = time.process_time() - start
    tracemalloc.start()
    write_page(content, path, overwrite=True)
    peak = tracemalloc.get_traced_memory()[1]
    size = path.stat().st_size
    print(
        f"{len(tree)} nodes: {seconds:.2f} s of processor, {peak / 1e6:.0f} MB at most, a page of {size / 1e6:.2f} MB"
    )


if __name__ == "__main__":
    main()
