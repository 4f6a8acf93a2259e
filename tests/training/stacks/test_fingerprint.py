from collections.abc import Callable
from pathlib import Path

import dask.array
import numpy as np
import pytest
import tifffile

from training.opening import open_stack
from training.stacks.fingerprint import fingerprint


@pytest.fixture
def stack() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4000, (9, 12, 15), dtype=np.uint16)


@pytest.mark.parametrize("form", [dask.array.from_array, lambda stack: stack.astype(">u2")])
def test_the_same_pixels_have_the_same_fingerprint(
    stack: np.ndarray, tmp_path: Path, form: Callable[[np.ndarray], np.ndarray]
) -> None:
    assert fingerprint(form(stack)) == fingerprint(stack)
    tifffile.imwrite(tmp_path / "stack.tif", form(stack), photometric="minisblack")
    with open_stack(tmp_path / "stack.tif") as file:
        assert fingerprint(file) == fingerprint(stack)


@pytest.mark.parametrize(
    "change",
    [
        lambda stack: stack[:-1],
        lambda stack: stack[::-1],
        lambda stack: stack + 1,
        lambda stack: stack.astype(np.uint32),
        lambda stack: stack.transpose(0, 2, 1),
    ],
)
def test_other_stacks_have_other_fingerprints(
    stack: np.ndarray, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    assert fingerprint(change(stack)) != fingerprint(stack)
