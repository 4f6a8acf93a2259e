"""Masks compared with the ground truth."""
