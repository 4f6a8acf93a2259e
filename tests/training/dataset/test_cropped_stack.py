from pathlib import Path

import h5py
import numpy as np
import pytest

from training.dataset.training_pair import open_pair
from training.errors import UserError
from training.opening import read_stack


def write_cremi(path: Path, images: np.ndarray, offset: tuple[float, ...]) -> tuple[Path, Path]:
    """Images with labels of a box in them, whose place is recorded in nm."""
    labels = 1 + np.arange(4 * 30 * 40, dtype=np.uint64).reshape(4, 30, 40) % 40 // 10
    with h5py.File(path, "w") as file:
        file["volumes/raw"] = images
        file["volumes/labels/neuron_ids"] = labels
        for data in (file["volumes/raw"], file["volumes/labels/neuron_ids"]):
            data.attrs["resolution"] = (40.0, 4.0, 4.0)
        file["volumes/labels/neuron_ids"].attrs["offset"] = offset
    return path / "volumes/raw", path / "volumes/labels/neuron_ids"


def test_images_are_cropped_to_labels_that_say_where_they_are(
    tmp_path: Path, images: np.ndarray
) -> None:
    paths = write_cremi(tmp_path / "a.h5", images, (80, 20, 40))
    with open_pair(*paths, None) as pair:
        assert pair.images.shape == (4, 30, 40)
        cropped = np.stack(list(pair.images))
    np.testing.assert_array_equal(cropped, images[2:6, 5:35, 10:50])
    np.testing.assert_array_equal(read_stack(paths[0]), images)


@pytest.mark.parametrize("offset", [(80, 20, 200), (-40, 0, 0), (80, 21, 40)])
def test_a_place_that_can_t_be_is_refused(
    tmp_path: Path, images: np.ndarray, offset: tuple[float, ...]
) -> None:
    paths = write_cremi(tmp_path / "a.h5", images, offset)
    with pytest.raises(UserError, match=r"neuron_ids records that it begins at"):
        open_pair(*paths, None).__enter__()
