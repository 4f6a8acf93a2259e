import dask.array as da
import numpy as np
import pytest

from tests.training.stacks.indexed_pixels import IndexedPixels
from training.stacks.stack_axes import as_stack, is_stack


def test_a_slice_becomes_a_stack_that_shares_its_pixels() -> None:
    pixels = np.zeros((4, 5), np.uint8)
    stack = as_stack(pixels)
    assert stack.shape == (1, 4, 5)
    pixels[1, 2] = 7
    assert stack[0, 1, 2] == 7


def test_a_stack_stays_as_it_is() -> None:
    stack = np.zeros((3, 4, 5))
    assert as_stack(stack) is stack


def test_a_lazy_slice_stays_lazy() -> None:
    assert isinstance(as_stack(da.zeros((4, 5))), da.Array)


@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 3, 4, 5), (1, 1, 3, 4, 5)])
def test_axes_of_length_one_before_a_stack_are_left_out(shape: tuple[int, ...]) -> None:
    pixels = np.zeros(shape, np.uint8)
    assert is_stack(pixels) and as_stack(pixels).shape == (3, 4, 5)
    as_stack(pixels)[1, 2, 3] = 7
    assert pixels[..., 1, 2, 3].item() == 7
    assert as_stack(da.from_array(pixels)).shape == (3, 4, 5)
    assert not is_stack(np.zeros((2, *shape)))


@pytest.mark.parametrize("shape", [(3, 4, 5), (4, 5), (1, 1, 3, 4, 5)])
def test_pixels_that_can_only_be_indexed_are_a_sequence_of_slices(shape: tuple[int, ...]) -> None:
    pixels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    stack, expected = as_stack(IndexedPixels(pixels)), pixels.reshape(-1, 4, 5)
    assert (len(stack), stack.shape, stack.dtype) == (len(expected), expected.shape, np.uint16)
    np.testing.assert_array_equal(np.stack(list(stack)), expected)
    np.testing.assert_array_equal(stack[-1, 1:3], expected[-1, 1:3])
    assert as_stack(stack) is stack
