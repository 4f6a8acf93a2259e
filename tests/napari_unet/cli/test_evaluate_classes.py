"""``napari-unet evaluate`` of models and masks of several classes, through its command."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from napari_unet.cli.evaluate import command
from napari_unet.cli.predict import command as predict
from tests.napari_unet.class_model import CLASSES, expected_channels, write_class_model
from training.errors import UserError
from training.label_classes import LabelClasses
from training.masks.writer_choice import write_stack

SOFT = "soft_dice"  # of probabilities, which no threshold changes
ALL_NAMED = "membrane,mitochondria,inside,unknown=0"


def evaluate(*arguments: object) -> str:
    result = CliRunner().invoke(command, [*map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Areas of three greys, and labels that are right but for a row of mitochondria."""
    random = np.random.default_rng(0)
    areas = np.repeat(np.repeat(random.choice(3, (6, 4, 4)), 16, 1), 16, 2)
    grey = np.array([20, 128, 230])[areas] + random.integers(0, 9, areas.shape)
    labels = np.array([1, 2, 0], np.uint8)[areas]
    labels[:, 30] = 2
    tifffile.imwrite(tmp_path / "train-volume.tif", grey.astype(np.uint8), photometric="minisblack")
    tifffile.imwrite(tmp_path / "train-labels.tif", labels, photometric="minisblack")
    return tmp_path


def by_hand(folder: Path, predicted: np.ndarray, value: int, slices: list[int]) -> float:
    labels = tifffile.imread(folder / "train-labels.tif")
    scores = []
    for z in slices:
        found, wanted = predicted[z] == value, labels[z] == value
        scores.append(2 * (found & wanted).sum() / (found.sum() + wanted.sum()))
    return float(np.mean(scores))


def test_a_model_has_the_dice_of_each_class_in_table_json_and_csv(folder: Path) -> None:
    model = write_class_model(folder / "model.onnx")
    files = "--json", folder / "figures.json", "--csv", folder / "figures.csv"
    printed = evaluate(model, "--data", folder, *files)
    assert "0 is background" in printed and "dice_mitochondria" in printed
    figures = json.loads((folder / "figures.json").read_text())
    slices = [page["index"] for page in figures["slices"]]
    predicted = expected_channels(tifffile.imread(folder / "train-volume.tif"))
    for value, name in ((1, "membrane"), (2, "mitochondria")):
        expected = by_hand(folder, predicted, value, slices)
        assert figures["mean"][f"dice_{name}"] == pytest.approx(expected, abs=0.01)
    rows = list(csv.DictReader((folder / "figures.csv").read_text().splitlines()))
    assert float(rows[0]["dice_mitochondria"]) == pytest.approx(
        figures["slices"][0]["dice_mitochondria"], abs=1e-5
    )


@pytest.mark.parametrize(
    ("classes", "thresholds"),
    [
        (CLASSES, {"mitochondria": 0.999}),
        (CLASSES, {"background": 0.9, "mitochondria": 0.1}),
        (ALL_NAMED, {"membrane": 0.9, "mitochondria": 0.999, "inside": 0.9}),  # else it is unknown
    ],
)
def test_thresholds_judge_what_predict_writes_by_them(
    folder: Path, classes: str, thresholds: dict[str, float]
) -> None:
    if classes == ALL_NAMED:
        labels = tifffile.imread(folder / "train-labels.tif")
        labels[labels == 0] = 3
        tifffile.imwrite(folder / "train-labels.tif", labels, photometric="minisblack")
    model, mask = write_class_model(folder / "model.onnx", classes), folder / "mask.tif"
    options = [f"--threshold={name}={number}" for name, number in thresholds.items()]
    arguments = [model, folder / "train-volume.tif", "-o", mask, "--precision", "f32", *options]
    assert CliRunner().invoke(predict, [*map(str, arguments)]).exit_code == 0
    table, document = folder / "figures.csv", folder / "figures.json"
    files = ["--classes", classes, "--csv", table, "--json", document, "--overwrite"]
    files += [] if classes == ALL_NAMED else ["--fold", 1]
    found = []
    for judged, given in ((model, options), (mask, []), (model, [])):
        output = evaluate(judged, "--data", folder, *files, *given)
        figures = json.loads(document.read_text())
        found.append({name: figures["mean"][name] for name in figures["mean"] if name != SOFT})
        rows = list(csv.DictReader(table.read_text().splitlines()))
        if judged == model:
            assert figures["thresholds"] == (thresholds if given else {})
            told = ",".join(f"{name}={number}" for name, number in sorted(thresholds.items()))
            assert {row["thresholds"] for row in rows} == {told if given else ""}
            assert ("Threshold of " in output) == bool(given)
    by_option, of_mask, of_likeliest = found
    assert by_option == pytest.approx(of_mask)
    assert of_likeliest != pytest.approx(of_mask, abs=0.001)
    written, slices = tifffile.imread(mask), [page["index"] for page in figures["slices"]]
    for value, name in ((1, "membrane"), (2, "mitochondria")):
        by_file = by_hand(folder, written, value, slices)
        assert by_option[f"dice_{name}"] == pytest.approx(by_file)


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        ("0.3", "names none of them"),
        ("vesicles=0.3", "has no class vesicles"),
        ("membrane=0.3,membranes=0.4", "is a second one"),
    ],
)
def test_thresholds_of_other_classes_are_refused(
    folder: Path, threshold: str, message: str
) -> None:
    model = write_class_model(folder / "model.onnx")
    with pytest.raises(UserError, match=message):
        evaluate(model, "--data", folder, "--threshold", threshold)


def test_a_mask_is_compared_class_by_class_whatever_its_values(folder: Path) -> None:
    labels = tifffile.imread(folder / "train-labels.tif")
    wrong = labels.copy()
    wrong[:, :, :8] = 0
    other = LabelClasses.parse("mitochondria=1,membrane=9")
    values = np.array([0, 9, 1], np.uint8)[wrong]
    mask, figures = folder / "mask.tif", folder / "figures.json"
    write_stack(mask, values, np.uint8, is_label=True, classes=other)
    evaluate(mask, "--data", folder, "--classes", CLASSES, "--json", figures)
    mean = json.loads(figures.read_text())["mean"]
    for value, name in ((1, "membrane"), (2, "mitochondria")):
        expected = by_hand(folder, wrong, value, [*range(6)])
        assert mean[f"dice_{name}"] == pytest.approx(expected)


def test_membranes_alone_are_compared_where_the_labels_know_no_other(folder: Path) -> None:
    labels = tifffile.imread(folder / "train-labels.tif")
    tifffile.imwrite(folder / "train-labels.tif", np.where(labels == 1, 0, 255).astype(np.uint8))
    model = write_class_model(folder / "model.onnx")
    evaluate(model, "--data", folder, "--convention", "isbi", "--json", folder / "of-model.json")
    mean = json.loads((folder / "of-model.json").read_text())["mean"]
    assert "dice_membrane" not in mean and mean["dice"] > 0.8
    arguments = [str(model), str(folder / "train-volume.tif"), "-o", str(folder / "mask.tif")]
    assert CliRunner().invoke(predict, arguments).exit_code == 0
    evaluate(folder / "mask.tif", "--data", folder, "--json", folder / "of-mask.json")
    of_mask = json.loads((folder / "of-mask.json").read_text())["mean"]
    assert "dice_membrane" not in of_mask and of_mask["dice"] > 0.8


def test_other_classes_than_the_labels_are_refused_in_a_sentence(folder: Path) -> None:
    model = write_class_model(folder / "model.onnx", "nucleus,mitochondria")
    with pytest.raises(UserError, match="nucleus, mitochondria apart, but the labels background"):
        evaluate(model, "--data", folder, "--classes", CLASSES)
    mask = folder / "mask.tif"
    labels = tifffile.imread(folder / "train-labels.tif")
    classes = LabelClasses.parse("nucleus,vesicle")
    write_stack(mask, labels, np.uint8, is_label=True, classes=classes)
    with pytest.raises(UserError, match="has the classes background, nucleus, vesicle, but the"):
        evaluate(mask, "--data", folder, "--classes", CLASSES)
    with pytest.raises(UserError, match="Leave out the convention, or the classes"):
        evaluate(mask, "--data", folder, "--classes", CLASSES, "--convention", "isbi")
    with pytest.raises(UserError, match="no class has a name"):
        evaluate(mask, "--data", folder, "--classes", "unknown=0")
