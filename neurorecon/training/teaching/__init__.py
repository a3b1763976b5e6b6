"""The 2D network that teaches: its weights at the start, its tokens along the way."""
