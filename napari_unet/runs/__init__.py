"""Runs as a person sees them: chosen data, lists, progress, learning on."""
