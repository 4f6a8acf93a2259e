import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.events import Event

from napari_unet.layers.slices import displayed_slice, edited_slices, show_slice

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


@pytest.mark.parametrize("unit", ["um", "pixel"])
def test_a_slice_is_found_beside_a_layer_in_other_units(unit: str) -> None:
    viewer = ViewerModel()
    ours = viewer.add_image(STACK, scale=(50, 4, 4), units=("nm",) * 3, axis_labels=("z", "y", "x"))
    theirs = viewer.add_image(STACK, scale=(0.05, 0.004, 0.004), units=(unit,) * 3)
    layers = (ours, theirs) if unit == "um" else (ours,)  # else they lie apart
    for layer in layers:
        show_slice(viewer, layer, 3)
        assert [displayed_slice(viewer, layer) for layer in layers] == [3] * len(layers)
        assert ours._slice_input.world_slice.point[0] == pytest.approx(150)
    assert viewer.dims.axis_labels == ("z", "y", "x")


def test_a_slice_is_asked_for_while_the_last_layer_goes() -> None:
    viewer = ViewerModel()
    layer = viewer.add_image(STACK)
    shown: list[int | None] = []

    def on_moved(event: Event) -> None:
        shown.append(displayed_slice(viewer, layer))

    viewer.dims.events.connect(on_moved)
    viewer.layers.clear()
    assert shown


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
