import csv
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from scipy import ndimage

from napari_unet.cli.evaluate import command
from napari_unet.cli.predict import command as predict
from training.dataset.holdout import split_fold
from training.errors import UserError
from training.metrics.neuron_metrics import NEURON_FIGURES
from training.metrics.pixel_metrics import FIGURES
from training.stacks.fingerprint import fingerprint

WriteModel = Callable[..., Path]


def evaluate(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("napari-unet"), "evaluate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def run(program: click.Command, *arguments: object) -> str:
    result = CliRunner().invoke(program, [*map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def data(tmp_path: Path, images: np.ndarray, membrane: np.ndarray) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    tifffile.imwrite(folder / "train-volume.tif", images)
    labels = np.where(membrane, 0, 255).astype(np.uint8)
    tifffile.imwrite(folder / "train-labels.tif", labels)
    return folder


def test_one_run(write_model: WriteModel, data: Path, tmp_path: Path) -> None:
    files = tmp_path / "figures.json", tmp_path / "figures.csv"
    result = evaluate(write_model(fold=2), "--data", data, "--json", files[0], "--csv", files[1])
    assert result.returncode == 0, result.stderr
    document = json.loads(files[0].read_text())
    thresholds = ("neuron_thresholds", "thresholds")
    assert set(document) == {"fold", "slices", "mean", "volumes", *thresholds}
    assert document["fold"] == 2
    assert [figures["index"] for figures in document["slices"]] == split_fold(7, 2)[1]
    assert set(document["mean"]) == {*FIGURES, *NEURON_FIGURES}
    assert document["mean"]["dice"] > 0.8
    lines = result.stdout.splitlines()
    soft_dice = document["mean"]["soft_dice"]
    assert lines[-1] == f"Mean soft Dice, at the stack's resolution: {soft_dice}"
    assert lines[-2].split()[0] == "mean"
    rows = list(csv.DictReader(files[1].read_text().splitlines()))
    assert [(row["slice"], row["set"]) for row in rows[-2:]] == [("mean", "all"), ("sd", "all")]
    assert rows[0]["set"] == "held out" and rows[0]["truth"].endswith("train-labels.tif")


@pytest.mark.parametrize("choice", [[], ["--fold", "all"]])
def test_of_another_stack_than_that_of_the_training_all_slices_count(
    write_model: WriteModel, data: Path, images: np.ndarray, tmp_path: Path, choice: list[str]
) -> None:
    of_training = {"fold": 2, "train_slices": tuple(split_fold(7, 2)[0])}
    model = write_model(**of_training, fingerprint=fingerprint(images + 1))
    written = ("--data", data, "--json", tmp_path / "figures.json", "--overwrite")
    told = run(command, model, *written, *choice)
    assert f"train-volume.tif is not what {model} was trained on" in told
    assert "give --fold 2." in told
    assert f"{model}: 7 slices that it was not trained on" in told
    document = json.loads((tmp_path / "figures.json").read_text())
    assert [figures["index"] for figures in document["slices"]] == [*range(7)]
    assert set(document["mean"]) == {*FIGURES, *NEURON_FIGURES}

    assert "is not what" not in run(command, model, *written, "--fold", "2")
    document = json.loads((tmp_path / "figures.json").read_text())
    assert [figures["index"] for figures in document["slices"]] == split_fold(7, 2)[1]

    own = write_model(**of_training, fingerprint=fingerprint(images))
    told = run(command, own, *written, *choice)
    assert "is not what" not in told
    assert ("held out" in told) and ("SEEN IN TRAINING" in told) == bool(choice)


def test_a_threshold_judges_what_predict_writes_by_it(
    write_model: WriteModel, data: Path, tmp_path: Path
) -> None:
    model, mask = write_model(fold=2), tmp_path / "mask.tif"
    table, document = tmp_path / "figures.csv", tmp_path / "figures.json"
    stack = [model, data / "train-volume.tif", "-o", mask, "--precision", "f32", "--overwrite"]
    written = ("--data", data, "--csv", table, "--json", document, "--fold", 2, "--overwrite")
    found = []
    for threshold, options in ((0.5, []), (0.3, ["--threshold", 0.3])):
        run(predict, *stack, *options)
        run(command, mask, *written)
        of_mask = json.loads(document.read_text())["mean"]["dice"]
        assert f"Threshold of membrane {threshold}." in run(command, model, *written, *options)
        of_model = json.loads(document.read_text())
        found.append(of_model["mean"]["dice"])
        assert found[-1] == pytest.approx(of_mask)
        assert of_model["thresholds"] == {"membrane": threshold}
        rows = csv.DictReader(table.read_text().splitlines())
        assert {row["thresholds"] for row in rows} == {f"membrane={threshold}"}
    assert abs(found[0] - found[1]) > 0.001


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "membrane=0.3"], "Give a number alone: --threshold 0.3."),
        (["mask.tif", "--threshold", 0.3], "mask.tif is a mask: its pixels are decided already"),
        (["mask.tif", "--tta"], "decided already, and --tta is of models. Leave it out"),
        (["starter", "--mask-convention", "isbi"], "a model, and --mask-convention is of masks"),
    ],
)
def test_an_option_of_something_else_is_refused(
    write_model: WriteModel, data: Path, options: list[object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        run(command, write_model(), "--data", data, *options)


@pytest.mark.parametrize("slices", [1, 3])
@pytest.mark.parametrize("fold", ["1", "all"])
def test_few_slices_without_their_folder(
    write_model: WriteModel, data: Path, tmp_path: Path, slices: int, fold: str
) -> None:
    names = {"--image": "train-volume.tif", "--labels": "train-labels.tif"}
    arguments: list[object] = [write_model(), "--fold", fold, "--csv", tmp_path / "figures.csv"]
    for option, name in names.items():
        pixels = tifffile.imread(data / name)[:slices]
        tifffile.imwrite(tmp_path / name, pixels, photometric="minisblack")
        arguments += [option, tmp_path / name]
    result = CliRunner().invoke(command, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0
    rows = list(csv.DictReader((tmp_path / "figures.csv").read_text().splitlines()))
    rows = [row for row in rows if row["slice"].isdecimal()]
    indices = [row["slice"] for row in rows]
    if fold == "all" and slices == 3:
        assert sorted(indices) == ["0", "1", "2"]
    assert all(float(row["dice"]) > 0.8 for row in rows)


def test_data_are_asked_for(write_model: WriteModel) -> None:
    with pytest.raises(UserError, match=r"Give --data DIR, or --image and --labels\."):
        CliRunner().invoke(command, [str(write_model())], catch_exceptions=False)


@pytest.mark.parametrize("value", [0, 255])
def test_slices_without_labels_are_not_judged(
    write_model: WriteModel, data: Path, tmp_path: Path, value: int
) -> None:
    labels = tifffile.imread(data / "train-labels.tif")
    labels[[0, 3]] = value
    tifffile.imwrite(data / "train-labels.tif", labels)
    labelled = [1, 2, 4, 5, 6]
    table = tmp_path / "figures.csv"
    for judged, fold, expected in (
        (write_model(fold=2), "2", [labelled[split_fold(5, 2)[1][0]]]),
        (write_model(fold=2), "all", labelled),
        (data / "train-labels.tif", "all", labelled),
        (data / "train-labels.tif", "2", [labelled[split_fold(5, 2)[1][0]]]),
    ):
        arguments = [judged, "--data", data, "--fold", fold, "--csv", table, "--overwrite"]
        result = CliRunner().invoke(command, list(map(str, arguments)), catch_exceptions=False)
        assert "Slices 0 and 3 of the labels have one value only" in result.output
        rows = list(csv.DictReader(table.read_text().splitlines()))
        rows = [row for row in rows if row["slice"].isdecimal()]
        assert sorted(int(row["slice"]) for row in rows) == expected
        assert all(float(row["dice"]) > 0.8 for row in rows)


@pytest.mark.parametrize("kind", ["0 and 1", "float 0 and 255"])
def test_a_mask_the_other_way_round_is_questioned(
    data: Path, tmp_path: Path, membrane: np.ndarray, kind: str
) -> None:
    mask = membrane.astype(np.uint8) if kind == "0 and 1" else membrane * np.float32(255)
    tifffile.imwrite(tmp_path / "mask.tif", mask, photometric="minisblack")
    arguments = [str(tmp_path / "mask.tif"), "--data", str(data)]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert "Mask: 0 is membrane" in result.output
    assert "is a lot of membrane" in result.output and "--mask-convention" in result.output
    assert "exchanged its Dice would be 1.0000" in result.output
    right = [*arguments, "--mask-convention", "membrane"]
    result = CliRunner().invoke(command, right, catch_exceptions=False)
    assert "1.0000" in result.output and "a lot" not in result.output


@pytest.mark.parametrize("kind", ["probability", "smoothed mask"])
def test_greys_of_8_bits_are_cut_whichever_way_they_are(
    data: Path, tmp_path: Path, membrane: np.ndarray, kind: str
) -> None:
    greys = ndimage.uniform_filter(np.where(membrane, 255.0, 0.0), (0, 3, 3))
    if kind == "smoothed mask":
        greys = 255 - greys
    path, figures = tmp_path / "greys.tif", tmp_path / "figures.json"
    tifffile.imwrite(path, greys.astype(np.uint8), photometric="minisblack")
    arguments = [str(path), "--data", str(data), "--json", str(figures)]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert "exchanged" not in result.output
    found = (greys > 127.5) == (kind == "probability")
    hits = (found & membrane).sum((1, 2))
    wanted = 2 * hits / (found.sum((1, 2)) + membrane.sum((1, 2)))
    dices = [figures["dice"] for figures in json.loads(figures.read_text())["slices"]]
    np.testing.assert_allclose(dices, wanted, atol=0.01)


@pytest.mark.parametrize("convention", ["isbi", "membrane"])
def test_a_mask(data: Path, tmp_path: Path, membrane: np.ndarray, convention: str) -> None:
    mask = membrane.copy()
    mask[3, :, ::2] = False
    path, figures = tmp_path / "mask.tif", tmp_path / "figures.json"
    tifffile.imwrite(path, np.where(mask == (convention == "isbi"), 0, 255).astype(np.uint8))
    options = ("--data", data, "--mask-convention", convention, "--json", figures)
    result = evaluate(path, *options)
    assert result.returncode == 0, result.stderr
    document = json.loads(figures.read_text())
    dices = [figures["dice"] for figures in document["slices"]]
    assert document["fold"] is None
    assert dices[:3] + dices[4:] == [1.0] * 6
    hits, wanted = (mask[3] & membrane[3]).sum(), membrane[3].sum()
    assert dices[3] == pytest.approx(2 * hits / (mask[3].sum() + wanted))
    rands = [figures["v_rand"] for figures in document["slices"]]
    assert rands[:3] + rands[4:] == pytest.approx([1.0] * 6, abs=0.05)
    assert rands[3] < min(rands[:3])


@pytest.fixture
def strokes(data: Path, membrane: np.ndarray) -> Path:
    """Half of slices 1 and 4 is painted; on slice 5 a single stroke."""
    labels = np.zeros(membrane.shape, np.uint8)
    labels[[1, 4], :, 20:60] = np.where(membrane, 1, 2)[[1, 4], :, 20:60]
    labels[5, 30, 42:46] = 1
    path = data / "strokes.tif"
    tifffile.imwrite(path, labels, photometric="minisblack")
    return path


def test_strokes_judge_a_mask_by_their_own_pixels(
    data: Path, tmp_path: Path, membrane: np.ndarray, strokes: Path
) -> None:
    mask = membrane.copy()
    mask[:, :, :20] = True  # nobody painted there
    mask[4, 10:30] = ~mask[4, 10:30]
    path, table = tmp_path / "mask.tif", tmp_path / "figures.csv"
    tifffile.imwrite(path, np.where(mask, 0, 255).astype(np.uint8), photometric="minisblack")
    result = evaluate(path, "--data", data, "--labels", "strokes.tif", "--csv", table)
    assert result.returncode == 0, result.stderr
    assert "taken as strokes" in result.stdout
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["slice"] for row in rows] == ["1", "4", "5", "mean", "sd"]
    painted = (slice(None), slice(20, 60))
    hits = (mask[4] & membrane[4])[painted].sum()
    total = mask[4][painted].sum() + membrane[4][painted].sum()
    assert [float(row["dice"]) for row in rows[:3]] == pytest.approx(
        [1.0, 2 * hits / total, 1.0], abs=1e-6
    )
    assert "v_rand" not in rows[0]
    assert (rows[0]["mask"], rows[0]["truth"]) == (str(path), str(strokes))


def test_strokes_judge_a_model_and_say_what_it_was_trained_on(
    write_model: WriteModel, data: Path, strokes: Path, tmp_path: Path
) -> None:
    table = tmp_path / "figures.csv"
    model = write_model(train_slices=(0, 4))
    result = evaluate(model, "--data", data, "--labels", strokes, "--csv", table)
    assert result.returncode == 0, result.stderr
    rows = list(csv.DictReader(table.read_text().splitlines()))
    sets = {row["slice"]: row["set"] for row in rows[:3]}
    assert sets == {"1": "held out", "4": "training", "5": "held out"}
    assert [row["set"] for row in rows[3:]] == ["held out", "training", "all", "all"]
    assert "held out (2): dice" in result.stdout and "training (1): dice" in result.stdout
    refused = evaluate(model, "--data", data, "--labels", strokes, "--fold", "1")
    assert refused.returncode == 2 and "leave out --fold" in refused.stderr


@pytest.mark.parametrize("is_finished", [False, True])
def test_memory_follows_the_labelled_slices(
    write_model: WriteModel, tmp_path: Path, membrane: np.ndarray, is_finished: bool
) -> None:
    page = np.tile(np.where(membrane[0], 70, 170).astype(np.uint8), (4, 4))
    labels = np.zeros((400, *page.shape), np.uint8)
    labels[[9, 390]] = np.where(page == 70, 1, 0 if is_finished else 2)
    if not is_finished:
        labels[:, 40:] = 0
    tifffile.imwrite(tmp_path / "train-volume.tif", np.stack([page] * 400))
    tifffile.imwrite(tmp_path / "train-labels.tif", labels)
    model, size = write_model(), labels.nbytes
    del labels
    tracemalloc.start()
    arguments = [str(model), "--data", str(tmp_path)]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.exit_code == 0 and "dice" in result.output
    assert most < size / 2


def test_a_mask_of_another_stack(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "mask.tif"
    tifffile.imwrite(path, np.zeros((3, 8, 8), np.uint8), photometric="minisblack")
    result = evaluate(path, "--data", data)
    assert result.returncode == 2
    assert f"{path} has the shape (3, 8, 8)" in result.stderr


def test_a_mask_is_not_evaluated_beside_runs(write_model: WriteModel, data: Path) -> None:
    arguments = [write_model(), data / "train-labels.tif", "--data", data]
    with pytest.raises(UserError, match=r"train-labels\.tif is a mask, which is not evaluated"):
        CliRunner().invoke(command, list(map(str, arguments)), catch_exceptions=False)


def test_all_folds(write_model: WriteModel, data: Path, tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    result = evaluate(write_model(fold=2), "--data", data, "--fold", "all", "--json", path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("SEEN IN TRAINING") == 4
    document = json.loads(path.read_text())
    assert len(document["folds"]) == 5
    assert document["held_out_mean"] == document["folds"][2]["mean"]


def test_a_run_of_each_fold(write_model: WriteModel, data: Path) -> None:
    models = [write_model(f"fold{fold}.onnx", fold=fold) for fold in range(5)]
    result = evaluate(*models, "--data", data)
    assert result.returncode == 0, result.stderr
    assert "SEEN IN TRAINING" not in result.stdout
    assert result.stdout.count("Mean soft Dice") == 1


def test_other_names_and_convention(write_model: WriteModel, data: Path) -> None:
    labels = data / "train-labels.tif"
    tifffile.imwrite(data / "mine.tif", 255 - tifffile.imread(labels))
    labels.unlink()
    result = evaluate(
        write_model(), "--data", data, "--labels", "mine.tif", "--convention", "membrane"
    )
    assert result.returncode == 0, result.stderr


def test_existing_results_are_kept(write_model: WriteModel, data: Path, tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.write_text("mine")
    arguments = (write_model(), "--data", data, "--json", path)
    assert evaluate(*arguments).returncode == 2
    assert path.read_text() == "mine"
    assert evaluate(*arguments, "--overwrite").returncode == 0
    assert "mean" in json.loads(path.read_text())


@pytest.mark.parametrize("fold", ["5", "-1", "some"])
def test_fold_out_of_range(write_model: WriteModel, data: Path, fold: str) -> None:
    result = evaluate(write_model(), "--data", data, "--fold", fold)
    assert result.returncode == 2
    assert f"Error: There is no fold {fold}. Choose one from 0 to 4, or all." in result.stderr


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("folder", "does not exist"),
        ("names", "does not hold a train-volume.tif"),
        ("shape", "has the shape"),
        ("one value", "All pixels of"),
    ],
)
def test_bad_data(
    write_model: WriteModel, data: Path, images: np.ndarray, bad: str, message: str
) -> None:
    if bad == "folder":
        data = data / "none"
    elif bad == "names":
        (data / "train-volume.tif").unlink()
    elif bad == "shape":
        tifffile.imwrite(data / "train-labels.tif", images[:, 1:])
    elif bad == "one value":
        tifffile.imwrite(data / "train-labels.tif", np.zeros_like(images))
    result = evaluate(write_model(), "--data", data)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
