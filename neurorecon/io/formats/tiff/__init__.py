"""TIFF in its dialects, and folders of single planes."""
