import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels

from napari_unet.layers.plugin_layers import (
    CONVENTION_KEY,
    add_errors,
    add_mask,
    add_neurons,
    add_probability,
    add_sparse_labels,
    can_be_strokes,
    reading_of,
    role,
)
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
        assert can_be_strokes(Labels(IndexedPixels(data)))
        assert not can_be_strokes(Labels(IndexedPixels(data * 4)))
