"""Stacks in files: opened lazily, recognized, written as TIF."""
