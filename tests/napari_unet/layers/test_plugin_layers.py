import numpy as np
from napari.components import ViewerModel

from napari_unet.layers.plugin_layers import (
    add_errors,
    add_mask,
    add_neurons,
    add_probability,
    add_sparse_labels,
    role,
)

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
