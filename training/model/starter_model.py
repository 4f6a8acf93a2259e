"""The model that comes with this package, for who has none yet: learned from made-up tissue."""

from __future__ import annotations

from pathlib import Path

from training.config import STARTER

STARTER_FOLDER = Path(__file__).parent / STARTER
WEIGHTS_NAME, CARD_NAME = "starter.safetensors", "starter.json"


def starter_path() -> Path:
    """Give the file of the starter's weights."""
    return STARTER_FOLDER / WEIGHTS_NAME


def named_model(name: str | Path) -> Path:
    """Give the model that a person named: the starter by its name, any other by its path.

    What has the starter's name itself is given as ``./starter``.
    """
    return starter_path() if str(name) == STARTER else Path(name)
