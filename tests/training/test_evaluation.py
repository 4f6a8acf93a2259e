import csv
import io
import json

import numpy as np
import pytest

from training.evaluation import Evaluation, evaluate_slices, zoo_line
from training.metrics import FIGURES


@pytest.fixture
def evaluation() -> Evaluation:
    membrane = np.random.default_rng(0).random((5, 8, 8)) < 0.3
    probabilities = {
        4: membrane[4].astype(np.float32),
        1: np.full((8, 8), 0.25, np.float32),
    }
    return evaluate_slices(2, probabilities, membrane)


def test_slices_keep_their_order_and_truth(evaluation: Evaluation) -> None:
    assert [one["index"] for one in evaluation.slices] == [4, 1]
    assert evaluation.slices[0]["dice"] == 1
    assert evaluation.slices[1]["recall"] == 0
    assert evaluation.mean["dice"] == 0.5


def test_json(evaluation: Evaluation) -> None:
    document = json.loads(evaluation.to_json())
    assert set(document) == {"fold", "slices", "mean"}
    assert document["fold"] == 2
    assert set(document["slices"][0]) == {"index", *FIGURES}
    assert set(document["mean"]) == set(FIGURES)
    assert Evaluation.from_json(evaluation.to_json()) == evaluation


def test_csv(evaluation: Evaluation) -> None:
    rows = list(csv.DictReader(io.StringIO(evaluation.to_csv())))
    assert [row["index"] for row in rows] == ["4", "1", "mean"]
    assert float(rows[-1]["soft_dice"]) == evaluation.mean["soft_dice"]


def test_table(evaluation: Evaluation) -> None:
    assert evaluation.table().splitlines()[-1].split()[0] == "mean"


def test_the_zoos_line() -> None:
    line = "============== Cross valid dice coeff is: {'dice_coeff': 0.9085}"
    assert zoo_line({"soft_dice": 0.9085}) == line
