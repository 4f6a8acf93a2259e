"""``napari-unet evaluate`` of many masks, each against the truth of its name."""

import csv
import json
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result
from PIL import Image

from napari_unet.cli.evaluate import command
from training.errors import UserError


def evaluate(*arguments: object) -> Result:
    return CliRunner().invoke(command, [*map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def folder(tmp_path: Path, membrane: np.ndarray) -> Path:
    """Masks a, b and c, and their truths; b lacks every other column."""
    for kind in ("masks", "truths"):
        (tmp_path / kind).mkdir()
    for place, name in enumerate("abc"):
        truth = membrane[place : place + 3]
        found = truth & (np.arange(truth.shape[2]) % 2 == 0) if name == "b" else truth
        for path, pixels in ((f"masks/{name}.tif", found), (f"truths/{name}_labels.tif", truth)):
            values = np.where(pixels, 0, 255).astype(np.uint8)
            tifffile.imwrite(tmp_path / path, values, photometric="minisblack")
    return tmp_path


def test_masks_are_judged_by_the_truths_of_their_names(folder: Path) -> None:
    masks = [folder / f"masks/{name}.tif" for name in "abc"]
    files = folder / "figures.csv", folder / "figures.json"
    options = ("--labels", folder / "truths", "--csv", files[0], "--json", files[1])
    result = evaluate(*masks, *options)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.partition(": dice ")[0] for line in lines[:3]] == [*map(str, masks)]
    assert ": dice 1.0000, " in lines[0] and ": dice 1.0000, " in lines[2]
    assert "Of 3 masks: 3 evaluated." in lines and lines[-1].startswith("Mean of 3 masks: dice ")
    rows = list(csv.DictReader(files[0].read_text().splitlines()))
    assert [row["mask"] for row in rows] == [*map(str, masks), "mean"]
    assert rows[1]["truth"] == str(folder / "truths/b_labels.tif") and rows[1]["slices"] == "3"
    dices = [float(row["dice"]) for row in rows]
    assert dices[0] == dices[2] == 1 and dices[1] < 0.8
    assert dices[3] == pytest.approx(np.mean(dices[:3]), abs=1e-6)
    document = json.loads(files[1].read_text())
    assert [len(mask["slices"]) for mask in document["masks"]] == [3, 3, 3]
    assert document["mean"]["dice"] == pytest.approx(dices[3], abs=1e-6)


def test_masks_are_of_any_format(folder: Path) -> None:
    slices, volume = folder / "masks/slices", folder / "masks/b.mrc"
    slices.mkdir()
    mask = tifffile.imread(folder / "masks/b.tif")
    for index, page in enumerate(mask):
        Image.fromarray(page).save(slices / f"{index}.png")
    mrcfile.new(volume, mask.astype(np.uint16)).close()
    truth = folder / "truths/b_labels.tif"
    tables = [
        evaluate(path, "--labels", truth).stdout.partition("slice")[2]
        for path in (folder / "masks/b.tif", slices, volume)
    ]
    assert tables[0] == tables[1] == tables[2] != ""
    single = evaluate(slices / "0.png", "--labels", slices / "0.png")
    assert single.exit_code == 0 and "mean  1.0000" in single.stdout


def test_what_can_not_be_judged_stops_nothing(folder: Path) -> None:
    masks = [folder / f"masks/{name}.tif" for name in "abcd"]
    masks[3].write_bytes(masks[0].read_bytes())  # without a truth
    masks[1].write_bytes(masks[1].read_bytes()[:-500])
    (folder / "truths/c.tif").write_bytes((folder / "truths/c_labels.tif").read_bytes())
    result = evaluate(*masks, "--labels", folder / "truths")
    assert result.exit_code == 1
    assert "Of 4 masks: 1 evaluated and 3 failed." in result.stdout
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 3 and str(masks[1]) in errors[0]
    assert "c.tif can be compared with" in errors[1] and "c_labels.tif" in errors[1]
    assert f"None of the labels has the name of {masks[3]}" in errors[2]


def test_truths_beside_their_images(folder: Path, images: np.ndarray) -> None:
    for place, name in enumerate("abc"):
        pixels = images[place : place + 3]
        tifffile.imwrite(folder / f"truths/{name}.tif", pixels, photometric="minisblack")
    masks = [folder / f"masks/{name}.tif" for name in "ab"]
    result = evaluate(*masks, "--data", folder / "truths")
    assert result.exit_code == 0, result.output
    assert "Of 2 masks: 2 evaluated." in result.stdout


def test_masks_in_files_of_datasets_have_the_names_of_the_files(folder: Path) -> None:
    masks = []
    for name in "ab":
        masks.append(folder / f"{name}.h5" / "mask")
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["mask"] = tifffile.imread(folder / f"masks/{name}.tif")
    result = evaluate(*masks, "--labels", folder / "truths")
    assert "Of 2 masks: 2 evaluated." in result.stdout


def test_masks_of_one_stack_have_one_truth(folder: Path) -> None:
    masks = folder / "masks/a.tif", folder / "other.tif"
    masks[1].write_bytes(masks[0].read_bytes())
    result = evaluate(*masks, "--labels", folder / "truths/a_labels.tif")
    assert result.exit_code == 0 and result.stdout.count(": dice 1.0000") == 3  # and of both
    alone = evaluate(masks[1], "--labels", folder / "truths/a_labels.tif")
    assert alone.exit_code == 0 and "Mean soft Dice" in alone.stdout


def test_a_folder_without_truths_is_refused(folder: Path) -> None:
    masks = [folder / f"masks/{name}.tif" for name in "ab"]
    (folder / "empty").mkdir()
    for option in ("--data", "--labels"):
        with pytest.raises(UserError, match="holds no labels that are found by their names"):
            evaluate(*masks, option, folder / "empty")
    with pytest.raises(UserError, match="No data is given"):
        evaluate(*masks)


def test_tables_take_the_place_of_nothing_that_is_read(folder: Path) -> None:
    mask, table = folder / "masks/a.tif", folder / "figures.csv"
    options = (mask, "--labels", folder / "truths/a_labels.tif", "--overwrite")
    before = mask.read_bytes()
    for tables, problem in (
        (("--csv", mask), "is not named as a table is"),
        (("--json", folder / "model.onnx"), "is not named as a table is"),
        (("--csv", table, "--json", table), "is named twice"),
    ):
        with pytest.raises(UserError, match=problem):
            evaluate(*options, *tables)
    assert mask.read_bytes() == before and not table.exists()
