import numpy as np
import pytest
from napari.components import ViewerModel

from napari_unet.layers.levels import add_level


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("rounds_up", [False, True])
def test_the_pixels_of_a_level_lie_in_the_middle_of_those_that_they_are_made_of(
    factor: int, rounds_up: bool
) -> None:
    viewer, stack = ViewerModel(), np.zeros((1, 5, 61, 83), np.uint8)
    shape = [-(-side // factor) if rounds_up else side // factor for side in stack.shape[2:]]
    image = viewer.add_image(
        [stack, np.zeros((1, 5, *shape), np.uint8)],
        multiscale=True,
        scale=(1, 50, 4, 5),
        translate=(0, 7, 8, 9),
        rotate=30,
        affine=np.diag((1, 1, 2, 2, 1)),
        units=("s", "nm", "nm", "nm"),
    )
    level = add_level(viewer, image, 1)
    rows = np.array([[0, 3, 10 * factor + row, 7 * factor] for row in range(factor)])
    columns = np.array([[0, 0, 0, column] for column in range(factor)])
    made_of = [image.data_to_world(row + column) for row in rows for column in columns]
    np.testing.assert_allclose(level.data_to_world((0, 3, 10, 7)), np.mean(made_of, axis=0))
    assert level.units == image.units
    assert add_level(viewer, image, 1) is level and add_level(viewer, image, 0) is image
