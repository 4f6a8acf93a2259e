from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QPushButton

from napari_unet.layers.plugin_layers import NEURONS, role
from napari_unet.layers.unpredicted import unpredicted_slices
from napari_unet.neurons.segmentation import Segmentation, segment_slice
from napari_unet.widgets.predict.neuron_search import NeuronSearch
from napari_unet.widgets.predict.predicted_layers import PredictedLayers
from napari_unet.widgets.proofread.dock import NeuronsDock
from training.config import preset_config
from training.runs.run_directory import RunDirectory
from training.stacks.synthetic import write_synthetic


@pytest.fixture
def search(canvas: ViewerModel, qtbot: QtBot) -> NeuronSearch:
    return NeuronSearch(canvas)


@pytest.fixture
def ready(search: NeuronSearch, predicted: PredictedLayers, walls: np.ndarray) -> PredictedLayers:
    """A prediction of which two slices are done, which is offered to the search."""
    for index in (0, 2):
        predicted.prediction.store(index, walls)
    search.offer(predicted)
    return predicted


def find(
    search: NeuronSearch,
    qtbot: QtBot,
    threshold: float | None = 0.4,
    model: Path | None = Path("model.onnx"),
) -> str:
    """How a search ends, in words."""
    with qtbot.waitSignal(search.ended) as end:
        search.find(threshold, is_linked=True, model=model)
    text: str = end.args[0]
    return text


def test_neurons_are_found_in_a_layer_of_their_own(
    canvas: ViewerModel,
    search: NeuronSearch,
    ready: PredictedLayers,
    walls: np.ndarray,
    qtbot: QtBot,
) -> None:
    with qtbot.waitSignals([search.progressed] * 2):
        assert find(search, qtbot).startswith("2 neurons, linked (threshold 0.4")
    layer = canvas.layers["tissue neurons"]
    assert role(layer) == NEURONS
    np.testing.assert_array_equal(layer.data[0], segment_slice(walls, Segmentation(threshold=0.4)))
    assert not layer.data[1].any() and unpredicted_slices(layer) == [1]
    find(search, qtbot)
    assert len(canvas.layers) == 4, "the same layer is filled again"


def test_the_threshold_is_a_default_where_there_is_no_run(
    search: NeuronSearch, ready: PredictedLayers, qtbot: QtBot
) -> None:
    begun = []
    search.begun.connect(begun.append)
    assert "threshold 0.5" in find(search, qtbot, threshold=None)
    assert begun == ["Choosing the threshold on training slices…"]


def test_slices_must_be_predicted_first(
    search: NeuronSearch, predicted: PredictedLayers, qtbot: QtBot
) -> None:
    assert find(search, qtbot) == "Predict slices first."
    search.offer(predicted)
    assert find(search, qtbot) == "Predict slices first."


def test_a_search_can_be_cancelled(
    canvas: ViewerModel, search: NeuronSearch, ready: PredictedLayers, qtbot: QtBot
) -> None:
    search.begun.connect(lambda _: search.cancel())
    assert find(search, qtbot, threshold=None) == "Cancelled."
    assert "tissue neurons" not in canvas.layers


def test_a_search_ends_with_its_prediction(
    search: NeuronSearch, ready: PredictedLayers, qtbot: QtBot
) -> None:
    assert find(search, qtbot).startswith("2 neurons")
    with qtbot.waitSignals([search.available_changed, search.ended]) as changes:
        search.offer(None)
    said = sorted((tuple(change.args) for change in changes.all_signals_and_args), key=str)
    assert said == [("",), (False,)], "and nothing is said of the former one"
    assert find(search, qtbot) == "Predict slices first."


def test_neurons_that_a_person_edited_are_not_filled_again(
    canvas: ViewerModel, search: NeuronSearch, ready: PredictedLayers, qtbot: QtBot
) -> None:
    find(search, qtbot)
    layer = canvas.layers["tissue neurons"]
    layer.paint((0, 5, 5), 7)
    edited = layer.data.copy()
    find(search, qtbot)
    np.testing.assert_array_equal(layer.data, edited)
    assert len(canvas.layers) == 5


def test_neurons_are_mended_once_they_are_found_and_not_filled_again_then(
    canvas: ViewerModel, search: NeuronSearch, ready: PredictedLayers, qtbot: QtBot
) -> None:
    dock = NeuronsDock(canvas)
    qtbot.addWidget(dock)
    find(search, qtbot)
    layer = canvas.layers["tissue neurons"]
    buttons = {button.text().split()[0]: button for button in dock.findChildren(QPushButton)}
    qtbot.waitUntil(buttons["Next"].isEnabled)
    buttons["Next"].click()
    qtbot.waitUntil(buttons["Delete"].isEnabled)
    count = len(np.unique(layer.data))
    buttons["Delete"].click()
    qtbot.waitUntil(lambda: len(np.unique(layer.data)) == count - 1)
    find(search, qtbot)
    assert len(np.unique(layer.data)) == count - 1
    assert len(canvas.layers) == 5


def test_a_search_whose_layer_was_removed_makes_another(
    canvas: ViewerModel, search: NeuronSearch, ready: PredictedLayers, qtbot: QtBot
) -> None:
    find(search, qtbot)
    with qtbot.waitSignal(search.ended) as end:
        canvas.layers.remove("tissue neurons")
    assert end.args == [""], "it says no more of what is gone"
    find(search, qtbot)
    assert canvas.layers["tissue neurons"].data.any()


def test_a_search_that_fails_says_so(
    canvas: ViewerModel,
    search: NeuronSearch,
    image: Image,
    walls: np.ndarray,
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    write_synthetic(tmp_path / "data", slices=6, size=64)
    run = RunDirectory(tmp_path / "run")
    run.create(preset_config("compact", data_url=str(tmp_path / "data")))
    run.onnx.write_bytes(b"not a model")
    result = PredictedLayers.add(canvas, image, run.path, threshold=0.5)
    result.prediction.store(0, walls)
    search.offer(result)
    with qtbot.waitSignal(search.failed) as failure:
        find(search, qtbot, threshold=None, model=run.path)
    assert "is not an ONNX model" in str(failure.args[0])
