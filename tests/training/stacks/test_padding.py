import numpy as np
import pytest
from scipy import ndimage

from training.stacks.padding import find_any_padding, find_padding


@pytest.fixture
def tissue() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 255, (60, 90), dtype=np.uint8)


def test_tissue_has_none(tissue: np.ndarray) -> None:
    assert not find_padding(tissue).any()
    assert find_any_padding(tissue) is False


@pytest.mark.parametrize("quarters", range(4))
def test_any_is_found_on_whichever_side_it_is(tissue: np.ndarray, quarters: int) -> None:
    tissue[:3, 10:30] = 0
    image = np.rot90(tissue, quarters)
    found = find_any_padding(image)
    assert np.sum(found) == 60
    np.testing.assert_array_equal(found, find_padding(image))


@pytest.mark.parametrize("value", [0, 255, 77])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_a_border_of_one_value(tissue: np.ndarray, value: int, dtype: str) -> None:
    padding = np.zeros(tissue.shape, bool)
    padding[:9] = padding[:, -20:] = True
    image = np.where(padding, value, tissue).astype(dtype)
    found = find_padding(image)
    assert found[padding].all()
    assert found[~padding].mean() < 0.01, "some pixels beside it may have its value"


def test_a_border_on_each_side_of_a_value_of_its_own(tissue: np.ndarray) -> None:
    tissue[:5], tissue[-5:] = 0, 255
    tissue[5:-5, :3], tissue[5:-5, -3:] = 77, 9
    found = find_padding(tissue)
    assert found[[4, 5, -6, -5], 40].tolist() == [True, False, False, True]
    assert found[30, [2, 3, -4, -3]].tolist() == [True, False, False, True]


def test_the_corners_of_a_turned_slice(tissue: np.ndarray) -> None:
    turned = ndimage.rotate(tissue, 20, order=0, cval=0)
    empty = ndimage.rotate(np.ones_like(tissue), 20, order=0, cval=0) == 0
    np.testing.assert_array_equal(find_padding(turned), empty)


def test_a_missing_section_is_padding() -> None:
    assert find_padding(np.zeros((40, 50), np.uint16)).all()


def test_dark_membranes_that_touch_the_edge_are_none(tissue: np.ndarray) -> None:
    """Saturated: all of 0, as wide as a membrane, and connected to a border of 0."""
    rows, columns = np.indices(tissue.shape)
    tissue[np.abs(columns - 20 - rows) < 3] = tissue[30:35] = 0
    assert not find_padding(tissue).any()
    tissue[:10] = 0
    found = find_padding(tissue)
    assert found[:10].all() and not found[20:].any()


@pytest.mark.parametrize(
    ("length", "run", "is_padding"), [(40, 7, 0), (40, 8, 1), (160, 19, 0), (160, 20, 1)]
)
def test_a_padded_edge_has_8_pixels_and_an_eighth_of_it_in_a_row(
    length: int, run: int, is_padding: int
) -> None:
    image = np.random.default_rng(0).integers(1, 255, (30, length), dtype=np.uint8)
    image[:3, 10 : 10 + run] = 0
    assert find_padding(image).sum() == 3 * run * is_padding


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (37, 3)])
def test_tiny_images(shape: tuple[int, int]) -> None:
    image = np.arange(shape[0] * shape[1], dtype=np.uint8).reshape(shape)
    assert find_padding(image).shape == shape
    assert not find_padding(image).any()
