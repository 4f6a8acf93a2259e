"""Parts of slices read from the files of a Zarr array, without Zarr."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_unet.neurons.probability_chunks import ProbabilityChunks
from training.errors import UserError

SHAPE = 2, 50, 37  # whose last chunks are cut


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    chunks = {"chunks": (1, 16, 16), "compressors": None}
    array = zarr.create_array(tmp_path / "p.zarr", shape=SHAPE, dtype="float32", **chunks)
    array[:] = np.random.default_rng(0).random(SHAPE, np.float32)
    return tmp_path / "p.zarr"


@pytest.mark.parametrize(
    "place",
    [
        (0, slice(0, 50), slice(0, 37)),
        (1, slice(15, 33), slice(15, 33)),
        (1, slice(16, 32), slice(0, 16)),
        (0, slice(49, 50), slice(30, 37)),
        (1, slice(3, 5), slice(31, 33)),
    ],
)
def test_any_part_is_as_zarr_reads_it(folder: Path, place: tuple[int, slice, slice]) -> None:
    pages = pickle.loads(pickle.dumps(ProbabilityChunks(folder)))
    assert pages.shape == SHAPE
    found = pages[place]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, zarr.open_array(folder, mode="r")[place])


@pytest.mark.parametrize("is_there", [False, True])
def test_a_missing_or_cut_chunk_is_told(folder: Path, is_there: bool) -> None:
    chunk = folder / "c/1/1/0"
    content = chunk.read_bytes()
    chunk.unlink()
    if is_there:
        chunk.write_bytes(content[:-1])
    pages = ProbabilityChunks(folder)
    with pytest.raises(UserError, match=r"p\.zarr can't be read"):
        pages[1, slice(0, 50), slice(0, 37)]
    pages[0, slice(0, 50), slice(0, 37)]
