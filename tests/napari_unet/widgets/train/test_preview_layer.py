from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_unet.layers.plugin_layers import is_preview
from napari_unet.runs.run_progress import Curves, PreviewImage, RunProgress
from napari_unet.widgets.train.preview_layer import PreviewLayer
from training.runs.run_state import RunState

PREVIEW = PreviewImage(np.full((8, 9), 7, np.uint8), slice=3, step=1)


@pytest.fixture
def images() -> Image:
    return Image(np.zeros((5, 8, 9), np.uint8), scale=(50, 4, 4))


def previews(viewer: ViewerModel) -> list[Image]:
    return [layer for layer in viewer.layers if isinstance(layer, Image) and is_preview(layer)]


def test_a_preview_is_shown_in_the_blank_layer_that_was_there_before(images: Image) -> None:
    viewer = ViewerModel()
    layer = PreviewLayer(viewer)
    layer.prepare(3, images)
    (blank,) = previews(viewer)
    assert not blank.data.any()
    assert tuple(blank.translate) == (150, 0, 0)
    layer.prepare(3, images)
    layer.show(PREVIEW, images)
    assert previews(viewer) == [blank]
    assert (blank.data == 7).all()
    layer.remove_blank()
    assert previews(viewer) == [blank]


def test_a_blank_layer_goes_with_a_run_that_ends_before_its_first_preview(images: Image) -> None:
    viewer = ViewerModel()
    layer = PreviewLayer(viewer)
    layer.prepare(3, images)
    layer.remove_blank()
    assert not previews(viewer)
    layer.prepare(3, images)
    assert len(previews(viewer)) == 1


def test_a_blank_layer_that_was_removed_stays_away_until_it_is_revealed(images: Image) -> None:
    viewer = ViewerModel()
    layer = PreviewLayer(viewer)
    layer.prepare(3, images)
    viewer.layers.clear()
    layer.prepare(3, images)
    layer.show(PREVIEW, images)
    assert not previews(viewer)
    layer.reveal()
    (shown,) = previews(viewer)
    assert (shown.data == 7).all()


def test_a_hidden_layer_is_seen_with_the_next_run_or_on_request(images: Image) -> None:
    viewer = ViewerModel()
    layer = PreviewLayer(viewer)
    layer.show(PREVIEW, images)
    (shown,) = previews(viewer)
    layer.hide()
    assert not shown.visible
    layer.reveal()
    assert shown.visible
    layer.hide()
    layer.forget()
    layer.show(PREVIEW, images)
    assert shown.visible


def test_one_layer_serves_one_run_after_the_other_and_the_next_dock(images: Image) -> None:
    viewer = ViewerModel()
    layer = PreviewLayer(viewer)
    layer.prepare(3, images)
    layer.show(PREVIEW, images)
    (first,) = previews(viewer)
    layer.forget()
    assert not first.data.any()
    small = PreviewImage(np.full((4, 4), 9, np.uint8), slice=1, step=1)
    layer.show(small, None)
    PreviewLayer(viewer).show(PREVIEW, images)
    assert previews(viewer) == [first]
    assert (first.data == 7).all()
    assert tuple(first.translate) == (150, 0, 0) and tuple(first.scale) == (50, 4, 4)


def test_a_preview_of_several_volumes_lies_over_the_one_that_it_is_of(images: Image) -> None:
    viewer, state = ViewerModel(), RunState()
    layer = PreviewLayer(viewer)
    preview = replace(PREVIEW, volume="crop two")
    progress = RunProgress("run", "run", "running", True, state, Curves.of(state), preview)
    layer.follow(progress, images, images)
    assert not list(viewer.layers)
    viewer.add_image(images.data, name="crop one")
    viewer.add_image(images.data, name="crop two", translate=(0, 70, 80))
    layer.follow(progress, images, images)
    assert tuple(viewer.layers[-1].translate) == (3, 70, 80)
