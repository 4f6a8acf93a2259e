import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_unet.layers.label_values import reading_of, some_values
from napari_unet.layers.plugin_layers import (
    CONVENTION_KEY,
    add_errors,
    add_mask,
    add_neurons,
    add_probability,
    add_sparse_labels,
    are_new_labels,
    is_mask,
    is_paintable_mask,
    is_tissue,
    is_truth,
    role,
    why_not_paintable,
    why_not_stack,
)
from napari_unet.layers.slices import stack_shape
from tests.training.stacks.indexed_pixels import IndexedPixels
from training.label_convention import LabelConvention

STACK = np.zeros((5, 8, 9), np.uint8)


def test_layers_lie_right_over_their_image() -> None:
    viewer = ViewerModel()
    image = viewer.add_image(
        STACK, scale=(50, 4, 4), translate=(1, 2, 3), units=("nm",) * 3, axis_labels=("z", "y", "x")
    )
    mask = add_mask(viewer, STACK.copy(), image, "mask")
    assert role(mask) == "mask" and role(image) is None
    add_probability(viewer, STACK.astype(np.float32), image, "probability")
    add_neurons(viewer, STACK.astype(np.int32), image, "neurons")
    add_sparse_labels(viewer, STACK.copy(), image, "strokes")
    add_errors(viewer, STACK.copy(), mask)
    for layer in viewer.layers:
        np.testing.assert_array_equal(layer.extent.world, image.extent.world)
        assert layer.units == image.units and layer.axis_labels == image.axis_labels


@pytest.mark.parametrize(
    "layer",
    [
        Image(STACK),
        Image(STACK[0]),
        Image(STACK[np.newaxis]),
        Image(STACK[np.newaxis, np.newaxis]),
        Image(IndexedPixels(STACK[np.newaxis])),
        Image([da.from_array(STACK), da.from_array(STACK[:, ::2, ::2])], multiscale=True),
        Labels([STACK, STACK[:, ::2, ::2]], multiscale=True),
    ],
)
def test_stacks_of_any_reader_can_be_worked_on(layer: Image | Labels) -> None:
    assert not why_not_stack(layer)
    assert stack_shape(layer)[1:] == STACK.shape[1:]


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (Image(np.zeros((8, 9, 3), np.uint8), rgb=True, name="it"), "'it' is a colour image"),
        (
            Image(np.zeros((2, *STACK.shape)), name="it"),
            "'it' has 4 dimensions, 2 x 5 x 8 x 9: open one stack",
        ),
        (Labels(np.zeros((2, 1, 5, 8, 9), int), name="it"), "'it' has 5 dimensions"),
    ],
)
def test_a_layer_that_is_no_stack_is_told_why(layer: Image | Labels, reason: str) -> None:
    assert reason in why_not_stack(layer)


@pytest.mark.filterwarnings("ignore:invalid value encountered in divide")  # napari's
def test_a_stack_without_slices_is_told_from_others() -> None:
    empty = Image(np.zeros((0, 8, 9), np.uint8), name="it")
    assert why_not_stack(empty) == "'it' has no pixels: its shape is 0 x 8 x 9."
    assert not is_tissue(empty)


def test_labels_of_several_resolutions_are_judged_but_not_painted_on() -> None:
    layer = Labels([STACK, STACK[:, ::2, ::2]], multiscale=True, name="it")
    assert is_mask(layer) and is_truth(layer)
    assert not is_paintable_mask(layer) and not are_new_labels(layer)
    assert "'it' has several resolutions, on which napari can't paint" in why_not_paintable(layer)


def test_labels_that_can_only_be_read_are_not_painted_on() -> None:
    pixels = STACK.copy()
    pixels.flags.writeable = False
    layer = Labels(pixels, name="it")
    assert is_mask(layer) and not is_paintable_mask(layer) and not are_new_labels(layer)
    assert "The pixels of 'it' can only be read" in why_not_paintable(layer)


def test_numbers_of_cells_are_told_from_masks() -> None:
    numbers = np.arange(60, dtype=np.int32).reshape(1, 6, 10).repeat(8, 1).repeat(8, 2)
    mask = (numbers % 7 == 0).astype(np.uint8)
    assert reading_of(Labels(numbers)).convention == LabelConvention.INSTANCES
    assert reading_of(Labels(numbers[0])).convention == LabelConvention.INSTANCES
    assert reading_of(Labels(mask)).convention == LabelConvention.MEMBRANE
    mask[0, :8, :8] = 9
    assert reading_of(Labels(mask)).convention == LabelConvention.MEMBRANE
    opened = Labels(numbers, metadata={CONVENTION_KEY: LabelConvention.ISBI})
    assert reading_of(opened).convention == LabelConvention.MEMBRANE


def test_labels_that_can_only_be_indexed_are_looked_at() -> None:
    pixels = STACK.copy()
    pixels[1, 4, 4] = 2
    for data in (pixels, pixels[1]):
        assert some_values(IndexedPixels(data)) == {0, 2}
