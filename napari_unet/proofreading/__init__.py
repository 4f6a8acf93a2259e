"""Neurons mended by operations that can be undone, saved and played again. No Qt, no napari."""
