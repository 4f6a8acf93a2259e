"""Predictions on a server, and data that lie there already."""
