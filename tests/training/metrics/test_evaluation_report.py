import csv
import io
import json

import numpy as np
import pytest

from training.metrics.evaluation_report import Evaluation, dice_line, evaluate_slices
from training.metrics.neuron_metrics import NEURON_FIGURES, label_neurons
from training.metrics.pixel_metrics import FIGURES


@pytest.fixture
def evaluation() -> Evaluation:
    membrane = np.random.default_rng(0).random((5, 8, 8)) < 0.3
    probabilities = {
        4: membrane[4].astype(np.float32),
        1: np.full((8, 8), 0.25, np.float32),
    }
    return evaluate_slices(2, probabilities, membrane)


def test_slices_keep_their_order_and_truth(evaluation: Evaluation) -> None:
    assert [figures["index"] for figures in evaluation.slices] == [4, 1]
    assert evaluation.slices[0]["dice"] == 1
    assert evaluation.slices[1]["recall"] == 0
    assert evaluation.mean["dice"] == 0.5


def test_json(evaluation: Evaluation) -> None:
    document = json.loads(evaluation.to_json())
    thresholds = ("neuron_thresholds", "thresholds")
    assert set(document) == {"fold", "slices", "mean", "volumes", *thresholds}
    assert document["fold"] == 2
    assert set(document["slices"][0]) == {"index", *FIGURES}
    assert set(document["mean"]) == set(FIGURES)
    assert Evaluation.from_json(evaluation.to_json()) == evaluation


def test_csv(evaluation: Evaluation) -> None:
    rows = list(csv.DictReader(io.StringIO(evaluation.to_csv())))
    assert [row["slice"] for row in rows] == ["4", "1", "mean"]
    assert float(rows[-1]["soft_dice"]) == evaluation.mean["soft_dice"]


def test_table(evaluation: Evaluation) -> None:
    assert evaluation.table().splitlines()[-1].split()[0] == "mean"


def test_volumes_have_means_of_their_own_and_count_the_same() -> None:
    membrane = np.zeros((5, 8, 8), bool)
    membrane[:, :, 4] = True
    right, wrong = membrane[0].astype(np.float32), (~membrane[0]).astype(np.float32)
    found = {1: right, 2: right, 3: wrong, 4: wrong, 0: right}
    evaluation = evaluate_slices(None, found, membrane, volumes={"a.tif": 0, "b.tif": 3})
    rows = [(line["volume"], line["index"], line["dice"]) for line in evaluation.slices]
    assert rows == [
        ("a.tif", 1, 1), ("a.tif", 2, 1), ("b.tif", 0, 0), ("b.tif", 1, 0), ("a.tif", 0, 1),
    ]  # fmt: skip
    assert {name: mean["dice"] for name, mean in evaluation.volumes.items()} == {
        "a.tif": 1,
        "b.tif": 0,
    }
    assert evaluation.mean["dice"] == 0.5
    assert Evaluation.from_json(evaluation.to_json()) == evaluation
    table = list(csv.DictReader(io.StringIO(evaluation.to_csv())))
    assert [(row["volume"], row["slice"]) for row in table[-4:]] == [
        ("a.tif", "0"), ("a.tif", "mean"), ("b.tif", "mean"), ("", "mean"),
    ]  # fmt: skip
    assert "b.tif mean" in evaluation.table()
    neurons = np.where(np.arange(8) < 4, 1, 2) * ~membrane
    measured = evaluation.with_neuron_figures(found, neurons, [0.5])
    assert measured.volumes["a.tif"]["v_rand"] == 1 > measured.volumes["b.tif"]["v_rand"]


def test_figures_of_neurons_are_added() -> None:
    """Two rooms: a perfect slice, and one whose wall has a hole at 0.6 and above."""
    membrane = np.zeros((2, 9, 9), bool)
    membrane[:, :, 4] = True
    leaky = membrane[1] * np.float32(0.9)
    leaky[4, 4] = 0.55
    probabilities = {1: leaky, 0: membrane[0].astype(np.float32)}
    pixels = evaluate_slices(2, probabilities, membrane)
    neurons = [label_neurons(~page) for page in membrane]
    evaluation = pixels.with_neuron_figures(probabilities, neurons, thresholds=[0.5, 0.6])
    assert evaluation.mean == {**pixels.mean, "v_rand": 1, "v_info": 1}
    assert evaluation.neuron_thresholds == {"v_rand": 0.5, "v_info": 0.5}
    merged = pixels.with_neuron_figures(probabilities, neurons, thresholds=[0.6])
    assert [figures["v_rand"] for figures in merged.slices] == pytest.approx([2 / 3, 1])
    assert merged.mean["v_info"] == 0.5
    columns = merged.to_csv().splitlines()[0].split(",")
    assert columns == ["slice", *FIGURES, *NEURON_FIGURES]
    assert merged.table().splitlines()[0].split() == ["slice", *FIGURES, *NEURON_FIGURES]


def test_the_zoo_s_line_is_of_the_zoo_s_figure_alone() -> None:
    line = "============== Cross valid dice coeff is: {'dice_coeff': 0.9085}"
    assert dice_line({"soft_dice": 0.91, "zoo_dice": 0.9085}) == line
    assert dice_line({"soft_dice": 0.91}) == "Mean soft Dice, at the stack's resolution: 0.91"
