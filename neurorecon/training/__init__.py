"""Train the network; the only package that uses monai and timm."""

from neurorecon.training.loop import train
from neurorecon.training.settings import TrainSettings

__all__ = ["TrainSettings", "train"]
