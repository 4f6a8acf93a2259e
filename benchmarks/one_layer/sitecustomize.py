"""Adds the preset of this folder to those of ``training``, wherever it is on PYTHONPATH."""

from pathlib import Path

from training import presets

presets.__path__.append(str(Path(__file__).parent / "presets"))
