"""Teaching the network; the only floor that knows monai and timm."""

from neurorecon.training.loop import train
from neurorecon.training.settings import TrainSettings

__all__ = ["TrainSettings", "train"]
