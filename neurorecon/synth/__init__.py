"""Make a realistic light-microscopy stack with known truth from a morphology, for the demo, the tests and the training."""

from neurorecon.synth.brain import draw_box
from neurorecon.synth.brain_scene import Scene, grow_scene
from neurorecon.synth.brain_settings import BrainSettings
from neurorecon.synth.brain_write import write_brain
from neurorecon.synth.demo import demo_tree, random_tree
from neurorecon.synth.randomize import randomized
from neurorecon.synth.settings import SynthSettings
from neurorecon.synth.synthesis import Synthetic, synthesize
from neurorecon.synth.window import fit_voxel_size

__all__ = [
    "BrainSettings",
    "Scene",
    "SynthSettings",
    "Synthetic",
    "demo_tree",
    "draw_box",
    "fit_voxel_size",
    "grow_scene",
    "random_tree",
    "randomized",
    "synthesize",
    "write_brain",
]
