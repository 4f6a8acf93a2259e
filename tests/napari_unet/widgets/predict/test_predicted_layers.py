import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_unet.layers.plugin_layers import MASK, PROBABILITY, role
from napari_unet.widgets.predict.predicted_layers import PredictedLayers


def test_both_layers_lie_over_the_image(
    canvas: ViewerModel, image: Image, predicted: PredictedLayers
) -> None:
    assert list(canvas.layers) == [image, predicted.probability, predicted.mask]
    assert [role(layer) for layer in predicted.layers] == [MASK, PROBABILITY]
    for layer in predicted.layers:
        assert layer.data.shape == image.data.shape
        assert tuple(layer.scale) == (50, 4, 4)
        assert layer.units == image.units


def test_only_the_displayed_slice_is_drawn_again(
    canvas: ViewerModel, predicted: PredictedLayers, walls: np.ndarray
) -> None:
    drawn = []
    predicted.mask.events.set_data.connect(lambda _: drawn.append("mask"))
    predicted.prediction.store(2, walls)
    predicted.refresh(canvas, 2)
    assert drawn == []
    predicted.refresh(canvas, 0)
    assert drawn == ["mask"]


@pytest.mark.parametrize(("threshold", "membrane"), [(0.5, 3 * 21), (0.7, 0)])
def test_a_threshold_is_seen_at_once(
    canvas: ViewerModel,
    predicted: PredictedLayers,
    walls: np.ndarray,
    threshold: float,
    membrane: int,
) -> None:
    for index in range(3):
        predicted.prediction.store(index, walls)
    predicted.threshold_displayed_slice(canvas, threshold)
    assert predicted.prediction.threshold == threshold
    assert predicted.mask.data[0].sum() == membrane
    assert predicted.mask.data[1].sum() == 3 * 21, "the others are for a thread"


def test_a_mask_that_changed_unpainted_is_reported(predicted: PredictedLayers) -> None:
    reports = []
    predicted.mask.events.data.connect(reports.append)
    predicted.report_mask_changed()
    assert len(reports) == 1
