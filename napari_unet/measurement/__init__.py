"""Sizes, shapes, contacts and intensities of the objects in labels, slice by slice."""
