"""A morphology as a light microscope would show it, with the truth beside it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.geometry import VoxelSize, xyz_to_zyx, zyx_to_xyz
from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree
from neurorecon.synth.clutter import draw_fibres, draw_spots
from neurorecon.synth.curve import Curve, bend, resample, thicken, typical_radius
from neurorecon.synth.optics import background, blur, digitise, expose, fold_planes
from neurorecon.synth.processing import reworked
from neurorecon.synth.psf import convolve, point_spread
from neurorecon.synth.render import Grid, draw_balls, make_grid, strokes
from neurorecon.synth.settings import SynthSettings
from neurorecon.synth.somata import draw_somata
from neurorecon.synth.staining import grow_spines, stain, swell
from neurorecon.synth.surroundings import add_tissue, needs_spread, padded, tissue_generator
from neurorecon.synth.window import REACH_PX, lay_window, near_window

__all__ = ["Synthetic", "synthesize"]

Bool = NDArray[np.bool_]
Float = NDArray[np.float32]

# Set by hand with real stacks in view (docs/synthesis.md); not tuned.
REFERENCE_PERCENTILE = 80.0  # of all centre lines: a bright neurite, without the few trunks that outshine it
OUT_OF_FOCUS_PX = 4.0  # sigma of fibres far from focus


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A stack and its truth.

    Attributes:
        stack: uint8 or uint16 (Z, Y, X); voxel size in micrometres, None for a morphology in voxels.
        truth: centre lines in voxel coordinates of the stack (unit "voxel"), a node about every voxel; paths that
            leave the stack are cut there, so a window may hold a forest. Radii are in lateral voxels.
        neurite: (Z, Y, X) bool, every voxel of the neuron, gaps and soma included.
        soma: (Z, Y, X) bool, part of `neurite`.
        ignore: (Z, Y, X) bool, where neither answer is wrong: spines, and fibres of other neurons in focus.
    """

    stack: Stack
    truth: Tree
    neurite: Bool
    soma: Bool
    ignore: Bool


@dataclass(frozen=True, slots=True)
class _Scene:
    """The neuron in fluorescence on the fine grid."""

    grid: Grid
    signal: Float
    neurite: Bool
    soma: Bool
    ignore: Bool


def synthesize(tree: Tree, settings: SynthSettings = SynthSettings()) -> Synthetic:
    """Render `tree` (a forest gives a stack of several neurons) as a stack; seed and settings decide every byte.

    Args:
        tree: morphology; `voxel_size` is understood in its unit.
        settings: how it is stained and imaged.

    Raises:
        InputError: if the tree has no nodes.
        SettingsError: if the stack would be too large.
    """
    rng = np.random.default_rng(settings.seed)
    low, shape = lay_window(tree, settings, rng)
    curve, kept = _paths(tree, low, shape, settings, rng)
    grid = make_grid(shape, settings.voxel_size)
    scene = _fluoresce(curve, grid, settings, rng)
    tissue = tissue_generator(settings)
    draw_somata(kept, low, grid, scene.signal, scene.soma, rng=rng, more=tissue, settings=settings)
    np.logical_or(scene.neurite, scene.soma, out=scene.neurite)
    neurite, soma, ignore = (_fold_mask(m, grid.fold) for m in (scene.neurite, scene.soma, scene.ignore))
    draw_spots(grid, rng, settings, scene.signal)
    nothing = padded(tissue, shape, settings)
    if nothing is not None:
        neurite, soma, ignore = neurite & ~nothing, soma & ~nothing, ignore & ~nothing
    truth = _truth(curve, shape, settings, nothing)
    image = _image(scene, truth, soma, settings, rng=rng, tissue=tissue)
    if nothing is not None:
        image[nothing] = 0
    voxel_size = VoxelSize(*settings.voxel_size) if tree.unit == "um" else None
    return Synthetic(Stack(image, voxel_size, "synthetic"), truth, neurite, soma, ignore & ~neurite)


def _paths(
    tree: Tree, low: NDArray[np.float64], shape: tuple[int, int, int], settings: SynthSettings, rng: np.random.Generator
) -> tuple[Curve, Tree]:
    """Return the bent paths near the stack in px, and the part of the tree that they come from."""
    lateral = settings.voxel_size[2]
    typical = typical_radius(tree)
    if settings.crop_zyx is not None:
        high = low + (np.array(shape) - 1) * settings.voxel_size
        tree = near_window(tree, low, high, REACH_PX * lateral)
    points = (xyz_to_zyx(tree.xyz) - low) / lateral
    curve = resample(tree, points, thicken(tree.radius, typical, lateral, settings))
    return bend(curve, rng, settings.wander_px), tree


def _fluoresce(curve: Curve, grid: Grid, settings: SynthSettings, rng: np.random.Generator) -> _Scene:
    """Draw neurites, spines and neighbours on the fine grid."""
    signal = np.zeros(grid.shape, np.float32)
    neurite, soma, ignore = (np.zeros(grid.shape, bool) for _ in range(3))
    typical = float(np.median(curve.radius)) if len(curve.radius) else settings.thinnest_px
    draw_fibres(grid, rng, settings.neighbours, typical, settings.neighbour_brightness, signal=signal, mask=ignore)
    if len(curve.points):
        radius, value = swell(curve, stain(curve, rng, settings), rng, settings)
        spines = grow_spines(curve, value, rng, settings)
        draw_balls(grid, *spines, signal, mask=ignore)
        points, columns = strokes(curve.points, np.c_[radius, value], curve.parent)
        draw_balls(grid, points, columns[:, 0], columns[:, 1], signal, mask=neurite)
    return _Scene(grid, signal, neurite, soma, ignore)


def _fold_mask(mask: Bool, fold: int) -> Bool:
    """Return a mask on the stack's planes: a voxel is marked when any of its sub-planes is."""
    return np.asarray(mask if fold == 1 else mask.reshape(-1, fold, *mask.shape[1:]).any(1))


def _image(
    scene: _Scene,
    truth: Tree,
    soma: Bool,
    settings: SynthSettings,
    *,
    rng: np.random.Generator,
    tissue: np.random.Generator,
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return the grey values of the scene; the centre lines outside `soma` (Z, Y, X) set the scale.

    `rng` draws the neuron and its light, `tissue` its surroundings.
    """
    optical = settings.optics != "gaussian"
    spread = point_spread(settings) if optical or needs_spread(settings) else None
    if optical and spread is not None:
        rate = convolve(_mean_planes(scene.signal, scene.grid.fold), spread)
    else:
        rate = fold_planes(blur(scene.signal, scene.grid, settings), scene.grid.fold)
    shape = (len(rate), rate.shape[1], rate.shape[2])
    z, y, x = np.clip(np.rint(xyz_to_zyx(truth.xyz)).astype(np.int64), 0, np.array(shape) - 1).T
    line = rate[z, y, x][~soma[z, y, x]]
    level = float(np.percentile(line, REFERENCE_PERCENTILE)) if len(line) else float(rate.max())
    rate /= np.float32(max(level, 0.05))
    rate *= np.linspace(1, 1 - settings.attenuation, shape[0], dtype=np.float32)[:, None, None]
    diffuse = background(rng, shape, settings)
    if settings.out_of_focus:
        diffuse += _far_fibres(shape, settings, rng)
    rate = add_tissue(rate, diffuse, spread if needs_spread(settings) else None, tissue, settings)
    counts = reworked(expose(rate, rng, settings), rate, tissue, settings)
    return digitise(counts, diffuse, settings)


def _mean_planes(signal: Float, fold: int) -> Float:
    """Return the mean of each group of `fold` sub-planes, which is enough for a thick point spread."""
    return signal if fold == 1 else np.asarray(signal.reshape(-1, fold, *signal.shape[1:]).mean(1), np.float32)


def _far_fibres(shape: tuple[int, int, int], settings: SynthSettings, rng: np.random.Generator) -> Float:
    """Return the light of fibres far from focus, (Z, Y, X), in shares of the reference."""
    from scipy.ndimage import gaussian_filter

    vz, vy, vx = settings.voxel_size
    plain = Grid(shape, np.array([vz / vx, vy / vx, 1.0]), np.zeros(3), 1)
    light = np.zeros(shape, np.float32)
    draw_fibres(plain, rng, settings.out_of_focus, 2.5, 1.0, signal=light)
    sigma = OUT_OF_FOCUS_PX / plain.spacing
    light = gaussian_filter(light, (2 * sigma[0], sigma[1], sigma[2]), truncate=2.5)
    return np.asarray(light / max(float(light.max()), 1e-6) * rng.uniform(0.1, 0.4), np.float32)


def _truth(curve: Curve, shape: tuple[int, int, int], settings: SynthSettings, nothing: Bool | None) -> Tree:
    """Return the centre lines within the stack and out of `nothing`, in voxels; lone nodes go unless only they are there."""
    vz, vy, vx = settings.voxel_size
    at = curve.points / np.array([vz / vx, vy / vx, 1.0])
    full = Tree(zyx_to_xyz(at), curve.radius, curve.parent, curve.kind, "voxel")
    inside = ((at >= -0.5) & (at <= np.array(shape) - 0.5)).all(1)
    if nothing is not None:
        inside[inside] = ~nothing[tuple(np.clip(np.rint(at[inside]).astype(np.int64), 0, np.array(shape) - 1).T)]
    tree = full.take(np.flatnonzero(inside))
    root = tree.root_of()
    company = np.bincount(root, minlength=len(tree))[root] > 1
    return tree.take(np.flatnonzero(company)) if company.any() else tree
