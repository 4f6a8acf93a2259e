"""Layers as a project records them: what napari accepts of a document from elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_unet.layers.class_layers import (
    CLASS_THRESHOLDS_KEY,
    CLASSES_KEY,
    layer_thresholds,
)
from napari_unet.layers.unpredicted import note_unpredicted, unpredicted_slices
from napari_unet.projects.layer_records import (
    add_layer,
    attributes_of,
    check_state,
    dress,
    metadata_of,
)
from napari_unet.projects.records import LayerRecord, ProjectState
from training.errors import UserError

DOCUMENT = Path("project.json")
FILES = {"image": "images/a.tif", "labels": "labels/a.tif"}


def recorded(kind: Any, **changes: Any) -> LayerRecord:
    pixels = np.zeros((3, 4, 5), np.uint8)
    layer = Image(pixels) if kind == "image" else Labels(pixels)
    attributes = attributes_of(layer) | changes
    return LayerRecord(
        kind=kind, file=FILES[kind], attributes=attributes, metadata=metadata_of(layer)
    )


def test_what_was_recorded_is_accepted() -> None:
    view = {"current_step": [1, 0, 0], "center": [0.0, 1.5, 2.0], "zoom": 3.25, "active": None}
    check_state(ProjectState(layers=(recorded("image"), recorded("labels")), view=view), DOCUMENT)
    check_state(ProjectState(), DOCUMENT)


def test_what_is_said_of_classes_comes_back_with_their_layer() -> None:
    layer = Labels(np.zeros((3, 4, 5), np.uint8))
    layer.metadata[CLASSES_KEY] = "membrane,nuclei"
    layer.metadata[CLASS_THRESHOLDS_KEY] = {"nuclei": 0.3}
    note_unpredicted(layer, 3, [1])
    metadata = json.loads(json.dumps(metadata_of(layer)))
    record = LayerRecord(kind="labels", file=FILES["labels"], attributes={}, metadata=metadata)
    check_state(ProjectState(layers=(record,)), DOCUMENT)
    opened = add_layer(ViewerModel(), record, np.asarray(layer.data))
    assert layer_thresholds(opened) == {"nuclei": 0.3}
    assert unpredicted_slices(opened) == [0, 2]
    opened.metadata[CLASSES_KEY] = "membrane,mitochondria"
    assert layer_thresholds(opened) == {}, "these are of other classes"


PLACES: dict[str, dict[str, Any]] = {
    "turned": {"rotate": 30},
    "sheared": {"shear": [0.1, 0.2, 0.3], "scale": [50, 4, 4], "units": ["nm"] * 3},
    "registered": {
        "affine": [[1, 0, 0, 5], [0, 0.9, 0.1, -3], [0, -0.1, 0.9, 2], [0, 0, 0, 1]],
        "translate": [1, 2, 3],
        "scale": [50, 4, 4],
        "units": ["nm"] * 3,
    },
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ["image", "labels"])
def test_a_layer_comes_back_where_it_lay(kind: Any, place: str) -> None:
    pixels = np.zeros((3, 4, 5), np.uint8)
    layer = (Image if kind == "image" else Labels)(pixels, **PLACES[place])
    attributes = json.loads(json.dumps(attributes_of(layer)))
    record = LayerRecord(kind=kind, file=FILES[kind], attributes=attributes)
    check_state(ProjectState(layers=(record,)), DOCUMENT)
    opened = add_layer(ViewerModel(), record, pixels)
    corners = [[0, 0, 0], [2, 0, 4], [1, 3, 2]]
    there = [layer.data_to_world(corner) for corner in corners]
    np.testing.assert_allclose([opened.data_to_world(corner) for corner in corners], there)
    if kind == "image":  # opened from a stack that the project points to
        plain = Image(pixels)
        dress(plain, record)
        np.testing.assert_allclose([plain.data_to_world(corner) for corner in corners], there)


@pytest.mark.parametrize("kind", ["image", "labels"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("opacity", "much"),
        ("blending", "of oil"),
        ("scale", [0, 1, 1]),
        ("scale", 3),
        ("units", ["apple", "pear", "plum"]),
        ("axis_labels", 3),
        ("translate", ["here"]),
        ("rotate", "left"),
        ("rotate", [[1, 2], [3, 4], [5, 6]]),
        ("shear", [[1, 2]]),
        ("affine", [["x", 0], [0, 1]]),
        ("affine", [[0, 0, 0, 0]] * 4),
    ],
)
def test_a_value_that_no_layer_has_is_reported(kind: str, name: str, value: Any) -> None:
    with pytest.raises(UserError, match=r"project\.json is damaged"):
        check_state(ProjectState(layers=(recorded(kind, **{name: value}),)), DOCUMENT)


@pytest.mark.parametrize(
    "view",
    [{"zoom": "near"}, {"zoom": -1}, {"center": [1]}, {"current_step": "2"}, {"active": [1]}],
)
def test_a_view_that_no_window_has_is_reported(view: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"project\.json is damaged"):
        check_state(ProjectState(view=view), DOCUMENT)


@pytest.mark.parametrize(
    "metadata",
    [
        {"label_convention": "x"},
        {"corrected_slices": ["one"]},
        {"unpredicted_slices": 3},
        {"class_thresholds": ["membrane"]},
        {"class_thresholds": {"membrane": 2.0}},
        {"class_thresholds": {"membrane": "high"}},
        {"operations_saved": {"operations-0.jsonl": -1}},
    ],
)
def test_metadata_that_no_labels_have_is_reported(metadata: dict[str, Any]) -> None:
    record = LayerRecord(kind="labels", file="labels/a.tif", attributes={}, metadata=metadata)
    with pytest.raises(UserError, match=r"project\.json is damaged"):
        check_state(ProjectState(layers=(record,)), DOCUMENT)
