"""Stacks in files: opened lazily, recognized, and saved from layers."""
