"""Layers in a viewer: added, found, coloured, arranged."""
