"""Painting and mending labels: counts, corrections, where to look next."""
