"""Where the crops of a training come from, what is done to them, and their labels."""
