"""The Python interface: the notebook of the documents, real files, arrays, and bad input."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dask.array
import nbclient
import nbformat
import numpy as np
import pytest
import tifffile
import zarr
from click.testing import CliRunner
from scipy.ndimage import gaussian_filter

import napari_unet
from napari_unet.cli import evaluate, predict, segment
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.metrics.pixel_metrics import overlap_figures
from training.stacks.scaling import Scaling

WriteModel = Callable[..., Path]
NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"


@pytest.fixture
def model(write_model: WriteModel) -> napari_unet.Model:
    return napari_unet.load_model(write_model(pixel_size=PixelSize(50, 4, 4)))


@pytest.fixture
def stack(tmp_path: Path, images: np.ndarray) -> Path:
    path = tmp_path / "stack.tif"
    metadata = {"axes": "ZYX", "unit": "nm", "spacing": 50}
    tifffile.imwrite(path, images, imagej=True, resolution=(0.25, 0.25), metadata=metadata)
    return path


def run(command: object, *arguments: object) -> None:
    CliRunner().invoke(command.command, [*map(str, arguments)], catch_exceptions=False)


def grey(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).normal(128, 20, shape).astype(np.uint8)


def test_the_notebook_runs(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, resources={"metadata": {"path": tmp_path}}).execute()
    assert not any(cell.get("outputs") for cell in nbformat.read(NOTEBOOK, 4).cells)


def test_importing_the_package_is_cheap() -> None:
    code = "import sys, napari_unet; assert not sys.modules.keys() & {'numpy', 'openvino'}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_array_a_lazy_one_and_a_file_give_what_the_command_does(
    model: napari_unet.Model, write_model: WriteModel, stack: Path, images: np.ndarray
) -> None:
    result = stack.with_name("probability.tif")
    run(predict, write_model(), stack, "-o", stack.with_name("m.tif"), "--probability", result)
    expected = tifffile.imread(result)
    assert (model.threshold, model.pixel_size) == (0.5, (4.0, 4.0))
    stored = zarr.create_array({}, data=images, chunks=(1, 61, 83))
    lazy = dask.array.from_array(images, (1, 61, 83))
    for source in (stack, str(stack), images, lazy, stored, list(images)):
        found = model.predict(source)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)
    for page, expected_page in zip(model.predict_slices(stack), expected, strict=True):
        np.testing.assert_array_equal(page, expected_page)
    swapped = images.astype(">u2")
    np.testing.assert_array_equal(model.predict(swapped), model.predict(images.astype(np.uint16)))
    part = model.predict(stack, region=np.s_[2:5, :30])
    np.testing.assert_array_equal(part, expected[2:5, :30])


def test_one_slice_gives_one_slice(model: napari_unet.Model, images: np.ndarray) -> None:
    whole = model.predict(images[0])
    assert whole.shape == images[0].shape
    np.testing.assert_array_equal(model.predict(images[0], region=np.s_[:20]), whole[:20])
    assert model.segment(images[0]).shape == images[0].shape


def test_neurons_are_those_of_the_command(
    model: napari_unet.Model, write_model: WriteModel, stack: Path, images: np.ndarray
) -> None:
    neurons = stack.with_name("neurons.tif")
    run(segment, write_model(), stack, "-o", neurons, "--link", "--method", "components")
    found = model.segment(images, link=True, method="components")
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, tifffile.imread(neurons))


def test_a_mask_is_judged_as_by_the_command(stack: Path, membrane: np.ndarray) -> None:
    found = membrane & (np.arange(membrane.shape[2]) % 3 > 0)
    files = [stack.with_name(name) for name in ("mask.tif", "truth.tif", "figures.json")]
    for path, pixels in zip(files, (found, membrane), strict=False):
        tifffile.imwrite(path, np.where(pixels, 0, 255).astype(np.uint8), photometric="minisblack")
    run(evaluate, files[0], "--labels", files[1], "--json", files[2])
    of_files = napari_unet.evaluate(*files[:2])
    assert of_files.to_json() == files[2].read_text()
    assert of_files.mean["dice"] == pytest.approx(
        overlap_figures(found, membrane)["dice"], abs=0.01
    )
    assert napari_unet.evaluate(found, membrane).mean == of_files.mean
    assert napari_unet.evaluate(found.astype(np.float32), files[1]).mean == of_files.mean
    assert napari_unet.evaluate(found[0], membrane[0]).by_slice()[0] == of_files.by_slice()[0]
    as_numbers = napari_unet.evaluate(found * 7, membrane, mask_convention="membrane")
    assert as_numbers.mean == of_files.mean


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint8])
def test_a_probability_is_judged_from_one_half_on(
    membrane: np.ndarray, dtype: type[np.number]
) -> None:
    likely = 0.8 * gaussian_filter(membrane.astype(float), (0, 1, 1))
    votes = np.where(likely < 0.3, 0, np.where(likely < 0.5, 0.25, 0.5))  # no greys: three values
    for probability in [likely] if dtype is np.uint8 else [likely, votes]:
        scaled = np.rint(255 * probability) if dtype is np.uint8 else probability
        wanted = napari_unet.evaluate(probability >= 0.5, membrane).mean
        found = napari_unet.evaluate(scaled.astype(dtype), membrane).mean
        assert found == pytest.approx(wanted, abs=1e-3)


def test_a_mask_without_membrane_has_a_dice_of_0(membrane: np.ndarray) -> None:
    nothing, all_ids = np.zeros_like(membrane), np.full(membrane.shape, 7)
    for mask, convention in (
        (nothing, None),
        (nothing.astype(np.float32), None),
        (nothing.astype(np.uint8), "membrane"),
        (~nothing * np.uint8(255), "isbi"),
    ):
        with pytest.warns(UserWarning, match="0% is very little membrane"):
            found = napari_unet.evaluate(mask, membrane, mask_convention=convention)
        assert found.mean["dice"] == found.mean["recall"] == 0
    neurons = napari_unet.evaluate(all_ids, membrane, mask_convention="instances")
    assert 0 < neurons.mean["v_rand"] < 1
    with pytest.raises(UserError, match="Choose the mask's convention"):
        napari_unet.evaluate(nothing.astype(np.uint8), membrane)


def test_neurons_are_judged_by_their_ids(model: napari_unet.Model, images: np.ndarray) -> None:
    neurons = model.segment(images)
    assert napari_unet.evaluate(neurons, neurons).mean["v_rand"] == pytest.approx(1)


def test_padding_is_not_counted_where_the_image_is_known(
    images: np.ndarray, membrane: np.ndarray
) -> None:
    images[:, :8] = 0
    found = membrane.copy()
    found[:, :8] ^= True
    assert napari_unet.evaluate(found, membrane).mean["dice"] < 1
    assert napari_unet.evaluate(found, membrane, image=images).mean["dice"] == 1


def test_what_speaks_against_a_result_is_a_warning_in_the_caller_s_line(
    write_model: WriteModel, images: np.ndarray
) -> None:
    scaling = Scaling.of(images)
    model = napari_unet.load_model(write_model(scaling=scaling, pixel_size=PixelSize(None, 4, 4)))
    with pytest.warns(UserWarning, match="This stack is inverted") as caught:
        model.predict(255 - images)
    with pytest.warns(UserWarning, match="resample=True") as of_size:
        next(model.predict_slices(images, pixel_size=8))
    with pytest.warns(UserWarning, match="mask_convention") as of_mask:
        napari_unet.evaluate((images < 100).astype(np.uint8), images < 100)
    assert {warning.filename for warning in (*caught, *of_size, *of_mask)} == {__file__}
    assert model.predict(images, pixel_size=8, resample=True).shape == images.shape


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda m, i: m.predict(i[None]), r"stack has the shape \(1, 7, 61, 83\)"),
        (lambda m, i: m.predict(i[0, 0]), r"stack has the shape \(83,\)"),
        (lambda m, i: m.predict(i[:0]), "stack has the shape"),
        (lambda m, i: m.predict("nowhere.tif"), "nowhere.tif"),
        (lambda m, i: m.predict(np.full((2, 9, 9), np.nan)), "NaN or infinite"),
        (lambda m, i: m.predict(i.astype(complex)), "pixels of type complex128"),
        (lambda m, i: m.predict(i, region=np.s_[5:9]), "reaches to 9 along Z, but stack to 7"),
        (lambda m, i: m.predict(i, region=np.s_[-2:]), "is not a region"),
        (lambda m, i: m.predict(i, region=(3,)), "is not a region"),
        (lambda m, i: m.predict(i, membranes="grey"), "membranes is 'grey'"),
        (lambda m, i: m.predict(i, resample=True), "The pixel size of stack is not known"),
        (lambda m, i: m.predict(i, pixel_size=-1), "pixel_size is -1"),
        (lambda m, i: next(m.predict_slices(i[None])), "stack has the shape"),
        (lambda m, i: m.segment(i, method="magic"), "method is 'magic'"),
        (lambda m, i: m.segment(i, threshold=2), "threshold is 2"),
        (lambda m, i: m.segment(i, seeds="0.1"), "seeds is '0.1'"),
        (lambda m, i: m.predict(i, region=np.s_[:, : 30 / 2]), "is not a region of a stack"),
        (lambda m, i: m.predict(i, pixel_size=(4, "nm")), "pixel_size is"),
        (lambda m, i: m.predict(i, pixel_size=()), "pixel_size is"),
        (lambda m, i: m.predict([[1, 2], [3]]), "stack is not an array"),
        (lambda m, i: napari_unet.evaluate(i > 9, i > 99, border=1.5), "border is 1.5"),
        (lambda m, i: napari_unet.load_model("nowhere"), "There is no run or model nowhere"),
        (lambda m, i: napari_unet.load_model("starter", engine="magic"), "magic"),
        (lambda m, i: napari_unet.evaluate(i > 9, i[:3] > 9), "mask has the shape"),
        (lambda m, i: napari_unet.evaluate(i > 9, i > 300), "truth"),
        (lambda m, i: napari_unet.evaluate(i > 99, grey(i.shape)), "it looks like an image"),
        (lambda m, i: napari_unet.evaluate(i > 9, "nowhere.tif"), "nowhere.tif"),
        (lambda m, i: napari_unet.evaluate(i > 9, i > 9, image=i[:2]), "but image has"),
        (lambda m, i: napari_unet.evaluate(i > 9, i > 99, convention="red"), "convention is 'red'"),
        (lambda m, i: napari_unet.evaluate(i > 9, i > 99, border=99), "border is 99"),
        (lambda m, i: napari_unet.evaluate(i > 9, i > 99, border=2), "are for ids"),
        (lambda m, i: m.predict(np.stack([i[0]] * 3, axis=-1)), "not that of a stack"),
        (lambda m, i: m.segment(i[0, :, :, np.newaxis]), "not that of a stack"),
    ],
)
def test_bad_input_is_a_sentence(
    model: napari_unet.Model,
    images: np.ndarray,
    call: Callable[[napari_unet.Model, np.ndarray], object],
    problem: str,
) -> None:
    with pytest.raises(UserError, match=problem):
        call(model, images)
