"""Stacks that are opened beside layers that are open already."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari import Viewer
from napari.components import ViewerModel

from napari_unet.layers.arrangement import arrange_after_adding, lay_labels_over, place_in_viewer

STACK = np.zeros((3, 8, 9), np.uint8)
SIZED: dict[str, Any] = {"scale": (50, 4, 4), "units": ("nm",) * 3}


def names(viewer: ViewerModel) -> list[str]:
    return [layer.name for layer in viewer.layers]


def test_an_image_goes_below_all_labels_of_its_shape() -> None:
    viewer = ViewerModel()
    viewer.add_image(STACK, name="other")
    viewer.add_labels(STACK.copy(), name="mask")
    viewer.add_labels(STACK[:2].copy(), name="labels of another")
    viewer.add_labels(STACK.copy(), name="strokes")
    lay_labels_over(viewer, viewer.add_image(STACK, name="tissue"))
    assert names(viewer) == ["other", "tissue", "mask", "labels of another", "strokes"]


def test_labels_without_a_pixel_size_or_a_place_take_the_image_s() -> None:
    viewer = ViewerModel()
    plain = viewer.add_labels(STACK.copy())
    sized = viewer.add_labels(STACK.copy(), **SIZED)
    others = viewer.add_labels(STACK.copy(), scale=(1, 2, 3))
    image = viewer.add_image(STACK, translate=(100, 2, -30), **SIZED)
    lay_labels_over(viewer, image)
    for layer in (plain, sized):
        np.testing.assert_array_equal(layer.scale, image.scale)
        np.testing.assert_array_equal(layer.translate, image.translate)
        assert layer.units == image.units
    np.testing.assert_array_equal(others.scale, (1, 2, 3))
    np.testing.assert_array_equal(others.translate, (0, 0, 0))


def test_an_image_without_labels_stays_on_top() -> None:
    viewer = ViewerModel()
    viewer.add_labels(STACK[:2].copy(), name="labels of another")
    lay_labels_over(viewer, viewer.add_image(STACK, name="tissue"))
    assert names(viewer) == ["labels of another", "tissue"]


@pytest.mark.parametrize("is_labels", [False, True])
def test_the_scale_is_that_of_the_partner_of_one_s_shape(
    make_napari_viewer: Callable[..., Viewer], is_labels: bool
) -> None:
    assert place_in_viewer(STACK.shape, is_labels) == {}  # there is no window yet
    viewer = make_napari_viewer()
    viewer.add_labels(STACK.copy(), scale=(30, 3, 3), units=("nm",) * 3)
    viewer.add_image(STACK, **SIZED)
    found = place_in_viewer(STACK.shape, is_labels)
    np.testing.assert_array_equal(found["scale"], (50, 4, 4) if is_labels else (30, 3, 3))
    assert place_in_viewer((2, 8, 9), is_labels) == {}


def test_images_are_arranged_once_napari_has_added_them(
    make_napari_viewer: Callable[..., Viewer],
) -> None:
    viewer = make_napari_viewer()
    viewer.add_labels(STACK.copy(), name="labels")
    opened = STACK.copy()
    arrange_after_adding([opened])
    viewer.add_image(STACK, name="another's")
    viewer.add_image(opened, name="opened")
    assert names(viewer) == ["opened", "labels", "another's"]
    viewer.add_image(opened, name="opened again")
    assert names(viewer)[-1] == "opened again"  # the opening ended before
