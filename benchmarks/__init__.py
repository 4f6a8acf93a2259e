"""Benchmarks: ``python -m benchmarks`` measures all, and writes RESULTS.md."""
