"""Figures of a mask against the ground truth, of pixels and of neurons."""
