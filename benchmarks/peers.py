"""Other ways from a probability to a tree: skeletonize + skan, kimimaro and APP2, as `shared/baselines` ran them.

All begin with the mask of what lies above Otsu's threshold. skan and kimimaro come from PyPI (`pip install skan kimimaro`);
APP2 is a program of the user's own, for its code is Vaa3D's: see `app2_tree`.
"""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.errors import NoNeuronError
from neurorecon.core.probability import Probability
from neurorecon.core.tree import Tree
from neurorecon.swc import read_swc

DUST_VOXELS = 100
END_BRANCH_PX = 10.0
APP2_LIMIT_S = 300.0

Mask = NDArray[np.bool_]


def otsu(probability: Probability) -> int:
    """Return Otsu's threshold of a map.

    Raises:
        NoNeuronError: if all of it is alike.
    """
    from skimage.filters import threshold_otsu

    neurite = np.asarray(probability.neurite)
    if neurite.min() == neurite.max():
        raise NoNeuronError(f"{probability.source}: no neuron found: the map is constant")
    return int(threshold_otsu(neurite))


def otsu_mask(probability: Probability) -> Mask:
    """Return what lies above Otsu's threshold."""
    return np.asarray(probability.neurite) > otsu(probability)


def skan_tree(mask: Mask) -> Tree:
    """Return the spanning forest of the skeleton: objects and end branches below the limits are dropped.

    Raises:
        NoNeuronError: if no skeleton is left.
    """
    import skan
    from skimage.measure import label
    from skimage.morphology import skeletonize

    objects = label(mask, connectivity=3)
    large = np.bincount(objects.ravel()) >= DUST_VOXELS
    large[0] = False
    thin = skeletonize(large[objects])
    if np.count_nonzero(thin) < 2:
        raise NoNeuronError("no neuron found: no skeleton is left")
    skeleton = skan.Skeleton(thin)
    branches = skan.summarize(skeleton, separator="_")
    ends = (branches["branch_type"] == 1) & (branches["branch_distance"] < END_BRANCH_PX)
    if ends.any():
        skeleton = skeleton.prune_paths(np.flatnonzero(ends))
    return spanning_forest(skeleton.coordinates, skeleton.graph)


def spanning_forest(zyx: NDArray[Any], graph: Any) -> Tree:
    """Return the minimum spanning forest of the points (M, 3), one tree a component, parents first."""
    from scipy.sparse import block_array, csr_array
    from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

    forest = minimum_spanning_tree(graph)
    count, component = connected_components(forest, directed=False)
    first = np.unique(component, return_index=True)[1]
    hub = csr_array((np.ones(count), (np.zeros(count, np.int64), first)), shape=(1, len(zyx)))  # joins all components
    joined = block_array([[forest, None], [hub, csr_array((1, 1))]], format="csr")
    order, above = breadth_first_order(joined, len(zyx), directed=False)
    order = order[1:]
    row = np.full(len(zyx) + 1, -1, np.int64)
    row[order] = np.arange(len(order))
    return Tree(zyx[order][:, ::-1].astype(float), np.ones(len(order)), row[above[order]], unit="voxel")


def kimimaro_skeletons(mask: Mask) -> Any:
    """Return the skeletons of kimimaro: scale 1.5, const 10 voxels, dust 100, otherwise its defaults, one process."""
    import kimimaro
    from kimimaro.intake import DEFAULT_TEASAR_PARAMS

    settings = {**DEFAULT_TEASAR_PARAMS, "scale": 1.5, "const": 10}
    labels = mask.view(np.uint8).T  # x first and Fortran order, as kimimaro wants it: no copy is made
    return kimimaro.skeletonize(labels, settings, dust_threshold=DUST_VOXELS, progress=False, parallel=1)


def app2_tree(program: Path, probability: Probability) -> Tree:
    """Return the tree of Vaa3D's APP2.

    It is called as `PROGRAM RAW NX NY NZ THRESHOLD OUT.swc`: RAW holds the map as bytes, x fastest; background is what lies at
    or below THRESHOLD. Settings of the figures in docs/results.md: marker from the maximum of the distance transform, no
    downsampling, 18 neighbours, no gaps, length threshold 5, SR ratio 3/9, smoothing.

    Raises:
        NoNeuronError: if it fails, takes longer than the limit or leaves no tree.
    """
    z, y, x = probability.shape
    with tempfile.TemporaryDirectory() as folder:
        raw, swc = Path(folder, "map.raw"), Path(folder, "tree.swc")
        np.ascontiguousarray(probability.neurite).tofile(raw)
        command = [str(program), str(raw), *map(str, (x, y, z, otsu(probability))), str(swc)]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=APP2_LIMIT_S)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise NoNeuronError(f"{probability.source}: {error}") from error
        if not swc.exists() or swc.stat().st_size == 0:
            raise NoNeuronError(f"{probability.source}: APP2 left no tree")
        return read_swc(swc)
