"""Predicting to .zarr, chunk by chunk: as the whole, and on from wherever a run was ended."""

import shutil
import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from click.testing import CliRunner, Result
from scipy import ndimage

from napari_unet.cli import predict
from napari_unet.prediction import openvino_runtime
from napari_unet.prediction.chunk_prediction import ChunkPrediction
from tests.faults.writing.killing import run_until_killed
from tests.terminal import interrupt, start_on_terminal
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.masks.pyramid import halve
from training.masks.writer_choice import write_stack
from training.masks.zarr_chunks import ZarrChunks

WriteModel = Callable[..., Path]
PROGRAM = Path(sys.executable).with_name("napari-unet")
MEMORY_OF_BANDS = 0.335  # GB: of 1024 rows, and not of all
SHAPE = (2, 1300, 1400)  # 2 x 2 tiles of the network, and chunks, a slice


def write_zarr(path: Path, stack: np.ndarray) -> Path:
    array = zarr.create_array(path, shape=stack.shape, dtype=stack.dtype, chunks=(1, 512, 512))
    array[:] = stack
    return path


def run(*arguments: object) -> Result:
    given = [str(argument) for argument in arguments]
    return CliRunner().invoke(predict.command, given, catch_exceptions=False)


def files_below(folder: Path) -> dict[str, Path]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path for path in files}


@pytest.fixture(scope="module")
def tissue() -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=SHAPE)
    smooth = ndimage.gaussian_filter(noise, (0, 2, 2))
    stack = np.uint8(np.clip(128 + 40 * smooth / smooth.std(), 1, 255))
    stack[1, :90] = 0  # padding
    return stack


@pytest.mark.parametrize("region", ["", ":1,0:1200,1024:1400", "1:,100:1299,3:1400"])
def test_there_is_no_seam(tissue: np.ndarray, tmp_path: Path, region: str) -> None:
    """Of a network that sees far; regions begin with chunks, or anywhere."""
    raw = write_zarr(tmp_path / "raw.zarr", tissue)
    options = [*(("--region", region) if region else ()), "--membranes", "dark"]
    for ending in ("tif", "zarr"):
        paths = (tmp_path / f"{name}.{ending}" for name in ("m", "p"))
        mask, probability = paths
        given = ("starter", raw, "-o", mask, "--probability", probability, *options)
        assert run(*given).exit_code == 0
    found = zarr.open_group(tmp_path / "p.zarr", mode="r")
    expected = tifffile.imread(tmp_path / "p.tif")
    assert expected.std() > 0.01
    np.testing.assert_array_equal(found["0"], expected.reshape(found["0"].shape))
    labels = zarr.open_group(tmp_path / "m.zarr/labels/m", mode="r")
    expected = tifffile.imread(tmp_path / "m.tif")
    np.testing.assert_array_equal(labels["0"], expected.reshape(labels["0"].shape))
    for level in range(1, 4):
        for group, is_label in ((found, False), (labels, True)):
            page = halve(group[str(level - 1)][0], is_label)
            np.testing.assert_array_equal(group[str(level)][0], page)
    assert not list(tmp_path.glob("*.partial.zarr")) + list(tmp_path.glob(".*"))


@pytest.mark.parametrize("options", [("--tta",), ("--region", "1:,100:1299,3:1400")])
def test_bands_of_what_does_not_fit_are_as_the_whole(
    tissue: np.ndarray, tmp_path: Path, options: tuple[str, ...]
) -> None:
    raw = write_zarr(tmp_path / "raw.zarr", tissue)
    options += ("--membranes", "dark", "--precision", "f32")
    outputs = [("-o", tmp_path / f"m{ending}", "--probability", tmp_path / f"p{ending}")
               for ending in (".tif", ".zarr")]  # fmt: skip
    assert run("starter", raw, *outputs[0], *options).exit_code == 0
    with pytest.raises(UserError, match=r"takes about 0\.3 GiB"):
        run("starter", raw, *outputs[1], *options, "--memory", "0.2")
    result = run("starter", raw, *outputs[1], *options, "--memory", MEMORY_OF_BANDS)
    assert result.exit_code == 0, result.stderr
    expected = tifffile.imread(tmp_path / "p.tif")
    found = zarr.open_group(tmp_path / "p.zarr", mode="r")["0"]
    np.testing.assert_allclose(found, expected.reshape(found.shape), rtol=0, atol=1e-5)


def test_killed_runs_go_on_and_write_no_chunk_twice(
    write_model: WriteModel, tissue: np.ndarray, tmp_path: Path
) -> None:
    model, raw = write_model(), write_zarr(tmp_path / "raw.zarr", tissue)
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole, killed = (tmp_path / name / "m.zarr" for name in ("whole", "killed"))
    assert run(model, raw, "-o", whole).exit_code == 0

    partial, written, kills = killed.with_name("m.partial.zarr"), {}, 0
    while not killed.exists() and kills < 9:
        result = run_until_killed(
            killed.parent, 40 if partial.exists() else 100, "predict", model, raw, "-o", killed
        )
        assert result.returncode in (0, -9), result.stderr
        kills += result.returncode == -9
        files = files_below(killed if killed.exists() else partial)
        chunks = {name: path.stat() for name, path in files.items() if name[-1].isdigit()}
        now = {name: (status.st_ino, status.st_mtime_ns) for name, status in chunks.items()}
        assert written.items() <= now.items(), "a chunk was written again"
        full = sum("labels/m/0/" in name for name in written)
        if written and result.stdout:
            assert f"Going on: {full} of 8 parts" in result.stdout
        written = now
    assert kills >= 3
    expected, found = files_below(whole), files_below(killed)
    assert {n: p.read_bytes() for n, p in found.items()} == {
        n: p.read_bytes() for n, p in expected.items()
    }


@pytest.mark.parametrize("is_readable", [True, False])
def test_what_can_t_be_read_is_told_and_tried_again(
    write_model: WriteModel, tissue: np.ndarray, tmp_path: Path, is_readable: bool
) -> None:
    stack = tissue.astype(np.float32) / 255
    model, raw = write_model(), write_zarr(tmp_path / "raw.zarr", stack)
    chunk = raw / "c/0/2/2"
    mended = chunk.read_bytes()
    if is_readable:
        array = zarr.open_array(raw)
        array[0, 1200, 1300] = np.nan
        place = "slice 0, rows 1024:1300, columns 1024:1400: The image has NaN"
        bad = 1
    else:
        chunk.write_bytes(b"damaged")
        place, bad = "slice 0, rows 0:1024, columns 0:1024: Slice 0 of", 4
    given = (model, raw, "-o", tmp_path / "p.zarr", "--membranes", "dark")
    result = run(*given)
    assert result.exit_code == 1
    assert f"{bad} of 8 parts of {raw} can't be predicted: {place}" in result.stderr
    assert str(tmp_path / "p.partial.zarr") in result.stderr
    assert not (tmp_path / "p.zarr").exists()
    assert run(*given).exit_code == 1, "it is tried again"
    chunk.write_bytes(mended)
    result = run(*given)
    assert result.exit_code == 0, result.stderr
    assert f"Going on: {8 - bad} of 8" in result.stdout
    assert run(model, raw, "-o", tmp_path / "m.tif", "--membranes", "dark").exit_code == 0
    labels = zarr.open_group(tmp_path / "p.zarr/labels/p", mode="r")
    np.testing.assert_array_equal(labels["0"], tifffile.imread(tmp_path / "m.tif"))


def test_another_model_stack_or_option_is_refused(
    write_model: WriteModel, tissue: np.ndarray, tmp_path: Path
) -> None:
    stack = tissue[:, :400, :300].astype(np.float32)
    damaged = stack.copy()
    damaged[1] = np.nan
    raw, output = write_zarr(tmp_path / "raw.zarr", damaged), tmp_path / "m.zarr"
    model = write_model()
    assert run(model, raw, "-o", output).exit_code == 1
    others = {
        "with another model": (write_model("other.onnx", threshold=0.4), raw),
        "of another stack": (model, write_zarr(tmp_path / "other.zarr", 255 - damaged)),
        "with another --threshold": (model, raw, "--threshold", 0.2),
        "with another --region and --tta": (model, raw, "--tta", "--region", ":1"),
    }
    for problem, given in others.items():
        with pytest.raises(UserError, match=rf"m\.partial\.zarr was begun .*{problem}"):
            run(*given, "-o", output, "--overwrite")
    zarr.open_array(raw)[1] = stack[1]
    assert run(model, raw, "-o", output).exit_code == 0
    assert (output / "labels/m/0/c/1").exists()


def end_before_the_second_name(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """End a run when it has given one of its results its name."""
    finish, finished = ZarrChunks.finish, []

    def finish_one(chunks: ZarrChunks) -> None:
        if finished:
            raise KeyboardInterrupt
        finished.append(chunks)
        finish(chunks)

    monkeypatch.setattr(ZarrChunks, "finish", finish_one)
    return monkeypatch


@pytest.mark.parametrize("shares", [[[]], [["--shard", "2/2"], ["--shard", "1/2"]]])
def test_a_run_that_ends_between_the_names_of_two_results_is_ended_by_the_next(
    write_model: WriteModel,
    tissue: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    shares: list[list[str]],
) -> None:
    model, raw = write_model(), write_zarr(tmp_path / "raw.zarr", tissue[:, :90, :80])
    mask, probability, whole = (tmp_path / f"{name}.zarr" for name in ("m", "p", "whole"))
    given = (model, raw, "-o", mask, "--probability", probability)
    *others, last = shares
    for share in others:
        assert run(*given, *share).exit_code == 0
    with monkeypatch.context() as ending:
        end_before_the_second_name(ending)
        assert run(*given, *last).exit_code == 1
    assert (mask.exists(), probability.exists()) == (True, False)
    made = files_below(mask)["labels/m/0/c/1/0/0"].stat().st_ino

    other = tmp_path / "other.zarr"
    assert run(model, raw, "-o", other, "--threshold", 0.3).exit_code == 0
    mask.rename(whole)
    (other / "labels/other").rename(other / "labels/m")
    other.rename(mask)
    with pytest.raises(UserError, match=r"m\.zarr exists already"):
        run(*given, *last)
    shutil.rmtree(mask)
    whole.rename(mask)

    result = run(*given, *shares[0])
    assert result.exit_code == 0
    assert f"mask: {mask}\nprobability: {probability}\n" in result.stdout
    assert files_below(mask)["labels/m/0/c/1/0/0"].stat().st_ino == made
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"raw.zarr", "model.onnx", "m.zarr", "p.zarr"}
    before = {name: path.read_bytes() for name, path in files_below(probability).items()}
    pages = files_below(probability)
    assert run(model, raw, "-o", mask, "--probability", probability, "--overwrite").exit_code == 0
    for name, page in before.items():
        assert pages[name].read_bytes() == page
    with pytest.raises(UserError, match=r"m\.zarr exists already"):
        run(*given)


def test_a_share_gives_the_name_that_another_one_was_ended_before(
    write_model: WriteModel, tissue: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it runs."""
    model, raw = write_model(), write_zarr(tmp_path / "raw.zarr", tissue[:, :90, :80])
    given = (model, raw, "-o", tmp_path / "m.zarr", "--probability", tmp_path / "p.zarr")
    finish_if_whole = ChunkPrediction.finish_if_whole

    def after_another(prediction: ChunkPrediction) -> bool:
        monkeypatch.setattr(ChunkPrediction, "finish_if_whole", finish_if_whole)
        with monkeypatch.context() as ending:
            end_before_the_second_name(ending)
            assert run(*given, "--shard", "1/2").exit_code == 1
        assert not (tmp_path / "p.zarr").exists()
        return finish_if_whole(prediction)

    monkeypatch.setattr(ChunkPrediction, "finish_if_whole", after_another)
    assert run(*given, "--shard", "2/2").exit_code == 0
    assert (tmp_path / "p.zarr").exists()


def test_another_version_or_precision_is_refused(
    write_model: WriteModel, tissue: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The precision that is meant by auto is the processor's choice."""
    damaged = tissue[:, :200, :200].astype(np.float32)
    damaged[1] = np.nan
    raw = write_zarr(tmp_path / "raw.zarr", damaged)
    given = (write_model(), raw, "-o", tmp_path / "m.zarr")
    with monkeypatch.context() as old_processor:
        old_processor.setattr(openvino_runtime, "_promises_bf16", lambda *_: False)
        assert run(*given).exit_code == 1
    zarr.open_array(raw)[1] = 1

    def compile_quickly(*arguments: object) -> tuple[object, str]:
        return compile_network(*arguments)[0], "bf16"

    compile_network = openvino_runtime._compile
    with monkeypatch.context() as other_processor:
        other_processor.setattr(openvino_runtime, "_compile", compile_quickly)
        with pytest.raises(UserError, match=r"begun with --precision f32 in place of bf16\."):
            run(*given)
    group = zarr.open_group(tmp_path / "m.partial.zarr/labels/m", mode="r+")
    record = dict(group.attrs["napari_unet"])
    for other in ({"version": "0.0.1"}, {key: record[key] for key in ("version", "model")}, {}):
        group.attrs["napari_unet"] = other
        with pytest.raises(UserError, match=r"m\.partial\.zarr was begun by another version\."):
            run(*given)
    group.attrs["napari_unet"] = record
    assert run(*given, "--precision", "f32").exit_code == 0


def test_a_pixel_size_that_was_mended_in_the_file_is_refused(
    write_model: WriteModel, tissue: np.ndarray, tmp_path: Path
) -> None:
    """Or half of the slices would be resized by it."""
    raw, model = tmp_path / "raw.zarr", write_model(pixel_size=PixelSize(None, 4.0, 4.0))
    pages = tissue[:, :200, :200].astype(np.float32)
    pages[1] = np.nan
    write_stack(raw, pages, np.float32, is_label=False, pixel_size=PixelSize(None, 8.0, 8.0))
    given = (model, raw, "-o", tmp_path / "m.zarr", "--resample")
    assert run(*given).exit_code == 1
    pages[1] = 1
    options = {"is_label": False, "overwrite": True}
    write_stack(raw, pages, np.float32, pixel_size=PixelSize(None, 5.0, 5.0), **options)
    with pytest.raises(UserError, match=r"m\.partial\.zarr was begun with another --pixel-size"):
        run(*given)
    assert run(*given, "--pixel-size", "8").exit_code == 0


def test_probabilities_of_other_bits_are_refused(
    write_model: WriteModel, tissue: np.ndarray, tmp_path: Path
) -> None:
    damaged = tissue[:, :400, :300].astype(np.float32)
    damaged[1] = np.nan
    given = (write_model(), write_zarr(tmp_path / "raw.zarr", damaged), "-o", tmp_path / "m.zarr")
    given += ("--probability", tmp_path / "p.zarr")
    assert run(*given).exit_code == 1
    with pytest.raises(UserError, match=r"zarr was begun with another --probability-dtype"):
        run(*given, "--probability-dtype", "uint8")


@pytest.mark.parametrize(
    ("kind", "name"), [("--submission", "p.zarr"), ("--probability", "m.zarr"), ("-o", "p.zarr")]
)
def test_results_of_another_kind_are_refused(
    write_model: WriteModel, tissue: np.ndarray, tmp_path: Path, kind: str, name: str
) -> None:
    damaged = tissue[:, :200, :200].astype(np.float32)
    damaged[1] = np.nan
    given = (write_model(), write_zarr(tmp_path / "raw.zarr", damaged))
    assert (
        run(*given, "-o", tmp_path / "m.zarr", "--probability", tmp_path / "p.zarr").exit_code == 1
    )
    others = {"-o": tmp_path / "other.zarr"} | {kind: tmp_path / name}
    with pytest.raises(UserError, match=r"\.zarr was begun as another kind of result"):
        run(*given, *chain(*others.items()))


def test_ctrl_c_says_how_to_go_on_and_two_runs_never_write_one_folder(
    write_model: WriteModel, tmp_path: Path
) -> None:
    raw, output = tmp_path / "raw.tif", tmp_path / "m.zarr"
    tifffile.memmap(raw, shape=(2000, 512, 512), dtype=np.uint8, bigtiff=True).flush()
    given = (write_model(), raw, "-o", output)
    terminal = start_on_terminal([PROGRAM, "predict", *given], until=r" [1-9]\d*/2000")
    with pytest.raises(UserError, match=r"Another process is writing .*m\.partial\.zarr"):
        run(*given)
    code, text = interrupt(terminal)
    assert code == 1
    assert "m.partial.zarr: the same command goes on there." in text
    assert "Traceback" not in text
    assert not output.exists()


def test_a_slice_too_large_for_the_memory_is_refused(
    write_model: WriteModel, tissue: np.ndarray, tmp_path: Path
) -> None:
    raw = write_zarr(tmp_path / "raw.zarr", tissue)
    with pytest.raises(UserError, match=r"takes about 0\.3 GiB .*Give more by --memory"):
        run(write_model(), raw, "-o", tmp_path / "m.zarr", "--memory", 0.2)
    assert {path.name for path in tmp_path.iterdir()} == {"raw.zarr", "model.onnx"}
    assert run(write_model(), raw, "-o", tmp_path / "m.zarr", "--memory", "nan").exit_code == 2
