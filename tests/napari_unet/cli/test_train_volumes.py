"""``napari-unet train`` on several volumes, from their files to predictions of stacks like each."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from scipy import ndimage

from napari_unet.cli.train import command
from napari_unet.prediction.predictor import load_predictor
from tests.napari_unet.cli.test_train import train
from tests.training.conftest import small_stack
from training.errors import UserError
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state
from training.stacks.scaling import Scaling


def write_sized(path: Path, images: np.ndarray, nm: float) -> None:
    tifffile.imwrite(
        path, images, imagej=True, resolution=(1 / nm,) * 2, metadata={"axes": "ZYX", "unit": "nm"}
    )


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of 8 bits, and brighter ones of 16 bits and other sizes, labelled the other way."""
    folder = tmp_path_factory.mktemp("volumes")
    images, labels = small_stack()
    write_sized(folder / "a.tif", images, nm=4)
    tifffile.imwrite(folder / "a_labels.tif", labels, photometric="minisblack")
    images, labels = small_stack(seed=1)
    images = images[:, :40].astype(np.uint16) * 5 + 3000
    write_sized(folder / "b.tif", images, nm=6)
    tifffile.imwrite(folder / "b_mask.tif", 255 - labels[:, :40], photometric="minisblack")
    tifffile.imwrite(folder / "b_test.tif", images + 1, photometric="minisblack")
    return folder


@pytest.fixture(scope="module")
def trained(volumes: Path) -> tuple[RunDirectory, str]:
    """A run on both volumes that has ended, and what its command printed."""
    run = RunDirectory(volumes / "run")
    result = train("--data", volumes, "--steps", 4, "--out", run.path, "--device", "cpu")
    assert result.returncode == 0, result.stderr
    return run, result.stdout


def test_a_training_on_two_volumes_tells_of_each(
    volumes: Path, trained: tuple[RunDirectory, str]
) -> None:
    run, printed = trained
    assert f"Found {volumes / 'b.tif'} with {volumes / 'b_mask.tif'}." in printed
    assert "Left aside: b_test.tif." in printed
    assert "a.tif: Labels: 0 is membrane" in printed
    assert "b.tif: Labels: every value but 0 is membrane" in printed
    assert "b.tif: Its pixels of 6 nm are resampled to 4 nm." in printed
    assert "\n  b.tif: soft Dice 0." in printed
    assert "\nb.tif: soft Dice 0." in printed.partition("is finished")[2]
    document = json.loads(run.evaluation_json.read_text())
    means = document["volumes"]
    assert {row["volume"] for row in document["slices"]} == {"a.tif", "b.tif"} == means.keys()
    mean = (means["a.tif"]["dice"] + means["b.tif"]["dice"]) / 2
    assert document["mean"]["dice"] == pytest.approx(mean)
    state = load_state(run.events)
    assert state.volumes == {"a.tif": 6, "b.tif": 6}
    assert state.evaluations[-1]["volumes"].keys() == means.keys()


def test_a_stack_is_scaled_as_the_volume_that_it_is_like(
    volumes: Path, trained: tuple[RunDirectory, str]
) -> None:
    card = load_predictor(trained[0].path).card
    for name in ("a.tif", "b.tif"):
        stack = tifffile.imread(volumes / name)
        assert card.for_stack(stack).scaling == Scaling.of(stack)
        assert card.trained_slices(stack)
    test = tifffile.imread(volumes / "b_test.tif")
    assert card.for_stack(test).scaling.dtype == "uint16"
    assert card.trained_slices(test) is None


def pair_options(folder: Path) -> list[str]:
    return [
        *("--pair", str(folder / "a.tif"), str(folder / "a_labels.tif")),
        *("--pair", str(folder / "b.tif"), str(folder / "b_mask.tif")),
    ]


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_unet.cli.train.train_here", lambda run, python: 0)


@pytest.mark.usefixtures("no_training")
def test_pairs_are_written_down_with_their_conventions(volumes: Path, tmp_path: Path) -> None:
    arguments = [*pair_options(volumes), "--hold-out", "b", "--out", str(tmp_path / "run")]
    assert CliRunner().invoke(command, arguments).exit_code == 0
    config = RunDirectory(tmp_path / "run").read_config()
    assert [pair.convention for pair in config.pairs] == ["isbi", "membrane"]
    assert (config.hold_out, config.data_url, config.image) == (("b",), "", "")


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--hold-out", "c"], "c is not a volume"),
        (["--image", "x.tif"], r"x\.tif exists neither"),
        (["--data", "."], "The data are named twice"),
    ],
)
def test_what_can_not_be_meant_is_refused(
    volumes: Path, tmp_path: Path, options: list[str], problem: str
) -> None:
    arguments = [*pair_options(volumes), *options, "--out", str(tmp_path / "run")]
    with pytest.raises(UserError, match=problem):
        CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("no_training")
def test_volumes_that_were_moved_are_gone_on_with(
    volumes: Path, trained: tuple[RunDirectory, str], tmp_path: Path
) -> None:
    run = RunDirectory(shutil.copytree(trained[0].path, tmp_path / "run"))
    lines = run.events.read_text().splitlines(keepends=True)
    run.events.write_text("".join(line for line in lines if '"finished"' not in line))
    for name in ("a.tif", "a_labels.tif", "b.tif", "b_mask.tif"):
        shutil.copy(volumes / name, tmp_path)
    arguments = ["--resume", str(run.path), "--data", str(tmp_path)]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.output.count("are those that the run was trained on") == 2
    assert run.read_config().pairs[1].image == str(tmp_path / "b.tif")
    tifffile.imwrite(tmp_path / "b.tif", tifffile.imread(tmp_path / "b.tif") + 1)
    with pytest.raises(UserError, match=r"b\.tif is not the stack that"):
        CliRunner().invoke(command, arguments, catch_exceptions=False)


def test_a_file_laid_out_as_cremi_s_is_trained_on(tmp_path: Path) -> None:
    images, labels = small_stack()
    numbers = np.zeros(labels.shape, np.uint64)
    for index, page in enumerate(labels):
        numbers[index] = ndimage.label(page)[0] + 1000 * (index + 1) * (page > 0)
    with h5py.File(tmp_path / "crop.h5", "w") as file:
        file["volumes/raw"] = images
        file["volumes/raw"].attrs["resolution"] = (40.0, 4.0, 4.0)
        file["volumes/labels/neuron_ids"] = numbers
    run = RunDirectory(tmp_path / "run")
    result = train("--data", tmp_path / "crop.h5", "--steps", 2, "--out", run.path)
    assert result.returncode == 0, result.stderr
    assert f"Found {tmp_path}/crop.h5/volumes/raw with" in result.stdout
    assert run.best.exists()
    assert load_predictor(run.path).card.data == "crop.h5/volumes/raw"
