"""Neurons that go to .zarr: as the whole, and on from wherever a run was ended."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import tifffile
import zarr
from click import Command
from click.testing import CliRunner, Result
from distributed import LocalCluster
from scipy import ndimage

from napari_unet.cli import predict, segment
from napari_unet.cli.stacks import chunked_neurons
from napari_unet.prediction.chunk_prediction import ChunkPrediction
from tests.faults.writing.killing import run_until_killed
from training.errors import UserError
from training.masks.pyramid import halve
from training.masks.zarr_chunks import ZarrChunks

WriteModel = Callable[..., Path]
OPTIONS = ("--membranes", "dark", "--seeds", 0.3, "--link")


def run(*arguments: object, command: Command = segment.command) -> Result:
    given = [str(argument) for argument in arguments]
    return CliRunner().invoke(command, given, catch_exceptions=False)


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tissue of 2 x 1 blocks a slice."""
    path = tmp_path_factory.mktemp("raw") / "raw.zarr"
    noise = np.random.default_rng(0).normal(size=(2, 1300, 300))
    smooth = ndimage.gaussian_filter(noise, (0.5, 6, 6))
    stack = np.uint8(np.clip(128 + 60 * smooth / smooth.std(), 1, 255))
    array = zarr.create_array(path, shape=stack.shape, dtype=stack.dtype, chunks=(1, 512, 512))
    array[:] = stack
    return path


def test_killed_runs_go_on_to_the_neurons_of_the_whole(
    write_model: WriteModel, raw: Path, tmp_path: Path
) -> None:
    model, output = write_model(), tmp_path / "n.zarr"
    assert run(model, raw, "-o", tmp_path / "whole.tif", *OPTIONS).exit_code == 0
    work, written, used, kills = tmp_path / "n.partial.work", {}, set(), 0
    while not output.exists() and kills < 12:
        result = run_until_killed(tmp_path, 100, "segment", model, raw, "-o", output, *OPTIONS)
        assert result.returncode in (0, -9), result.stderr
        kills += result.returncode == -9
        found = files_below(work) + files_below(tmp_path / "n.partial.zarr")
        chunks = [path for path in found if path.suffix == ".npz" or path.name[-1].isdigit()]
        now = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in chunks}
        if now:
            used |= {path for path in written.keys() - now.keys() if "probability" in str(path)}
            kept = {path: when for path, when in written.items() if path not in used}
            assert kept.items() <= now.items(), "something was done again"
            assert not used & now.keys(), "what had been used was predicted again"
        written = now
    assert kills >= 2
    assert output.exists()
    assert not list(tmp_path.glob("*.partial.zarr"))
    labels = zarr.open_group(output / "labels/n", mode="r")
    expected, found = tifffile.imread(tmp_path / "whole.tif"), labels["0"][:]
    assert found.dtype == np.uint16
    assert expected.max() > 100
    numbers = np.unique(expected)
    np.testing.assert_array_equal(found, np.searchsorted(numbers, expected))
    assert np.unique(found).tolist() == list(range(len(numbers)))
    for level in (1, 2):
        page = halve(labels[str(level - 1)][0], is_label=True)
        np.testing.assert_array_equal(labels[str(level)][0], page)


def test_other_settings_do_not_go_on(write_model: WriteModel, raw: Path, tmp_path: Path) -> None:
    model, output = write_model(), tmp_path / "n.zarr"
    given = (model, raw, "-o", output, "--region", ":,:300")
    killed = run_until_killed(tmp_path, 60, "segment", *given)
    assert killed.returncode == -9
    with pytest.raises(UserError, match=r"was begun with another --threshold"):
        run(*given, "--threshold", 0.4)
    result = run(*given)
    assert result.exit_code == 0
    assert f": {output}" in result.stdout
    assert [path.name for path in tmp_path.iterdir() if "n." in path.name] == ["n.zarr"]


def test_a_slice_that_cant_be_read_costs_no_other(
    write_model: WriteModel, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where only one slice's probability is kept at a time."""
    model, stack, output = write_model(), tmp_path / "raw.zarr", tmp_path / "n.zarr"
    options = ("--region", ":,:300", *OPTIONS)
    assert run(model, raw, "-o", tmp_path / "whole.zarr", *options).exit_code == 0
    shutil.copytree(raw, stack)
    chunk = stack / "c/0/0/0"
    content = chunk.read_bytes()
    chunk.write_bytes(content[:-100])
    monkeypatch.setattr(chunked_neurons, "_BATCH_PIXELS", 1)
    result = run(model, stack, "-o", output, *options)
    assert result.exit_code == 1
    assert "1 of 2 parts of" in result.output and "can't be predicted: slice 0" in result.output
    assert [path.parent.name for path in tmp_path.glob("n.partial.work/*/slices/*/*")] == ["1"]
    chunk.write_bytes(content)
    assert run(model, stack, "-o", output, *options).exit_code == 0
    expected, found = (
        zarr.open_array(tmp_path / f"{name}.zarr/labels/{name}/0", mode="r")[:]
        for name in ("whole", "n")
    )
    assert expected.max() > 10
    np.testing.assert_array_equal(found, expected)


def test_what_was_begun_as_something_else_is_not_gone_on_with(
    write_model: WriteModel, raw: Path, tmp_path: Path
) -> None:
    """Also after the folder that a message names was deleted, as it says."""
    model, output, other = write_model(), tmp_path / "n.zarr", tmp_path / "other.zarr"
    stack = zarr.open_array(raw, mode="r")[:, :200, :200]
    array = zarr.create_array(other, shape=stack.shape, dtype=np.float32, chunks=(1, 200, 200))
    array[:] = stack[:, ::-1]
    array[1] = np.nan
    assert run(model, other, "-o", output, command=predict.command).exit_code == 1
    with pytest.raises(UserError, match=r"n\.partial\.zarr was begun by another command"):
        run(model, raw, "-o", output, *OPTIONS)
    assert not (tmp_path / "n.partial.work").exists()
    shutil.rmtree(tmp_path / "n.partial.zarr")
    assert run(model, other, "-o", output, *OPTIONS).exit_code == 1
    array[:] = stack
    with pytest.raises(UserError, match=r"begun of another stack.* delete that folder") as refused:
        run(model, other, "-o", output, *OPTIONS)
    shutil.rmtree(str(refused.value).split(" was begun")[0])
    assert run(model, other, "-o", output, *OPTIONS).exit_code == 0
    assert run(model, other, "-o", tmp_path / "whole.tif", *OPTIONS).exit_code == 0
    found = zarr.open_array(output / "labels/n/0", mode="r")[:]
    np.testing.assert_array_equal(found, tifffile.imread(tmp_path / "whole.tif"))


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_run_that_ends_while_it_deletes_its_search_is_ended_by_the_next(
    write_model: WriteModel,
    raw: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_deleted: bool,
) -> None:
    model, output, work = write_model(), tmp_path / "n.zarr", tmp_path / "n.partial.work"
    given = (model, raw, "-o", output, "--region", ":,:300", *OPTIONS)
    assert run(*given).exit_code == 0
    output.rename(tmp_path / "whole.zarr")
    with monkeypatch.context() as ending:
        ending.setattr(ZarrChunks, "finish", Mock(side_effect=KeyboardInterrupt))
        assert run(*given).exit_code == 1
    assert not work.exists()
    if not is_deleted:  # what a kill leaves meanwhile
        (tmp_path / ".n.partial.work.01234567.part").touch()
        (tmp_path / ".n.partial.work.01234567.new.part/slices").mkdir(parents=True)
    with pytest.raises(UserError, match=r"n\.partial\.zarr was begun by another command"):
        run(*given, "--threshold", 0.4)
    chunk = tmp_path / "n.partial.zarr/labels/n/0/c/1/0/0"
    content = chunk.read_bytes()
    chunk.unlink()
    with pytest.raises(UserError, match=r"n\.partial\.zarr is not whole.* Delete that folder"):
        run(*given)
    chunk.write_bytes(content)
    result = run(*given)
    assert (result.exit_code, result.stdout) == (0, f"neurons: {output}\n")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"model.onnx", "whole.zarr", "n.zarr"}
    for path in files_below(tmp_path / "whole.zarr"):
        assert (
            output / path.relative_to(tmp_path / "whole.zarr")
        ).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("batch", [1, 2**24])
def test_neurons_are_the_same_beside_the_prediction_and_after_it(
    write_model: WriteModel,
    raw: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    batch: int,
) -> None:
    """After it where the memory is not enough for both."""
    monkeypatch.setattr(chunked_neurons, "_BATCH_PIXELS", batch)
    model, options = write_model(), ("--region", ":,:300", *OPTIONS)
    assert run(model, raw, "-o", tmp_path / "beside.zarr", *options).exit_code == 0
    monkeypatch.setattr(ChunkPrediction, "bytes_needed", math.inf)
    assert run(model, raw, "-o", tmp_path / "after.zarr", *options).exit_code == 0
    beside, after = (
        zarr.open_array(tmp_path / f"{name}.zarr/labels/{name}/0", mode="r")[:]
        for name in ("beside", "after")
    )
    assert beside.max() > 10
    np.testing.assert_array_equal(after, beside)


def test_too_little_memory_is_refused(write_model: WriteModel, raw: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Give more by --memory"):
        run(write_model(), raw, "-o", tmp_path / "n.zarr", "--memory", 0.3)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_nothing_is_left_of_a_stack_that_is_refused(
    write_model: WriteModel, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "raw.tif", np.full((2, 30, 40), np.nan, np.float32))
    with pytest.raises(UserError, match="NaN"):
        run(write_model(), tmp_path / "raw.tif", "-o", tmp_path / "n.zarr")
    assert {path.name for path in tmp_path.iterdir()} == {"raw.tif", "model.onnx"}


def test_workers_and_shares_find_the_same_neurons(
    write_model: WriteModel, raw: Path, tmp_path: Path
) -> None:
    model = write_model()
    assert run(model, raw, "-o", tmp_path / "one.zarr", *OPTIONS).exit_code == 0
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        given = (*OPTIONS, "--scheduler", cluster.scheduler_address)
        result = run(model, raw, "-o", tmp_path / "many.zarr", *given)
    assert result.exit_code == 0, result.stderr
    given = (model, raw, "-o", tmp_path / "shares.zarr", *OPTIONS)
    for share in ("2/2", "2/2"):  # again: it is done, and waits for the other
        result = run(*given, "--shard", share)
        assert "slices of other shares are still missing" in result.stdout
        assert not list(tmp_path.glob("shares.partial.work/probability.zarr/0/c/*/*/*"))
    with pytest.raises(UserError, match="was begun with another --threshold"):
        run(*given, "--shard", "1/2", "--threshold", 0.4)
    assert "neurons, linked" in run(*given, "--shard", "1/2").stdout
    expected, *others = (
        zarr.open_array(tmp_path / f"{name}.zarr/labels/{name}/0", mode="r")[:]
        for name in ("one", "many", "shares")
    )
    assert expected.max() > 10
    for found in others:
        np.testing.assert_array_equal(found, expected)
    assert {path.suffix for path in tmp_path.iterdir()} == {".zarr", ".onnx"}
