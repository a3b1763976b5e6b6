"""OME-Zarr: on disk, zipped, on the net, and written in shards."""
