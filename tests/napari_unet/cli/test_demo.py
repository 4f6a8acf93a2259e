import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image, ImageColor

from napari_unet.cli.demo import command, run_phases
from napari_unet.demo import Demo
from napari_unet.prediction.predictor import load_predictor
from training.config import TrainingConfig
from training.dataset.holdout import split_fold
from training.errors import UserError
from training.label_classes import LabelClasses
from training.metrics.neuron_metrics import NEURON_FIGURES
from training.metrics.pixel_metrics import FIGURES
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state
from training.stacks.synthetic import CLASSES, write_synthetic

RESULTS = {
    "contact-sheet.png",
    "evaluation.csv",
    "evaluation.json",
    "mask.tif",
    "probability.tif",
    "run",
    "synthetic",
}


class QuickDemo(Demo):
    """Trains two steps on a small stack."""

    def config(self) -> TrainingConfig:
        return super().config().replace(steps=2, batchsize=2, device="cpu")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a demo that went through, on a synthetic stack."""
    out = tmp_path_factory.mktemp("demo") / "a folder" / "out"
    demo = QuickDemo(out)
    demo.prepare(slices=6, size=64)
    run_phases(demo)
    return out


def test_writes_all_results(out: Path) -> None:
    assert {path.name for path in out.iterdir()} == RESULTS
    volume = tifffile.imread(out / "synthetic" / "test-volume.tif")
    mask, probability = (tifffile.imread(out / f"{n}.tif") for n in ("mask", "probability"))
    assert mask.shape == probability.shape == volume.shape
    assert mask.dtype == np.uint8 and probability.dtype == np.float32
    assert np.array_equal(mask == 0, probability >= 0.5)
    figures = json.loads((out / "evaluation.json").read_text())
    assert [figures["index"] for figures in figures["slices"]] == split_fold(6, 1)[1]
    assert set(figures["mean"]) == {*FIGURES, *NEURON_FIGURES}
    assert (out / "contact-sheet.png").read_bytes().startswith(b"\x89PNG")
    assert load_state(RunDirectory(out / "run").events).status == "finished"


def test_classes_are_learned_predicted_and_judged_one_by_one(tmp_path: Path) -> None:
    demo = QuickDemo(tmp_path, has_classes=True)
    demo.prepare(slices=6, size=128)
    run_phases(demo)
    assert {path.name for path in tmp_path.iterdir()} == RESULTS - {"probability.tif"}
    predictor = load_predictor(demo.files.run, of_class=None)
    assert predictor.classes == LabelClasses.parse(CLASSES)
    pages = dict(predictor.predict(tifffile.imread(demo.predicted_stack())))
    expected = [predictor.classes.decide(pages[index]) for index in range(6)]
    np.testing.assert_array_equal(tifffile.imread(demo.files.mask), expected)
    mean = json.loads(demo.files.evaluation_json.read_text())["mean"]
    assert {"dice_membrane", "dice_mitochondria"} <= mean.keys()
    with Image.open(demo.files.sheet) as sheet:
        colors = {color for _, color in sheet.convert("RGB").getcolors(2**24)}
    drawn = {ImageColor.getrgb(predictor.classes.members[place].color) for place in (1, 2)}
    assert drawn <= colors


def test_data_whose_labels_name_classes_are_learned_with_these(tmp_path: Path) -> None:
    write_synthetic(tmp_path / "data", slices=6, size=128, has_classes=True)
    demo = Demo(tmp_path / "out", tmp_path / "data")
    demo.prepare()
    assert demo.config().label_classes == LabelClasses.parse(CLASSES)
    told = CliRunner().invoke(command, ["--classes", "--data", str(tmp_path / "data")]).exception
    assert "--classes is of the synthetic stack. Leave it out" in str(told)


def test_results_are_kept_unless_reported_otherwise(out: Path) -> None:
    before = (out / "mask.tif").stat().st_mtime_ns
    result = CliRunner().invoke(command, ["--out", str(out)])
    assert isinstance(result.exception, UserError)
    assert "--overwrite" in str(result.exception)
    assert (out / "mask.tif").stat().st_mtime_ns == before


def test_overwrite_takes_only_its_own(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "mask.tif").write_text("old")
    QuickDemo(tmp_path).prepare(overwrite=True, slices=6, size=64)
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", "synthetic"}


def test_a_folder_named_run_that_is_none_is_kept(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "letter.txt").write_text("mine")
    with pytest.raises(UserError, match="is not a run"):
        QuickDemo(tmp_path).prepare(overwrite=True, slices=6, size=64)
    assert (tmp_path / "run" / "letter.txt").exists()


def test_data_are_not_overwritten(tmp_path: Path) -> None:
    write_synthetic(tmp_path / "synthetic", slices=6, size=64)
    with pytest.raises(UserError, match="would be overwritten"):
        Demo(tmp_path, tmp_path / "synthetic").prepare(overwrite=True)
    assert (tmp_path / "synthetic" / "train-volume.tif").exists()


def test_without_test_volume_the_training_volume_is_predicted(tmp_path: Path) -> None:
    write_synthetic(tmp_path, slices=6, size=64)
    assert Demo(tmp_path / "out", tmp_path).predicted_stack().name == "test-volume.tif"
    (tmp_path / "test-volume.tif").unlink()
    assert Demo(tmp_path / "out", tmp_path).predicted_stack().name == "train-volume.tif"


def test_bad_data_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missing"):
        Demo(tmp_path / "out", tmp_path / "missing").prepare()
    assert not (tmp_path / "out").exists()


def test_a_failed_training_is_reported_and_kept(tmp_path: Path) -> None:
    demo = QuickDemo(tmp_path / "out")
    demo.prepare(slices=6, size=64)
    (demo.data / "train-labels.tif").unlink()
    with pytest.raises(UserError, match="train-labels") as caught:
        demo.train(demo.config(), lambda _: None)
    assert str(demo.files.run / "train.log") in caught.value.remedy


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], "subprocess.Popen[bytes]"]]:
    """``start()`` begins a long demo on a small stack, in ``tmp_path / "out"``."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> "subprocess.Popen[bytes]":
        write_synthetic(tmp_path / "data", slices=6, size=64)
        program = Path(sys.executable).with_name("napari-unet")
        options = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
        started.append(subprocess.Popen([program, "demo", *options], stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing(
    start: Callable[[], "subprocess.Popen[bytes]"], tmp_path: Path, kind: signal.Signals
) -> None:
    process = start()
    record = RunDirectory(tmp_path / "out" / "run").process
    while not record.exists():
        assert process.poll() is None
        time.sleep(0.02)
    training = psutil.Process(json.loads(record.read_text())["pid"])
    os.kill(process.pid, kind)
    assert process.wait() != 0
    assert not training.is_running()
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "data" / "train-volume.tif").exists()
