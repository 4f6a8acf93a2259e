"""Going on with a stack that was edited, copied or moved since its prediction began."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from click.testing import CliRunner, Result

from napari_unet.cli import predict

WriteModel = Callable[..., Path]
EDITED, DAMAGED = 3, 1  # by neither of which a stack of six slices is known


def run(*arguments: object) -> Result:
    given = [str(argument) for argument in arguments]
    return CliRunner().invoke(predict.command, given, catch_exceptions=False)


def write(path: Path, pages: np.ndarray) -> None:
    """Write a file, or write over the slices of a folder that differ."""
    if path.suffix == ".tif":
        tifffile.imwrite(path, pages, photometric="minisblack")
    elif path.suffix == ".zarr":
        is_new = not path.exists()
        options = {"shape": pages.shape, "dtype": pages.dtype, "chunks": (1, 40, 50)}
        array = zarr.create_array(path, **options) if is_new else zarr.open_array(path)
        for index, page in enumerate(pages):
            if is_new or not np.array_equal(array[index], page, equal_nan=True):
                array[index] = page
    else:
        path.mkdir(exist_ok=True)
        for index, page in enumerate(pages):
            file = path / f"{index}.tif"
            if not (file.exists() and np.array_equal(tifffile.imread(file), page, equal_nan=True)):
                tifffile.imwrite(file, page, photometric="minisblack")


@pytest.fixture(params=["raw.tif", "raw.zarr", "raw"])
def raw(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


@pytest.fixture
def pages() -> np.ndarray:
    pages = np.random.default_rng(0).integers(0, 256, (6, 40, 50)).astype(np.float32)
    pages[DAMAGED] = np.nan
    return pages


def test_a_stack_that_was_edited_meanwhile_is_told(
    write_model: WriteModel, raw: Path, pages: np.ndarray, tmp_path: Path
) -> None:
    write(raw, pages)
    output = tmp_path / "m.zarr"
    given = (write_model(), raw, "-o", output, "--membranes", "dark")
    for _ in range(2):
        begun = run(*given)
        assert begun.exit_code == 1 and "have changed" not in begun.stderr
    pages[EDITED] = 255 - pages[EDITED]
    write(raw, pages)
    result = run(*given)
    assert result.exit_code == 1 and "Going on: 5 of 6" in result.stdout
    partial = output.with_name("m.partial.zarr")
    assert f"The files of {raw} have changed since {partial} was begun" in result.stderr
    shutil.rmtree(partial)
    assert "have changed" not in run(*given).stderr


def test_a_stack_that_was_only_moved_or_copied_goes_on(
    write_model: WriteModel, raw: Path, pages: np.ndarray, tmp_path: Path
) -> None:
    write(raw, pages)
    model, options = write_model(), ("-o", tmp_path / "m.zarr", "--membranes", "dark")
    assert run(model, raw, *options).exit_code == 1
    elsewhere = tmp_path / "elsewhere" / raw.name
    (shutil.copytree if raw.is_dir() else shutil.copy2)(raw, elsewhere.parent.mkdir() or elsewhere)
    for moved in (elsewhere, raw.rename(tmp_path / f"moved{raw.suffix}")):
        result = run(model, moved, *options)
        assert "Going on: 5 of 6" in result.stdout and "have changed" not in result.stderr
    for file in (*moved.rglob("*"), moved):
        os.utime(file)
    result = run(model, moved, *options)
    assert "Going on: 5 of 6" in result.stdout and "unless they were only copied" in result.stderr
