import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.events import Event

from napari_unet.layers import add_mask, displayed_slice, edited_slices, role, show_slice

STACK = np.zeros((5, 8, 9), np.uint8)


@pytest.mark.parametrize(
    "place",
    [
        {},
        {"scale": (50, 4, 4)},
        {"scale": (50, 4, 4), "units": ("nm",) * 3},
        {"scale": (2, 1, 1), "translate": (100, 0, 0)},
    ],
)
def test_slider_and_slice_are_translated_into_each_other(place: dict[str, object]) -> None:
    viewer = ViewerModel()
    layer = viewer.add_image(STACK, **place)
    for index in range(5):
        show_slice(viewer, layer, index)
        assert displayed_slice(viewer, layer) == index
        assert viewer.dims.current_step[0] == index


def test_a_slice_is_found_among_longer_stacks_and_more_axes() -> None:
    viewer = ViewerModel()
    short = viewer.add_image(STACK)
    viewer.add_image(np.zeros((2, 12, 8, 9)))
    viewer.dims.set_current_step(1, 3)
    assert displayed_slice(viewer, short) == 3
    viewer.dims.set_current_step(1, 7)
    assert displayed_slice(viewer, short) is None, "beyond the short stack"
    show_slice(viewer, short, 2)
    assert viewer.dims.current_step[1] == 2


def test_a_single_image_is_its_only_slice() -> None:
    viewer = ViewerModel()
    single = viewer.add_image(STACK[0])
    viewer.add_image(STACK)
    viewer.dims.set_current_step(0, 3)
    assert displayed_slice(viewer, single) == 0


def test_edits_tell_their_slices() -> None:
    layer = Labels(STACK.copy())
    edited: list[set[int]] = []

    def on_paint(event: Event) -> None:
        edited.append(edited_slices(event))

    layer.events.paint.connect(on_paint)
    layer.paint((3, 4, 4), 1)
    layer.data_setitem((np.array([0, 4, 4]), np.array([0, 1, 2]), np.array([0, 0, 0])), 1)
    layer.fill((1, 4, 4), 2)
    layer.n_edit_dimensions, layer.brush_size = 3, 3
    layer.paint((2, 4, 4), 3)
    assert edited == [{3}, {0, 4}, {1}, {1, 2, 3}]


def test_a_mask_lies_right_over_its_image() -> None:
    viewer = ViewerModel()
    image = viewer.add_image(
        STACK, scale=(50, 4, 4), translate=(1, 2, 3), units=("nm",) * 3, axis_labels=("z", "y", "x")
    )
    mask = add_mask(viewer, STACK.copy(), image, "mask")
    assert role(mask) == "mask" and role(image) is None
    np.testing.assert_array_equal(mask.extent.world, image.extent.world)
    assert mask.units == image.units and mask.axis_labels == image.axis_labels
