import dataclasses
import gc
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from napari_unet.prediction.openvino_runtime import KEPT, cache_folder
from napari_unet.prediction.predictor import load_predictor
from tests.pixel_kinds import ALIKE, pixel_kind
from training.config import preset_config
from training.errors import UserError
from training.runs.run_directory import RunDirectory
from training.stacks.scaling import Scaling

WriteModel = Callable[..., Path]


def expected(image: np.ndarray) -> np.ndarray:
    """What the model of the fixture computes of an image, in whole blocks with zeros around."""
    scaled = image / 127.5 - 1
    blocks = np.pad(scaled, [(0, -length % 16) for length in image.shape], mode="reflect")
    blurred = ndimage.uniform_filter(blocks, 5, mode="constant")
    height, width = image.shape
    return np.asarray(1 / (1 + np.exp(8 * blurred[:height, :width])))


def test_figures_are_those_of_the_network(write_model: WriteModel, images: np.ndarray) -> None:
    predictor = load_predictor(write_model(), precision="f32")
    for index, probability in predictor.predict(images):
        assert probability.dtype == np.float32
        np.testing.assert_allclose(probability, expected(images[index]), atol=1e-5)


def test_bf16_is_close(write_model: WriteModel, images: np.ndarray) -> None:
    model = write_model()
    exact = load_predictor(model, precision="f32").predict_slice(images[0])
    rough = load_predictor(model, precision="bf16").predict_slice(images[0])
    np.testing.assert_allclose(rough, exact, atol=0.02)


def test_slices_come_in_their_order(write_model: WriteModel, images: np.ndarray) -> None:
    stack = np.concatenate([images] * 4)
    predictor = load_predictor(write_model(), precision="f32")
    found = list(predictor.predict(stack))
    assert [index for index, _ in found] == list(range(28))
    for index, probability in found:
        np.testing.assert_array_equal(probability, found[index % 7][1])


def test_flips_and_turns_are_averaged(write_model: WriteModel, images: np.ndarray) -> None:
    """The fixture's model sees no direction; scaled as the whole, the mean is the same."""
    image = images[0, :48, :80]  # whole blocks, which need no padding at one end
    plain = load_predictor(write_model(), precision="f32").predict_slice(image)
    mean = load_predictor(write_model(), precision="f32", tta=True).predict_slice(image)
    np.testing.assert_allclose(mean, plain, atol=1e-5)


def test_damaged_compiled_models_are_made_again(
    write_model: WriteModel, images: np.ndarray
) -> None:
    model = write_model()
    expected = load_predictor(model).predict_slice(images[0])
    [compiled] = cache_folder().glob("*.blob")
    whole = compiled.read_bytes()
    places = np.random.default_rng(0).integers(0, len(whole), 64)
    bytes_changed = bytearray(whole)
    for place in places:
        bytes_changed[place] ^= 0x55
    for content in (b"", b"something else", whole[:1000], bytes(bytes_changed)):
        compiled.write_bytes(content)
        np.testing.assert_array_equal(load_predictor(model).predict_slice(images[0]), expected)
        assert compiled.read_bytes()[:32] == sha256(compiled.read_bytes()[32:]).digest()


def test_a_model_from_the_cache_outlives_what_it_was_read_into(
    write_model: WriteModel, images: np.ndarray
) -> None:
    model = write_model()
    expected = load_predictor(model).predict_slice(images[0])
    predictor = load_predictor(model)  # from the cache
    gc.collect()
    others = [np.full(size, 0x5A, np.uint8) for size in range(100, 60_000, 37)]
    np.testing.assert_array_equal(predictor.predict_slice(images[0]), expected)
    assert others  # they took the room of all that was let go of


def test_a_compiled_model_is_taken_from_the_cache(
    write_model: WriteModel, images: np.ndarray
) -> None:
    model = write_model()
    expected = load_predictor(model, precision="f32").predict_slice(images[0])
    [compiled] = cache_folder().glob("*.blob")
    before = compiled.stat()
    again = load_predictor(model, precision="f32").predict_slice(images[0])
    np.testing.assert_array_equal(again, expected)
    assert compiled.stat().st_mtime_ns == before.st_mtime_ns
    load_predictor(model, precision="bf16")  # has one of its own
    assert len(list(cache_folder().glob("*.blob"))) == 2


def test_a_folder_that_can_t_be_made_keeps_nothing_from_working(
    write_model: WriteModel, images: np.ndarray
) -> None:
    cache_folder().parent.mkdir(parents=True)
    cache_folder().touch()
    assert load_predictor(write_model()).predict_slice(images[0]).any()


def test_few_compiled_models_are_kept(write_model: WriteModel) -> None:
    for fold in range(KEPT + 2):
        model = write_model(scaling=Scaling("uint8", 0.0, 200.0 + fold))
        load_predictor(model)
    assert len(list(cache_folder().glob("*.blob"))) == KEPT


def test_large_images_have_no_seams(write_model: WriteModel) -> None:
    image = np.random.default_rng(0).integers(0, 256, (1100, 1300), dtype=np.uint8)
    predictor = load_predictor(write_model(), precision="f32")
    probability = predictor.predict_slice(image)
    np.testing.assert_allclose(probability, expected(image), atol=1e-4)


@pytest.mark.parametrize(
    ("dtype", "factor"),
    [("uint16", 1), ("uint16", 257), ("float32", 1 / 255), ("float32", 1), ("float64", 1 / 255)],
)
@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_same_image_in_any_dtype_gives_the_same_mask(
    write_model: WriteModel, images: np.ndarray, dtype: str, factor: float, precision: str
) -> None:
    images[0, 0, :2] = 0, 255
    predictor = load_predictor(write_model(), precision=precision)
    other = (images * np.float64(factor)).astype(dtype)
    for (_, first), (_, second) in zip(
        predictor.predict(images), predictor.predict(other), strict=True
    ):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("kind", ALIKE)
def test_a_stack_of_any_kind_gets_the_same_mask(
    write_model: WriteModel, images: np.ndarray, kind: str
) -> None:
    predictor = load_predictor(write_model(scaling=Scaling.of(images)), precision="f32")
    found = predictor.predict(pixel_kind(images, kind))
    for (_, first), (_, second) in zip(predictor.predict(images), found, strict=True):
        assert ((first >= 0.5) == (second >= 0.5)).mean() > 0.995


def test_a_black_border_gets_no_membrane(write_model: WriteModel, images: np.ndarray) -> None:
    images[:, :20] = 0
    predictor = load_predictor(write_model(), precision="f32")
    for index, probability in predictor.predict(images):
        assert not probability[:20].any()
        assert probability[20:].max() > 0.9, index


def test_another_card_may_be_given(write_model: WriteModel, images: np.ndarray) -> None:
    predictor = load_predictor(write_model(), precision="f32")
    half = dataclasses.replace(predictor.card, scaling=Scaling("uint8", 0, 127))
    halved = predictor.predict_slice(images[0] // 2, half)
    np.testing.assert_allclose(halved, predictor.predict_slice(images[0]), atol=0.05)


def test_stacks_are_read_slice_by_slice(write_model: WriteModel, images: np.ndarray) -> None:
    read = []

    class Lazy:
        def __len__(self) -> int:
            return 1000

        def __getitem__(self, index: int) -> np.ndarray:
            read.append(index)
            return images[0]

    predictor = load_predictor(write_model())
    predictions = predictor.predict(Lazy())
    next(predictions)
    next(predictions)
    assert len(read) < 200, "8 for the scaling, and some ahead for every core"


def test_nan_in_a_slice_that_was_not_sampled(write_model: WriteModel) -> None:
    stack = np.random.default_rng(0).random((40, 32, 32), np.float32)
    stack[1, 3, 4] = np.nan
    with pytest.raises(UserError, match="Slice 1 has NaN"):
        list(load_predictor(write_model()).predict(stack))


def test_a_run_is_its_model(write_model: WriteModel, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.create(preset_config("compact"))
    with pytest.raises(UserError, match="has no model yet"):
        load_predictor(run.path)
    write_model("run/model.onnx", fold=3)
    assert load_predictor(run.path).card.fold == 3


def test_files_that_are_no_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run or model"):
        load_predictor(tmp_path / "none")
    with pytest.raises(UserError, match="is not a run"):
        load_predictor(tmp_path)
    other = tmp_path / "model.onnx"
    other.write_bytes(b"not a model")
    with pytest.raises(UserError, match=r"model\.onnx is not an ONNX model"):
        load_predictor(other)
    checkpoint = tmp_path / "best.safetensors"
    checkpoint.touch()
    with pytest.raises(UserError, match="is not a checkpoint that can be read"):
        load_predictor(checkpoint)


def test_a_truncated_model(write_model: WriteModel) -> None:
    model = write_model()
    model.write_bytes(model.read_bytes()[:-60])
    with pytest.raises(UserError, match=r"model\.onnx"):
        load_predictor(model)


def test_unknown_device(write_model: WriteModel) -> None:
    with pytest.raises(UserError, match="no device abacus"):
        load_predictor(write_model(), device="abacus")


def test_importing_prediction_loads_no_heavy_library() -> None:
    code = (
        "import sys, napari_unet.prediction.predictor, training.masks.tif_writer;"
        "print({'openvino', 'onnx', 'mindspore', 'napari', 'qtpy', 'skimage', 'scipy'}"
        " & {name.split('.')[0] for name in sys.modules})"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"


@pytest.mark.isbi
def test_isbi_stack(write_model: WriteModel, isbi: Path) -> None:
    stack = tifffile.imread(isbi / "test-volume.tif")
    probabilities = dict(load_predictor(write_model()).predict(stack))
    assert sorted(probabilities) == list(range(30))
