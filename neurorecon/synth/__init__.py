"""A realistic light-microscopy stack with known truth from a morphology: for the demo, the tests and the training."""

from neurorecon.synth.demo import demo_tree, random_tree
from neurorecon.synth.randomize import randomized
from neurorecon.synth.settings import SynthSettings
from neurorecon.synth.synthesis import Synthetic, synthesize
from neurorecon.synth.window import fit_voxel_size

__all__ = ["SynthSettings", "Synthetic", "demo_tree", "fit_voxel_size", "random_tree", "randomized", "synthesize"]
