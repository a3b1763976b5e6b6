"""Score a network on whole stacks: with the inference and the tracer that users run, and the scores of METRICS.md.

The gold mask is the training target, a tube of radius 1.5 voxels along the tracing. The rim around it has no label, and is
ignored by the scores. Lengths are in voxels of the stack.
"""

import copy
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neurorecon.core.errors import NoNeuronError
from neurorecon.core.probability import Probability
from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree
from neurorecon.evaluate import MaskScores, TreeScores, score_masks, score_trees
from neurorecon.io import read_stack
from neurorecon.nets.model_registry import Model
from neurorecon.nets.student import NeuriteViT
from neurorecon.nets.weights import ModelConfig
from neurorecon.segmentation import SegmentSettings, segment
from neurorecon.swc import read_swc
from neurorecon.tracing import TraceSettings, trace
from neurorecon.training.sources.labels import BACKGROUND, IGNORE, label_tree

__all__ = ["StackScores", "as_model", "score_map", "score_stack", "score_stacks", "torch_threads", "without_places"]

# Set by hand; not tuned, unless a line says more.
HALF = 128  # of 255: where the probability becomes a mask


@dataclass(frozen=True, slots=True)
class StackScores:
    """The scores of a network on one stack; they are those of METRICS.md, with lengths in voxels.

    Attributes:
        name: folder and id of the stack, as in "lifted/21".
        voxels: number of voxels of the stack.
        diagonal: of the stack, in voxels; it replaces an infinite distance where a mean is computed.
        mask: scores of the probability at 0.5 against the tube; `hd95` is infinite where the mask is empty.
        tree: scores of the tree; `esa` and `dsa` are infinite without a tree.
        segment_seconds, trace_seconds: wall-clock time of the two stages.
    """

    name: str
    voxels: int
    diagonal: float
    mask: MaskScores
    tree: TreeScores
    segment_seconds: float
    trace_seconds: float

    @property
    def voxels_per_second(self) -> float:
        """Speed of the inference, tiles without anything in them included."""
        return self.voxels / max(self.segment_seconds, 1e-9)

    def bounded(self, score: str) -> float:
        """Return a score of the mask or of the tree by its name; the diagonal of the stack replaces infinity."""
        return min((self.mask.as_dict() | self.tree.as_dict())[score], self.diagonal)

    def as_dict(self) -> dict[str, Any]:
        """Return all fields by name, those of the mask and of the tree without a level of their own."""
        about = {"name": self.name, "voxels": self.voxels, "diagonal": self.diagonal}
        seconds = {"segment_seconds": self.segment_seconds, "trace_seconds": self.trace_seconds}
        return about | self.mask.as_dict() | self.tree.as_dict() | seconds


def score_stacks(
    net: nn.Module, pairs: Sequence[tuple[Path, Path]], *, threads: int = 0, tiles: SegmentSettings | None = None
) -> list[StackScores]:
    """Run `net` on whole stacks, trace them, and score both results.

    Args:
        net: normalised tile (B, 1, Z, Y, X) to logits (B, 2, Z, Y, X), sides of 8 n; a copy of it is run.
        pairs: (stack, tracing) files; the tracing is in voxels of the stack.
        threads: of torch; 0 leaves them as they are.
        tiles: size and overlap of the tiles.

    Returns:
        The scores, in the order of `pairs`.

    Raises:
        InputError: if a file cannot be read.
    """
    model = as_model(net)
    with torch_threads(threads):
        return [score_stack(model, *pair, tiles=tiles) for pair in pairs]


def as_model(net: nn.Module) -> Model:
    """Return a copy of `net` for the prediction loop: in evaluation mode, folded if it can be."""
    folded = getattr(net, "folded", lambda: net)()
    still = copy.deepcopy(folded).cpu().eval().requires_grad_(False)  # a copy, because the net is trained further
    return Model(cast(NeuriteViT, still), ModelConfig("in training", "a network that is being judged", ""), Path())


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Limit torch to `count` threads for a while; 0 changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def without_places() -> Iterator[None]:
    """Replace the tokens of every tile by their mean for a while, in all networks: then they hold no information on places."""
    original = NeuriteViT.tokens

    def mean(net: NeuriteViT, x: Tensor) -> Tensor:
        tokens = original(net, x)
        return tokens.mean((2, 3, 4), keepdim=True).expand_as(tokens)

    NeuriteViT.tokens = mean  # type: ignore[assignment]  # of the class, since inference runs a copy of the network
    try:
        yield
    finally:
        NeuriteViT.tokens = original  # type: ignore[method-assign]


def score_stack(model: Model, image: Path, truth: Path, *, tiles: SegmentSettings | None = None) -> StackScores:
    """Segment, trace and score one stack; see `score_stacks`."""
    stack, gold = read_stack(image), read_swc(truth)
    start = time.perf_counter()
    probability = _segmented(stack, model, tiles)
    middle = time.perf_counter()
    try:
        tree = trace(probability, TraceSettings(units="voxel"))
    except NoNeuronError:
        tree = Tree(np.zeros((0, 3)), np.zeros(0), np.zeros(0, np.int64), unit="voxel")
    end = time.perf_counter()
    return StackScores(
        name=f"{image.parent.name}/{image.stem}",
        voxels=stack.voxels,
        diagonal=math.hypot(*stack.shape),
        mask=score_map(np.asarray(probability.on_stack.neurite), gold),
        tree=score_trees(tree, gold),
        segment_seconds=middle - start,
        trace_seconds=end - middle,
    )


def score_map(neurite: NDArray[np.uint8], gold: Tree) -> MaskScores:
    """Return the scores of a map (Z, Y, X) at 0.5 against the tube around the tracing `gold`, in voxels."""
    labels = label_tree(gold, neurite.shape) & 3
    counted = labels != IGNORE
    return score_masks((neurite >= HALF) & counted, counted & (labels != BACKGROUND))


def _segmented(stack: Stack, model: Model, tiles: SegmentSettings | None) -> Probability:
    """Return the probability of `stack`; it is 0 for a stack without any contrast."""
    try:
        probability = segment(stack, tiles, model=model)
    except NoNeuronError:
        probability = None
    return probability or Probability(np.zeros(stack.shape, np.uint8), stack.voxel_size)
