"""Painting of many pixels at once, for any dock that paints."""
