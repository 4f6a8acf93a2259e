"""What predictions on servers brought home, as it is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_unet.launchers.servers.predictions.record import PredictionRecord, write_prediction
from napari_unet.runs.prediction_results import read_results, results_here
from training.errors import UserError
from training.runs.run_directory import RunDirectory

pytestmark = pytest.mark.portable
PROBABILITY = np.random.default_rng(0).random((5, 6, 7), np.float32)
Make = Callable[..., RunDirectory]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a prediction's folder with files, by name."""

    def make(record: dict[str, object], **files: np.ndarray) -> RunDirectory:
        run = RunDirectory(tmp_path / "predict-1")
        run.path.mkdir()
        whole = {"model": "starter", "stack": "lab:/a.tif", "results": {}, "request": "0" * 64}
        write_prediction(run, PredictionRecord.model_validate(whole | record))
        for name, pages in files.items():
            tifffile.imwrite(run.path / f"{name}.tif", pages)
        return run

    return make


@pytest.mark.parametrize(("convention", "membrane"), [("isbi", 0), ("membrane", 255)])
def test_a_mask_is_read_by_its_convention(make: Make, convention: str, membrane: int) -> None:
    expected = PROBABILITY >= 0.9  # so few that the values alone would tell the other convention
    pages = np.where(expected, membrane, 255 - membrane).astype(np.uint8)
    results = read_results(make({"convention": convention}, mask=pages))
    np.testing.assert_array_equal(results.mask, expected)
    assert results.probability is None and results.place == {}


def test_a_probability_alone_becomes_a_mask(make: Make) -> None:
    """It is what a window asks a server for, which may be closed meanwhile."""
    results = read_results(make({"threshold": 0.25}, probability=PROBABILITY))
    np.testing.assert_array_equal(results.probability, PROBABILITY)
    np.testing.assert_array_equal(results.mask, PROBABILITY >= 0.25)
    assert results.mask.flags.writeable and results.probability.flags.writeable


def test_results_of_two_shapes_are_refused(make: Make) -> None:
    mask = np.zeros((5, 6, 8), np.uint8)
    with pytest.raises(UserError, match="not of the shape of the other results"):
        read_results(make({}, mask=mask, probability=PROBABILITY))


def test_a_link_out_of_the_folder_is_not_followed(make: Make, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "mine.tif", np.zeros((5, 6, 7), np.uint8))
    run = make({})
    try:
        (run.path / "mask.tif").symlink_to(tmp_path / "mine.tif")
    except OSError:
        pytest.skip("this system makes no links")
    assert results_here(run) == []
    with pytest.raises(UserError, match="has no results to show"):
        read_results(run)
