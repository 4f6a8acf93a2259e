"""Tests that every system runs, without make or a POSIX shell: ``pytest -m portable``."""
