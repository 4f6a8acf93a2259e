"""Servers: how to reach them, and trainings on them that nobody needs to watch."""
