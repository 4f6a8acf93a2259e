import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from training.model.saved_model import load_model
from training.model.starter_model import CARD_NAME, STARTER_FOLDER, named_model, starter_path

MOST_BYTES = 2_000_000


def test_the_starter_is_the_file_that_its_card_tells() -> None:
    about = json.loads((STARTER_FOLDER / CARD_NAME).read_text())
    content = starter_path().read_bytes()
    assert hashlib.sha256(content).hexdigest() == about["sha256"]
    assert len(content) <= MOST_BYTES
    assert about["license"] == "BSD-3-Clause"
    assert about["command"].startswith("python -m training.starter --out FOLDER")


def test_the_starter_is_for_any_stack() -> None:
    weights, card = load_model(starter_path())
    assert all(value.dtype == np.float16 for value in weights.values())
    assert card.scaling.adapts
    assert card.seen_slices(np.zeros((9, 8, 8))) == []


@pytest.mark.parametrize("name", ["./starter", "runs/starter", "other"])
def test_only_the_name_itself_is_the_starter(name: str) -> None:
    assert named_model("starter") == starter_path()
    assert named_model(name) == Path(name)
