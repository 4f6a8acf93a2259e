"""A part of a slice."""

Window = tuple[range, range]
"""Rows and columns of a slice (Y, X)."""
