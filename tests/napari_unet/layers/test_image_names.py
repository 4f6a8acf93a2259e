"""Which image a layer is of, while images are renamed, removed and opened."""

import numpy as np
from napari.components import ViewerModel

from napari_unet.layers.image_names import ImageNames
from napari_unet.layers.layer_search import image_under
from napari_unet.layers.plugin_layers import add_mask, add_neurons

STACK = np.zeros((3, 8, 9), np.uint8)


def test_layers_stay_with_their_images_when_these_swap_their_names() -> None:
    viewer = ViewerModel()
    names = ImageNames(viewer)
    viewer.layers.events.renamed.connect(lambda _: names.follow())
    first, second = (viewer.add_image(STACK, name=name) for name in ("first", "second"))
    names.follow()
    masks = [add_mask(viewer, STACK.copy(), image, "mask") for image in (first, second)]
    first.name = "third"
    second.name = "first"
    first.name = "second"
    assert [image_under(viewer, mask) for mask in masks] == [first, second]


def test_another_image_of_the_same_shape_is_not_what_layers_are_of() -> None:
    viewer = ViewerModel()
    image = viewer.add_image(STACK, name="removed")
    mask = add_mask(viewer, STACK.copy(), image, "mask")
    viewer.add_image(STACK, name="other")
    viewer.layers.remove(image)
    assert image_under(viewer, mask) is None
    again = viewer.add_image(STACK, name="removed")
    assert image_under(viewer, mask) is again


def test_what_is_found_in_labels_is_of_their_image() -> None:
    viewer = ViewerModel()
    image = viewer.add_image(STACK, name="tissue")
    viewer.add_image(STACK, name="other")
    mask = add_mask(viewer, STACK.copy(), image, "mask")
    parts = add_neurons(viewer, STACK.astype(np.int32), mask, "parts")
    assert image_under(viewer, parts) is image
