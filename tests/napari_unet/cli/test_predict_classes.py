"""``napari-unet predict`` with a model of several classes, through its command."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from click.testing import CliRunner, Result

from napari_unet.cli.main import cli
from napari_unet.prediction.predictor import load_predictor
from tests.napari_unet.class_model import CLASSES, expected_channels, write_class_model
from training.errors import UserError
from training.label_classes import LabelClasses
from training.opening import open_stack


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [*map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def images() -> np.ndarray:
    """Large areas, dark, bright and grey, with a little noise: even ones are taken for padding."""
    random = np.random.default_rng(0)
    areas = np.repeat(np.repeat(random.choice(3, (2, 4, 4)), 16, 1), 16, 2)
    grey = np.array([20, 128, 230])[areas] + random.integers(0, 9, areas.shape)
    return grey.astype(np.uint8)


@pytest.fixture
def stack(tmp_path: Path, images: np.ndarray) -> Path:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, images, photometric="minisblack")
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_class_model(tmp_path / "model.onnx")


def test_the_mask_holds_the_values_of_classes_and_names_them(
    model: Path, stack: Path, images: np.ndarray, tmp_path: Path
) -> None:
    model = write_class_model(tmp_path / "model.onnx", "membrane=7#ff0000,cell wall=9")
    result = run("predict", model, stack, "-o", tmp_path / "mask.tif", "--precision", "f32")
    assert result.exit_code == 0, result.output
    mask = tifffile.imread(tmp_path / "mask.tif")
    expected = np.array([0, 7, 9])[expected_channels(images)]
    inner = np.s_[:, 3:-3, 3:-3]
    np.testing.assert_array_equal(mask[inner], expected[inner])
    assert {*np.unique(mask)} == {0, 7, 9}
    with open_stack(tmp_path / "mask.tif", "labels") as labels:
        named = LabelClasses.parse("membrane=7#FF0000,cell wall=9")
        assert labels.label_note.classes == named


def test_zarr_has_the_same_classes_with_names_and_colours(
    model: Path, stack: Path, tmp_path: Path
) -> None:
    for name in ("mask.tif", "mask.zarr"):
        assert run("predict", model, stack, "-o", tmp_path / name).exit_code == 0
    group_of_labels = zarr.open_group(tmp_path / "mask.zarr/labels/mask", mode="r")
    np.testing.assert_array_equal(group_of_labels["0"][:], tifffile.imread(tmp_path / "mask.tif"))
    about = group_of_labels.attrs["ome"]["image-label"]
    assert [entry["name"] for entry in about["properties"]] == [
        "background",
        "membrane",
        "mitochondria",
    ]
    assert about["colors"][1] == {"label-value": 1, "rgba": [0xE6, 0x9F, 0, 255]}
    for level in ("", "/0"):
        with open_stack(tmp_path / f"mask.zarr/labels/mask{level}", "labels") as labels:
            assert labels.label_note.classes == LabelClasses.parse(CLASSES)


def test_one_class_is_predicted_as_membrane_is(
    model: Path, stack: Path, images: np.ndarray, tmp_path: Path
) -> None:
    everything = load_predictor(model, of_class=None, precision="f32")
    paths = tmp_path / "mask.tif", tmp_path / "probability.tif"
    options = ("--class", "mitochondria", "--precision", "f32", "--convention", "membrane")
    result = run("predict", model, stack, "-o", paths[0], "--probability", paths[1], *options)
    assert result.exit_code == 0, result.output
    mask, probability = map(tifffile.imread, paths)
    for index, of_classes in everything.predict(images):
        np.testing.assert_allclose(of_classes.sum(axis=0), 1, rtol=1e-5)
        np.testing.assert_allclose(probability[index], of_classes[2], atol=1e-6)
    np.testing.assert_array_equal(mask == 255, probability >= 0.5)


def test_what_takes_membranes_gets_the_class_of_that_name(model: Path, images: np.ndarray) -> None:
    membrane, everything = load_predictor(model), load_predictor(model, of_class=None)
    assert not membrane.card.classes and membrane.digest != everything.digest
    np.testing.assert_array_equal(
        membrane.predict_slice(images[0]), everything.predict_slice(images[0])[1]
    )
    assert everything.predict_slice(images[0]).shape == (3, 64, 64)
    turned = load_predictor(model, of_class=None, tta=True).predict_slice(images[0])
    np.testing.assert_allclose(turned, everything.predict_slice(images[0]), atol=0.02)


def test_a_threshold_predicts_more_or_less_of_a_class(
    model: Path, stack: Path, images: np.ndarray, tmp_path: Path
) -> None:
    """Alone its class is what --class finds; the other classes share what is left."""
    everything = load_predictor(model, of_class=None, precision="f32")
    found = np.stack([page for _, page in everything.predict(images)])
    counts = []
    for threshold in (0.1, 0.5, 0.9):
        paths = [tmp_path / f"{kind}-{threshold}.tif" for kind in ("all", "one")]
        options = ("--precision", "f32", "--threshold")
        assert not run(
            "predict", model, stack, "-o", paths[0], *options, f"mitochondria={threshold}"
        ).exit_code
        assert not run(
            *("predict", model, stack, "-o", paths[1], "--class", "mitochondria"),
            *("--convention", "membrane", *options, threshold),
        ).exit_code
        mask, one = map(tifffile.imread, paths)
        np.testing.assert_array_equal(mask == 2, one == 255)
        rest = np.where(found[:, 1] > found[:, 0], 1, 0)
        np.testing.assert_array_equal(mask, np.where(found[:, 2] >= threshold, 2, rest))
        counts.append(np.count_nonzero(mask == 2))
    assert counts[0] > counts[1] > counts[2] > 0


def test_zarr_gets_the_same_thresholds_and_goes_on_with_no_others(
    model: Path, stack: Path, tmp_path: Path
) -> None:
    masks = tmp_path / "mask.tif", tmp_path / "mask.zarr"
    chosen = ("--threshold", "mitochondria=0.2", "--threshold", "membranes=0.9")
    for mask in masks:
        assert run("predict", model, stack, "-o", mask, *chosen).exit_code == 0
    written = zarr.open_group(masks[1] / "labels/mask", mode="r")["0"][:]
    np.testing.assert_array_equal(written, tifffile.imread(masks[0]))
    assert run("predict", model, stack, "-o", tmp_path / "plain.tif").exit_code == 0
    assert (written != tifffile.imread(tmp_path / "plain.tif")).any()
    begun = ("predict", model, stack, "-o", tmp_path / "begun.zarr", "--shard", "1/2")
    assert run(*begun, *chosen).exit_code == 0
    with pytest.raises(UserError, match="was begun with another --threshold"):
        run(*begun, "--threshold", "mitochondria=0.3")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--probability", "p.tif"), "and the probability is of one. Name it, such as --class"),
        (("--uncertainty", "u.csv"), "and the uncertainty is of one."),
        (("--convention", "membrane"), "and the convention membrane is of one."),
        (("--threshold", "0.7"), "0.7 names none of them. Name a class: --threshold membrane=0.7."),
        (("--threshold", "nucleus=0.7"), "has no class nucleus. Name one of its classes: --thresh"),
        (("--threshold", "membrane=0.1,membranes=0"), "threshold of membranes is a second one."),
        (
            ("--class", "membrane", "--threshold", "membrane=0.4"),
            "Give a number alone: --threshold",
        ),
        (("--class", "nucleus"), "and has no class nucleus. Name one of its classes by --class."),
    ],
)
def test_what_a_model_can_not_give_is_refused_in_a_sentence(
    model: Path, stack: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        run("predict", model, stack, "-o", tmp_path / "mask.tif", *options)
    assert not (tmp_path / "mask.tif").exists()


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        ("mitochondria=x", "The threshold 'mitochondria=x' is not a number. Give 0 to 1"),
        ("mitochondria=nan", "The threshold nan is out of range. Give 0 to 1."),
        ("a=0.1,a=0.2", "The threshold a=0.2 is a second one."),
        ("membrane=0.1,0.4", "One threshold has no class, and another one has."),
    ],
)
def test_thresholds_that_mean_nothing_are_refused(
    model: Path, stack: Path, tmp_path: Path, thresholds: str, message: str
) -> None:
    result = run("predict", model, stack, "-o", tmp_path / "mask.tif", "--threshold", thresholds)
    assert result.exit_code == 2
    assert f"Invalid value for '--threshold': {message}" in result.stderr


def test_neurons_need_a_class_of_membrane(stack: Path, tmp_path: Path) -> None:
    out = tmp_path / "neurons.tif"
    without = write_class_model(tmp_path / "other.onnx", "nucleus,mitochondria")
    with pytest.raises(UserError, match="nucleus, mitochondria apart, and has no class membrane"):
        run("segment", without, stack, "-o", out)
    assert run("segment", write_class_model(tmp_path / "m.onnx"), stack, "-o", out).exit_code == 0


@pytest.mark.parametrize("name", ["mask.tif", "mask.zarr"])
def test_a_class_of_any_share_is_usual_but_none_and_all(
    model: Path, stack: Path, tmp_path: Path, name: str
) -> None:
    """Of background a section has more than half, and of mitochondria it may have very few."""
    command = ("predict", model, stack, "-o", tmp_path / name, "--overwrite", "--class")
    for of_class, threshold, told in (
        ("background", 0.2, ""),
        ("background", 0.0, "All of the pixels are background. Raise the threshold"),
        ("mitochondria", 1.0, "None of the pixels are mitochondria. Lower the threshold"),
        ("membrane", 0.0, "100.0% of the pixels are membrane, more than a section usually has"),
    ):
        result = run(*command, of_class, "--threshold", threshold)
        assert result.exit_code == 0, result.stderr
        assert told in result.stderr and ("of the pixels" in result.stderr) == bool(told)
