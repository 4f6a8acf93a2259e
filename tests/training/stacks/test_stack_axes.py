import dask.array as da
import numpy as np

from training.stacks.stack_axes import as_stack


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
