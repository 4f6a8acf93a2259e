"""Layers as a project records them: what napari accepts of a document from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_unet.projects.layer_records import attributes_of, check_state, metadata_of
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


@pytest.mark.parametrize("metadata", [{"label_convention": "x"}, {"corrected_slices": ["one"]}])
def test_metadata_that_no_labels_have_is_reported(metadata: dict[str, Any]) -> None:
    record = LayerRecord(kind="labels", file="labels/a.tif", attributes={}, metadata=metadata)
    with pytest.raises(UserError, match=r"project\.json is damaged"):
        check_state(ProjectState(layers=(record,)), DOCUMENT)
