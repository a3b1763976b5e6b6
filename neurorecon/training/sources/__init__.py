"""The sources of the crops of a training, their augmentation, and their labels."""
