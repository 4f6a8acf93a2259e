"""Trainings as jobs of Slurm: what is asked of its queue, and what it says. Knows no connection."""
