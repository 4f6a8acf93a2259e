"""Ids of cells as labels: recognised and told, trained on, and the truth of an evaluation."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from scipy import ndimage

from napari_unet.cli import evaluate, segment, train
from training.errors import UserError
from training.metrics.neuron_metrics import fill_neurons, label_neurons, v_info, v_rand
from training.metrics.pixel_metrics import overlap_figures
from training.runs.run_directory import RunDirectory

Array = np.ndarray
WriteModel = Callable[..., Path]
SLICES, SIDE = 6, 64


def run(command: click.Command, *arguments: object) -> str:
    result = CliRunner().invoke(command, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def write(path: Path, stack: Array) -> Path:
    tifffile.imwrite(path, stack, photometric="minisblack", compression="zlib")
    return path


@pytest.fixture
def ids() -> Array:
    """Ids (Z, Y, X) that touch, of 40 cells; one of them is in two pieces."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    pages = []
    for _ in range(SLICES):
        places = random.uniform(0, SIDE, (40, 2))
        page = np.argmin([np.hypot(y - a, x - b) for a, b in places], axis=0) + 1
        pages.append(np.where(page == page[0, 0], page[-1, -1], page))
    return np.stack(pages).astype(np.uint16)


def borders(ids: Array, width: int) -> Array:
    """Pixels (Z, Y, X) of ids within a distance of another id, counted by SciPy."""
    border = np.zeros(ids.shape, bool)
    for page, near in zip(ids, border, strict=True):
        for number in np.unique(page[page != 0]):
            others = (page != 0) & (page != number)
            near |= (page == number) & (ndimage.distance_transform_edt(~others) <= width)
    return border


@pytest.fixture
def data(tmp_path: Path, ids: Array) -> Path:
    """Sections with dark borders, and ids as the labels."""
    noise = np.random.default_rng(1).integers(0, 20, ids.shape)  # no padding of one value
    images = np.where(borders(ids, 1), 60, 180) + noise
    write(tmp_path / "train-volume.tif", images.astype(np.uint8))
    write(tmp_path / "train-labels.tif", ids)
    return tmp_path


def judge(data: Path, mask: Path, *options: object) -> tuple[list[dict[str, Any]], str]:
    figures = data / "figures.json"
    output = run(evaluate.command, mask, "--data", data, "--json", figures, "--overwrite", *options)
    return json.loads(figures.read_text())["slices"], output


@pytest.mark.parametrize("width", [1, 2])
def test_ids_that_touch_judge_borders_by_dice_and_neurons_by_themselves(
    data: Path, ids: Array, width: int
) -> None:
    membrane = borders(ids, 1)
    membrane[2, 20:40] = False
    mask = write(data / "mask.tif", np.where(membrane, 0, 255).astype(np.uint8))
    slices, output = judge(data, mask, *(("--border", width) if width > 1 else ()))
    pixels = "1 pixel" if width == 1 else f"{width} pixels"
    assert "values from 1 to 40 are taken as ids of cells" in output
    assert f"what lies within {pixels} of another id is membrane" in output
    for figures, found, page, truth in zip(slices, membrane, ids, borders(ids, width), strict=True):
        neurons = fill_neurons(label_neurons(~found))
        assert figures["dice"] == overlap_figures(found, truth)["dice"]
        assert figures["v_rand"] == pytest.approx(v_rand(neurons, page))
        assert figures["v_info"] == pytest.approx(v_info(neurons, page))
    assert slices[2]["v_rand"] < 0.8 < slices[1]["v_rand"] < 1


def test_huge_ids_with_0_between_may_have_unknown_pixels(data: Path, ids: Array) -> None:
    gap = borders(ids, 1) & (ids % 2 == 0)
    huge = np.where(gap, 0, ids + np.uint64(2**64 - 100))
    write(data / "train-labels.tif", huge)
    found = borders(ids, 1)
    found[:, :, :9] = False
    mask = write(data / "mask.tif", np.where(found, 0, 255).astype(np.uint8))
    whole, output = judge(data, mask)
    assert f"values from 0 to {2**64 - 60} are taken as ids of cells: 0 and what" in output
    part, output = judge(data, mask, "--unknown", "0")
    assert "membrane, and 0 is unknown" in output and "Only labelled pixels count" in output
    near = borders(huge, 1)
    for index in range(SLICES):
        truth, known = near[index] | gap[index], ~gap[index]
        assert whole[index]["dice"] == overlap_figures(found[index], truth)["dice"]
        expected = overlap_figures(found[index][known], near[index][known])["dice"]
        assert part[index]["dice"] == expected != whole[index]["dice"]
        assert part[index]["v_rand"] == whole[index]["v_rand"] < 1


def test_neurons_that_segment_wrote_are_judged_by_their_ids(
    write_model: WriteModel, data: Path, ids: Array
) -> None:
    neurons = data / "neurons.tif"
    image = data / "train-volume.tif"
    run(segment.command, write_model(), image, "-o", neurons, "--threshold", 0.5, "--link")
    slices, output = judge(data, neurons)
    assert "Mask: " in output and output.count("are taken as ids of cells") == 2
    for figures, page, truth in zip(slices, tifffile.imread(neurons), ids, strict=True):
        assert figures["v_rand"] == pytest.approx(v_rand(fill_neurons(page), truth))
    assert all(0 < figures["v_rand"] < 1 for figures in slices)
    of_itself, output = judge(data, neurons, "--labels", neurons)
    assert output.count("are taken as ids of cells") == 2
    for figures in of_itself:
        assert (figures["dice"], figures["v_rand"], figures["v_info"]) == pytest.approx((1, 1, 1))


def test_a_run_keeps_how_its_ids_are_read(data: Path, ids: Array, tmp_path: Path) -> None:
    path, labels = tmp_path / "run", data / "train-labels.tif"
    write(labels, np.where(borders(ids, 1) & (ids < 9), 0, ids + np.uint64(2**63)))
    options = ("--data", data, "--steps", 1, "--border", 2, "--unknown", "0", "--out", path)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    output = run(train.command, *options)
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    told = "what lies within 2 pixels of another id is membrane, and 0 is unknown"
    assert told in output and told in RunDirectory(path).log.read_text()
    config = RunDirectory(path).read_config()
    assert (config.label_convention, config.border, config.unknown) == ("instances", 2, "0")
    measured = json.loads(RunDirectory(path).evaluation_json.read_text())["slices"]
    assert all(0 < figures["v_rand"] <= 1 for figures in measured)
    slices, output = judge(data, path)
    assert told in output
    by_index = {figures["index"]: figures for figures in slices}
    for figures in measured:
        judged = by_index[figures["index"]]
        assert judged["dice"] == pytest.approx(figures["dice"], abs=0.01)
        assert judged["v_rand"] == pytest.approx(figures["v_rand"], abs=0.01)
    _, output = judge(data, path, "--border", 1, "--unknown", "none")
    assert "ids of cells: 0 and what lies within 1 pixel of another id is membrane" in output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--border", "2"), "border and unknown are for ids, but the labels are isbi"),
        (("--unknown", "0", "--convention", "membrane"), "but the labels are membrane"),
    ],
)
def test_borders_of_what_are_no_ids_are_refused(
    data: Path, ids: Array, options: tuple[str, ...], message: str
) -> None:
    membrane = borders(ids, 1)
    mask = write(data / "train-labels.tif", np.where(membrane, 0, 255).astype(np.uint8))
    for command, arguments in (
        (evaluate.command, (mask, "--data", data)),
        (train.command, ("--data", data, "--out", data / "run")),
    ):
        with pytest.raises(UserError, match=message):
            run(command, *arguments, *options)
    assert not (data / "run").exists()


def test_a_border_out_of_range_is_refused(data: Path) -> None:
    refused = CliRunner().invoke(train.command, ["--data", str(data), "--border", "-1"])
    assert refused.exit_code == 2
    assert "Invalid value for '--border': -1 is not in the range 0<=x<=50." in refused.output
    with pytest.raises(UserError, match=r"With a border of 0 pixels, .* has no membrane"):
        run(train.command, "--data", data, "--out", data / "run", "--border", "0")
