"""Settings of a synthetic stack; every default has its reason beside it."""

import math
from dataclasses import dataclass
from typing import Literal

from neurorecon.core.errors import SettingsError

__all__ = ["SynthSettings"]

# name: (lowest, highest) of every plain number; None is checked by the optional fields below
RANGES: dict[str, tuple[float, float]] = {
    "margin_px": (0, 500), "wander_px": (0, 10),
    "calibre": (0.01, 100), "thinnest_px": (0.3, 50), "thickest_px": (0.3, 200),
    "membrane": (0, 1), "branch_spread": (0, 2), "staining": (0, 2), "staining_length_px": (1, 500),
    "gaps": (0, 20), "boutons": (0, 30), "spines": (0, 50), "neighbours": (0, 200), "out_of_focus": (0, 200),
    "puncta": (0, 5000), "blobs": (0, 5000), "neighbour_brightness": (0, 5), "soma_brightness": (0, 20),
    "psf_lateral_px": (0, 20), "psf_axial_px": (0, 60), "blur_growth": (1, 5), "attenuation": (0, 1),
    "background": (0, 20), "gradient": (0, 1), "haze": (0, 20), "stripes": (0, 1), "flicker": (0, 1),
    "photons": (0.1, 1e6), "read_noise": (0, 1000), "resample_blur_px": (0, 5), "gamma": (0.2, 3),
    "exposure": (0.01, 20), "offset": (0, 30000), "clip": (0, 1),
    "numerical_aperture": (0.05, 1.6), "immersion_index": (1, 1.6), "sample_index": (1, 1.6), "depth_um": (0, 500),
    "wavelength_um": (0.3, 1.1), "pixel_um": (0.02, 5), "tail": (0, 0.9), "tail_planes": (0.5, 30),
    "soma_nucleus": (0, 1), "texture": (0, 5), "texture_length_px": (0.3, 60), "texture_stretch": (0.1, 10),
    "texture_slope": (0.3, 4), "outside": (0, 1), "cells": (0, 5), "sheets": (0, 5), "scraps": (0, 3000),
    "scrap_brightness": (0, 5), "specks": (0, 5000), "speck_brightness": (0, 20), "bleaching": (0, 4), "bands": (0, 2),
    "seam": (0, 1), "noise_length_px": (0, 5), "noise_planes": (0, 5), "median": (0, 5), "ringing": (0, 3),
    "jitter_px": (0, 5), "black_level": (0, 5), "padding": (0, 0.6),
}  # fmt: skip

CHOICES: dict[str, tuple[str, ...]] = {
    "optics": ("gaussian", "confocal", "widefield"),
    "soma_shape": ("ball", "pear", "spindle", "star"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthSettings:
    """How a morphology is stained and imaged.

    Lengths that end in `_px` are in lateral voxels (the x edge), also along z; brightness is relative to
    the reference, a bright centre line (at the 80th percentile of them all); densities are stated at each field.

    Raises:
        SettingsError: names the field that is out of range.
    """

    seed: int = 0  # the same seed and settings give the same bytes
    voxel_size: tuple[float, float, float] = (1.0, 0.5, 0.5)  # zyx in the tree's unit; usual for a confocal at 20x
    crop_zyx: tuple[int, int, int] | None = None  # None: the whole morphology; a shape: a window of it, for training
    crop_at: Literal["neurite", "soma"] = "neurite"  # the window is laid around this
    margin_px: float = 8.0  # empty rim of a whole stack: wider than the point spread, so that nothing is cut

    wander_px: float = 0.8  # bend of straight polylines; tracings smooth away about a voxel of real waviness
    calibre: float = 1.0  # multiplies every radius; 1 trusts the tracing
    diameter_px: float | None = None  # median neurite diameter to which radii are scaled; None: those of the tracing
    thinnest_px: float = 0.6  # smallest radius: below it a neurite is thinner than the optics can show anyway
    thickest_px: float = 12.0  # largest neurite radius: tracings hold soma-sized slips in trunks
    soma_radius_px: float | None = None  # None: a soma where the tree has one, with its radius; a number: at every root
    soma_brightness: float = 1.2  # somata are filled best

    membrane: float = 0.5  # 0: dye fills the cytoplasm, thin neurites are dim; 1: it coats the membrane, they are not
    branch_spread: float = 0.25  # log-normal spread of brightness between branches
    staining: float = 0.3  # log-normal spread of brightness along a branch
    staining_length_px: float = 12.0  # length over which staining varies: a few calibres
    gaps: float = 0.3  # dim stretches per 100 px of path; labelled as neurite all the same
    boutons: float = 0.6  # swellings per 100 px of path
    spines: float = 0.0  # per 100 px of path; drawn, not labelled, in the ignore mask
    neighbours: int = 0  # fibres of other neurons in focus; in the ignore mask
    neighbour_brightness: float = 0.4  # other neurons are labelled more weakly
    out_of_focus: int = 0  # blurred fibres, part of the background
    puncta: float = 15.0  # bright spots per million voxels: lipofuscin, debris, dye
    blobs: float = 2.0  # soft autofluorescent cells per million voxels

    psf_lateral_px: float = 0.9  # sigma; about 0.45 um at 0.5 um voxels: tissue at numerical aperture 0.5
    psf_axial_px: float = 2.2  # sigma; light microscopes blur z two to three times more
    blur_growth: float = 1.2  # blur at the deepest plane relative to the first: scattering
    attenuation: float = 0.15  # share of the light lost at the deepest plane

    background: float = 0.08  # dark level plus diffuse light, share of the reference
    gradient: float = 0.3  # relative change of the background across the stack
    haze: float = 0.05  # amplitude of low-frequency autofluorescence, share of the reference
    stripes: float = 0.0  # relative gain error by row: line scanners
    flicker: float = 0.02  # relative gain error by plane: lamps and lasers drift
    photons: float = 40.0  # photons in the reference voxel: an ordinary confocal scan
    read_noise: float = 1.0  # standard deviation in photons
    resample_blur_px: float = 0.0  # blur after the noise: stacks that were resampled or filtered before
    gamma: float = 1.0  # above 1 dims the dim, below 1 raises it (display-processed stacks)
    exposure: float = 0.8  # the reference, and its noise above it, as a share of full scale; above 1 saturates
    offset: float = 4.0  # grey value of no light
    clip: float = 0.0  # share of the reference below which voxels become exactly 0; 0: off (pre-processed stacks)
    bit_depth: Literal[8, 12, 16] = 8  # 12 and 16 are stored as uint16

    # Optics: the point spread from an objective instead of two sigmas; see `psf`.
    optics: Literal["gaussian", "confocal", "widefield"] = "gaussian"  # gaussian: `psf_lateral_px` and `psf_axial_px`
    numerical_aperture: float = 0.8  # a usual 20x objective
    immersion_index: float = 1.518  # oil
    sample_index: float = 1.45  # cleared or mounted tissue; unlike the immersion it draws a tail along z
    depth_um: float = 20.0  # below the cover glass: the tail grows with it
    wavelength_um: float = 0.52  # emission of green fluorescent proteins
    pixel_um: float = 0.3  # lateral voxel edge as the optics see it; the tree's unit may be any other
    tail: float = 0.0  # share of light that a one-sided tail along z takes beyond what the optics say; 0: none
    tail_planes: float = 3.0  # planes over which that tail falls by e: 1.5 to 9 in the stacks of docs/synthesis.md

    # Tissue: light that is no neurite; 0 leaves each out. Brightness is a share of the reference.
    soma_shape: Literal["ball", "pear", "spindle", "star"] = "ball"  # of every soma
    soma_nucleus: float = 0.0  # darkness of the nucleus; 1 is as dark as the background
    texture: float = 0.0  # standard deviation of a textured autofluorescence
    texture_length_px: float = 3.0  # its lateral correlation length
    texture_stretch: float = 1.5  # its axial by its lateral length, in voxels: real texture is longer along z
    texture_slope: float = 1.5  # of its power spectrum beyond that length
    outside: float = 0.0  # share of background that is missing beyond the edge of the tissue
    cells: float = 0.0  # brightest cell: rims and bodies with dark nuclei
    sheets: float = 0.0  # brightest sheet: membranes and septa
    scraps: float = 0.0  # short bits of fibre per million voxels, 4 to 16 px: debris and fibres of the matrix
    scrap_brightness: float = 0.3  # dimmer than neurites, else nobody could tell
    specks: float = 0.0  # spots per million voxels as small as the optics allow, in clusters; 200 to 3,000 in larvae
    speck_brightness: float = 0.3  # at their 80th percentile; the brightest are four times brighter

    # Scan and processing; 0 leaves each out.
    bleaching: float = 0.0  # natural logarithm of the light lost from the first to the last plane
    bands: float = 0.0  # relative change of the light between bands of planes: lamps, bleaching, tissue above
    seam: float = 0.0  # relative change of the light beyond a border between two tiles
    noise_length_px: float = 0.0  # lateral sigma of a blur after the noise that keeps its strength: resampled stacks
    noise_planes: float = 0.0  # axial sigma of it, in planes
    median: int = 0  # edge of a median filter in the plane, in voxels; 0 or 1: none
    ringing: float = 0.0  # strength of a deconvolution that overshoots beside bright lines
    jitter_px: float = 0.0  # most by which lines are shifted along x: scanners that run to and fro
    black_level: float = 0.0  # light below which the camera gives 0
    padding: float = 0.0  # share of the voxels that a rim of exact zeros takes: rotated, stitched and cropped stacks

    def __post_init__(self) -> None:
        """Check every field once."""
        self._check_numbers_and_words()
        if not all(math.isfinite(v) and 0 < v <= 10_000 for v in self.voxel_size):
            raise SettingsError(f"voxel_size is {self.voxel_size}; three lengths z, y, x above 0 are needed")
        if self.crop_zyx is not None and min(self.crop_zyx) < 1:
            raise SettingsError(f"crop_zyx is {self.crop_zyx}; three numbers of voxels z, y, x above 0 are needed")
        for name in ("diameter_px", "soma_radius_px"):
            value = getattr(self, name)
            if value is not None and not 0.3 <= value <= 200:
                raise SettingsError(f"{name} is {value}; it must lie in 0.3 to 200, or be left out")
        if self.seed < 0:
            raise SettingsError(f"seed is {self.seed}; it must not be negative")
        if self.bit_depth not in (8, 12, 16):
            raise SettingsError(f"bit_depth is {self.bit_depth}; 8, 12 or 16 can be written")
        if self.thinnest_px > self.thickest_px:
            raise SettingsError(f"thinnest_px {self.thinnest_px} is above thickest_px {self.thickest_px}")

    def _check_numbers_and_words(self) -> None:
        """Check the fields of RANGES and of CHOICES."""
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not math.isfinite(value) or not low <= value <= high:
                raise SettingsError(f"{name} is {value}; it must lie in {low:g} to {high:g}")
        for name, choice in CHOICES.items():
            if getattr(self, name) not in choice:
                raise SettingsError(f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(choice)}")
