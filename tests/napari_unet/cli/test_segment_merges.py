"""Merges that ``segment`` learns, keeps with a run, and finds there."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from click.testing import CliRunner, Result

from napari_unet.cli.main import cli
from napari_unet.neurons.border_features import FEATURES
from napari_unet.neurons.merge_forest import MergeForest
from napari_unet.neurons.segmentation import Segmentation, find_neurons
from napari_unet.neurons.segmentation_choice import settings_of_model
from napari_unet.prediction.predictor import load_predictor
from tests.napari_unet.grid_of_cells import grid_of_cells
from training.config import preset_config
from training.errors import UserError
from training.runs.run_directory import RunDirectory

WriteModel = Callable[..., Path]


def segment(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["segment", *map(str, arguments)])


def done(*arguments: object) -> str:
    result = segment(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments: object) -> str:
    """The sentence of a command that main() ends with exit code 2."""
    error = segment(*arguments).exception
    assert isinstance(error, UserError), error
    return str(error)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    images, membrane = grid_of_cells()
    folder = tmp_path / "data"
    folder.mkdir()
    tifffile.imwrite(folder / "train-volume.tif", images)
    labels = np.where(membrane, 0, 255).astype(np.uint8)
    tifffile.imwrite(folder / "train-labels.tif", labels)
    return folder


@pytest.fixture
def run(tmp_path: Path, data: Path, write_model: WriteModel) -> RunDirectory:
    run = RunDirectory(tmp_path / "run")
    run.create(preset_config("compact", data_url=str(data)))
    write_model("run/model.onnx")
    return run


def test_merges_are_learned_kept_and_used(
    run: RunDirectory, data: Path, tmp_path: Path, write_model: WriteModel
) -> None:
    images, _ = grid_of_cells(seed=1)
    stack = tmp_path / "stack.tif"
    tifffile.imwrite(stack, images)
    first, second, third = (tmp_path / f"{name}.tif" for name in ("first", "second", "third"))
    output = done(run.path, stack, "-o", first, "--data", data, "--keep-merges")
    assert "borders and take the threshold's place: v_rand" in output
    assert f"kept with the run: {run.merges}" in output
    merges = MergeForest.read(run.merges)
    pages = (page for _, page in load_predictor(run.path).predict(images))
    expected = np.stack(list(find_neurons(pages, Segmentation(merges=merges))))
    np.testing.assert_array_equal(tifffile.imread(first), expected)

    assert f"Learned merges take the threshold's place: {run.merges}" in done(
        run.path, stack, "-o", second
    )
    np.testing.assert_array_equal(tifffile.imread(second), expected)
    kept = settings_of_model(run.path)
    assert kept.merges is not None and kept.merges.model == merges.model

    assert "Learned merges" not in done(run.path, stack, "-o", third, "--threshold", 0.5)
    by_threshold = tifffile.imread(third)
    assert by_threshold.max() > expected.max()
    whole, shares = tmp_path / "whole.zarr", tmp_path / "shares.zarr"
    assert "Learned merges take the threshold's place" in done(run.path, stack, "-o", whole)
    for share in ("1/4", "2/4", "3/4"):
        assert "still missing" in done(run.path, stack, "-o", shares, "--shard", share)
    other = refused(run.path, stack, "-o", shares, "--shard", "4/4", "--threshold", 0.4)
    assert "was begun with another" in other and "set of learned merges" in other
    merged = [int(path.name) for path in (tmp_path / "shares.partial.work").glob("*/merged/*")]
    assert sorted(merged) == [0, 1, 5], "all but those that slice 3 is missing beside"
    assert f": {shares}" in done(run.path, stack, "-o", shares, "--shard", "4/4")
    for folder in (whole, shares):
        found = zarr.open_array(folder / "labels" / folder.stem / "0", mode="r")[:]
        np.testing.assert_array_equal(found, expected)

    write_model("run/model.onnx", fold=2)
    assert "learned with another model" in refused(run.path, stack, "-o", tmp_path / "fourth.tif")
    with pytest.raises(UserError, match="another model"):
        settings_of_model(run.path)


def test_a_single_slice_says_that_the_threshold_decides(run: RunDirectory, tmp_path: Path) -> None:
    features = np.random.default_rng(0).uniform(size=(50, len(FEATURES))).astype(np.float32)
    digest = load_predictor(run.path).digest
    MergeForest.learn(features, features[:, 0] > 0.5, np.ones(50), digest).write(run.merges)
    image = tmp_path / "slice.tif"
    tifffile.imwrite(image, grid_of_cells(slices=1)[0][0])
    for output in (tmp_path / "neurons.tif", tmp_path / "neurons.zarr"):
        told = done(run.path, image, "-o", output)
        assert "The threshold of 0.5 decides, because learned merges need a slice before" in told


def test_a_damaged_file_in_a_run_is_told(run: RunDirectory, data: Path, tmp_path: Path) -> None:
    run.merges.write_bytes(b"PK\x03\x04 something else")
    told = refused(run.path, data / "train-volume.tif", "-o", tmp_path / "neurons.tif")
    assert f"{run.merges} can't be used" in told
    assert not (tmp_path / "neurons.tif").exists()


def test_what_can_not_be_kept_is_refused(
    run: RunDirectory, data: Path, tmp_path: Path, write_model: WriteModel
) -> None:
    stack, output = data / "train-volume.tif", tmp_path / "neurons.tif"
    with_data = ("-o", output, "--data", data, "--keep-merges")
    for options, problem in (
        ((run.path, stack, "-o", output, "--keep-merges"), "Give --data"),
        ((run.path, stack, *with_data, "--threshold", 0.5), "Leave out --threshold"),
        ((run.path, stack, *with_data, "--method", "components"), "Leave out --threshold"),
        ((write_model("alone.onnx"), stack, *with_data), "not the folder of a run"),
    ):
        assert problem in refused(*options)
    assert not run.merges.exists()


def test_without_scikit_learn_the_threshold_decides(
    run: RunDirectory, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    options = (run.path, data / "train-volume.tif", "--data", data, "-o", tmp_path / "neurons.tif")
    output = done(*options)
    assert "napari-unet-mindspore[learn]" in output and "v_rand" in output
    told = refused(*options, "--overwrite", "--keep-merges")
    assert "pip install 'napari-unet-mindspore[learn]'" in told
