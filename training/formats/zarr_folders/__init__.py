"""Stacks in folders of Zarr 2 and 3, and of OME-Zarr."""
