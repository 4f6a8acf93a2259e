"""Stacks of images and labels: opened, checked, split, and made up for trials."""
