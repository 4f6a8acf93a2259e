"""Labels of classes in a viewer: opened, saved, kept in a project and read."""

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_unet.layers.class_layers import CLASSES_KEY, layer_classes
from napari_unet.layers.label_values import reading_of
from napari_unet.layers.plugin_layers import are_new_labels, is_mask, is_truth
from napari_unet.projects.layer_records import (
    add_layer,
    attributes_of,
    check_state,
    metadata_of,
    note_of,
)
from napari_unet.projects.records import LayerRecord, ProjectState
from napari_unet.stacks.napari_writer import write_labels
from napari_unet.widgets.files.file_opening import get_reader
from training.errors import UserError
from training.label_classes import LabelClasses
from training.masks.writer_choice import write_stack
from training.opening import open_stack
from training.stacks.sparse_labels import INSIDE, MEMBRANE, LabelNote

CLASSES = LabelClasses.parse("membrane=1#FF0000,mitochondria=5")


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).choice([0, 1, 5], (3, 16, 16)).astype(np.uint8)


@pytest.fixture
def layer(tmp_path: Path, values: np.ndarray) -> Labels:
    path = tmp_path / "classes.tif"
    write_stack(path, values, np.uint8, is_label=True, classes=CLASSES)
    [(data, attributes, kind)] = get_reader(str(path))(str(path))
    assert kind == "labels"
    return Labels(data, **attributes)


def record_of(layer: Labels) -> LayerRecord:
    return LayerRecord(
        kind="labels",
        file="labels/a.tif",
        attributes=attributes_of(layer),
        metadata=metadata_of(layer),
    )


def test_a_file_that_names_classes_opens_with_its_values_names_and_colours(
    layer: Labels, values: np.ndarray
) -> None:
    np.testing.assert_array_equal(layer.data, values)
    assert layer_classes(layer) == CLASSES
    np.testing.assert_allclose(layer.get_color(1), [1, 0, 0, 1])
    assert layer.colormap.map(np.zeros((1, 1), np.uint8))[0, 0, 3] == 0
    place = np.argwhere(values[0] == 5)[0]
    assert "mitochondria" in str(layer.get_status((0, *place))["value"])


def test_it_is_saved_with_its_classes(layer: Labels, values: np.ndarray, tmp_path: Path) -> None:
    data, attributes, _ = layer.as_layer_data_tuple()
    write_labels(str(tmp_path / "saved.tif"), data, attributes)
    with open_stack(tmp_path / "saved.tif", "labels") as saved:
        assert saved.label_note.classes == CLASSES
        np.testing.assert_array_equal(saved[1], values[1])


def test_a_project_keeps_names_and_colours(layer: Labels, values: np.ndarray) -> None:
    record = record_of(layer)
    assert LabelNote.find(note_of(layer)).classes == CLASSES
    check_state(ProjectState(layers=(record,)), Path("project.json"))
    again = add_layer(ViewerModel(), record, values)
    assert layer_classes(again) == CLASSES
    np.testing.assert_allclose(again.get_color(1), [1, 0, 0, 1])


def test_a_damaged_project_is_refused(layer: Labels) -> None:
    layer.metadata[CLASSES_KEY] = "<b>"
    with pytest.raises(UserError, match="damaged"):
        check_state(ProjectState(layers=(record_of(layer),)), Path("project.json"))


def test_it_is_neither_a_mask_nor_strokes_but_a_truth_whatever_its_classes(layer: Labels) -> None:
    drawn = Labels(layer.data, metadata=dict(layer.metadata))
    for one in (layer, drawn):
        assert not is_mask(one) and not are_new_labels(one)
        assert is_truth(one)
    drawn.metadata[CLASSES_KEY] = "nucleus=1,mitochondria=5"
    assert is_truth(drawn)  # of layers of these classes
    assert are_new_labels(Labels(layer.data)) and is_mask(Labels(layer.data))


def test_as_truth_of_membranes_it_is_read_by_the_class_of_that_name(
    layer: Labels, values: np.ndarray
) -> None:
    codes = reading_of(layer).read(layer.data)
    np.testing.assert_array_equal(codes, np.where(values == 1, MEMBRANE, INSIDE))
    layer.metadata[CLASSES_KEY] = "nucleus=1,mitochondria=5"
    with pytest.raises(UserError, match="none of these is membrane"):
        reading_of(layer).read(layer.data)
