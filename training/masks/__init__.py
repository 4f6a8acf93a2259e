"""Masks and probabilities as TIFs: their pages and pixel sizes, and what speaks against them."""
