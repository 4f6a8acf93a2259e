"""Commands of the Layers menu, which act on the selected layers alone."""

import numpy as np
from napari.components import ViewerModel

from napari_unet.layers.menu_commands import ISBI_VOXEL, set_isbi_voxel_size

STACK = np.zeros((3, 8, 9), np.uint8)


def test_selected_layers_of_any_dimension_get_the_voxels_of_isbi() -> None:
    viewer = ViewerModel()
    layers = [viewer.add_image(data) for data in (STACK[0], STACK, STACK[np.newaxis])]
    other = viewer.add_image(STACK)
    viewer.layers.selection = set(layers)
    viewer.dims.current_step = (0, 2, 0, 0)
    set_isbi_voxel_size(viewer)
    flat, stack, series = layers
    np.testing.assert_array_equal(flat.scale, ISBI_VOXEL[1:])
    np.testing.assert_array_equal(stack.scale, ISBI_VOXEL)
    np.testing.assert_array_equal(series.scale, (1, *ISBI_VOXEL))
    assert {str(unit) for unit in stack.units} == {"nanometer"}
    np.testing.assert_array_equal(other.scale, (1, 1, 1))


def test_the_slice_that_is_shown_stays_shown() -> None:
    viewer = ViewerModel()
    viewer.layers.selection = {viewer.add_image(STACK)}
    viewer.dims.current_step = (2, 0, 0)
    set_isbi_voxel_size(viewer)
    assert viewer.dims.current_step[0] == 2
