"""Predicting to .zarr by several processes: the same bytes, whatever becomes of one of them."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile
import zarr
from click.testing import CliRunner, Result
from distributed import LocalCluster

from napari_unet.cli import predict
from napari_unet.prediction.chunk_job import ChunkJob, SliceWork, WorkerError
from napari_unet.prediction.chunk_prediction import ChunkPrediction, Outcome
from napari_unet.prediction.predictor import Predictor
from tests.napari_unet.conftest import UINT8, blurring_weights
from tests.terminal import interrupt, start_on_terminal
from training.errors import UserError
from training.files.atomic_files import UnwritableError
from training.masks.shares import Share
from training.masks.writer_choice import open_chunks
from training.model.model_card import ModelCard
from training.model.onnx_graph import build_onnx

WriteModel = Callable[..., Path]
PROGRAM = Path(sys.executable).with_name("napari-unet")
# A worker dies of slice 1, and the first one of slice 4 as well; each notes which it was given.
DEADLY = """
import os, signal
program = " ".join(__import__("sys").orig_argv)
if os.environ.get("DEATHS") and ("forkserver" in program or "spawn_main" in program):
    from napari_unet.prediction.chunk_prediction import ChunkPrediction

    def predict_batch(prediction, indices):
        with open(os.environ["DEATHS"], "a+") as file:
            file.seek(0)
            if 1 in indices or (4 in indices and "4" not in file.read()):
                print(*indices, file=file, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
        return former(prediction, indices)

    former, ChunkPrediction.predict_batch = ChunkPrediction.predict_batch, predict_batch
"""

STARTING = """
import os, sys
if "forkserver" in " ".join(sys.orig_argv):
    os.register_at_fork(after_in_child=lambda: print("a worker starts", flush=True))
"""


def run(*arguments: object) -> Result:
    given = [str(argument) for argument in arguments]
    return CliRunner().invoke(predict.command, given, catch_exceptions=False)


def chunks_of(image: Path) -> dict[str, bytes]:
    group = image / "labels" / image.stem
    files = (path for path in group.rglob("*") if path.is_file() and path.name != "zarr.json")
    return {str(path.relative_to(group)): path.read_bytes() for path in files}


def processes_with(variable: str, value: str) -> list[psutil.Process]:
    """The processes that were started with a variable of that value, but this one."""
    processes = psutil.process_iter(["environ"])
    return [one for one in processes if (one.info["environ"] or {}).get(variable) == value]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("raw") / "raw.zarr"
    stack = np.random.default_rng(0).integers(1, 255, (8, 300, 280), np.uint8)
    zarr.create_array(path, shape=stack.shape, dtype=stack.dtype, chunks=(1, 512, 512))[:] = stack
    return path


@pytest.fixture
def model(write_model: WriteModel) -> Path:
    return write_model()


@pytest.fixture
def expected(model: Path, raw: Path, tmp_path: Path) -> dict[str, bytes]:
    assert run(model, raw, "-o", tmp_path / "whole.zarr").exit_code == 0
    return chunks_of(tmp_path / "whole.zarr")


@pytest.mark.heavy
def test_a_worker_that_dies_costs_nothing_and_what_they_die_of_is_told(
    model: Path,
    raw: Path,
    expected: dict[str, bytes],
    tmp_path: Path,
) -> None:
    deaths = tmp_path / "deaths"
    (tmp_path / "sitecustomize.py").write_text(DEADLY)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    result = subprocess.run(
        [PROGRAM, "predict", model, raw, "-o", tmp_path / "m.zarr", "--workers", "2"],
        env=os.environ | {"PYTHONPATH": path, "DEATHS": str(deaths)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert "slice 1, rows 0:300, columns 0:280: 3 workers died of it" in result.stderr
    assert "1 of 8 parts" in result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert "What the workers do: http://127.0.0.1:" in result.stdout
    assert sorted(deaths.read_text().splitlines()) == ["0 1", "1", "1", "4"]

    partial = tmp_path / "m.partial.zarr"
    kept = {path: path.stat().st_mtime_ns for path in partial.glob("labels/m/0/c/*/*/*")}
    assert len(kept) == 7
    again = run(model, raw, "-o", tmp_path / "m.zarr")
    assert "Going on: 7 of 8 parts" in again.stdout
    assert chunks_of(tmp_path / "m.zarr") == expected
    for path, modified in kept.items():
        assert (tmp_path / "m.zarr" / path.relative_to(partial)).stat().st_mtime_ns == modified


def fail_of_slice_1(prediction: ChunkPrediction, indices: Sequence[int]) -> Outcome:
    if 1 in indices:
        raise RuntimeError("bad luck")
    for _ in prediction.predict_slices(indices):
        pass
    return Outcome()


def find_no_room(prediction: ChunkPrediction, indices: Sequence[int]) -> Outcome:
    raise UnwritableError(Path("chunk"), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


def test_the_workers_of_a_running_cluster_predict(
    model: Path,
    raw: Path,
    expected: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        result = run(model, raw, "-o", "m.zarr", "--scheduler", address)
        assert result.exit_code == 0, result.stderr
        with monkeypatch.context() as failing:
            failing.setattr(ChunkPrediction, "predict_batch", fail_of_slice_1)
            failed = run(model, raw, "-o", "k.zarr", "--scheduler", address)
        with monkeypatch.context() as failing:
            failing.setattr(ChunkPrediction, "predict_batch", find_no_room)
            with pytest.raises(UnwritableError, match="chunk can't be written: No space left"):
                run(model, raw, "-o", "full.zarr", "--scheduler", address)
        damaged = tmp_path / "raw.zarr"
        zarr.create_array(damaged, shape=(2, 30, 40), dtype="f4", chunks=(1, 30, 40))[1] = np.nan
        result = run(model, damaged, "-o", "n.zarr", "--scheduler", address)
    assert chunks_of(tmp_path / "m.zarr") == expected
    assert "1 of 8 parts" in failed.stderr
    assert "slice 1, rows 0:300, columns 0:280: bad luck" in failed.stderr
    assert result.exit_code == 1
    assert "slice 1, rows 0:30, columns 0:40: The image has NaN" in result.stderr


def test_workers_do_not_go_on_with_what_has_changed_or_lies_elsewhere(
    model: Path, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, elsewhere = tmp_path / "m.zarr", tmp_path / "other disk"
    elsewhere.mkdir()
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        given = (model, raw, "-o", output, "--scheduler", cluster.scheduler_address)
        assert run(*given).exit_code == 0
        first = chunks_of(output)
        shutil.rmtree(output)
        model.write_bytes(other_network())
        assert run(*given).exit_code == 0
        anywhere = ChunkJob.anywhere

        def see_another_disk(job: ChunkJob, predictor: Predictor) -> ChunkJob:
            there = {kind: elsewhere / path.name for kind, path in job.results.items()}
            return replace(anywhere(job, predictor), results=there)

        monkeypatch.setattr(ChunkJob, "anywhere", see_another_disk)
        problem = r"A worker on .* can't take part: .*All workers have to see the same files"
        with pytest.raises(WorkerError, match=problem):
            run(*given, "--overwrite")
        monkeypatch.undo()
        monkeypatch.setattr(SliceWork, "__reduce__", sent_by_another_version)
        with pytest.raises(WorkerError, match=r"is sent work of version 0\.0\.1"):
            run(*given, "--overwrite")
    assert not list(elsewhere.iterdir())
    found = chunks_of(output)
    assert run(model, raw, "-o", output, "--overwrite").exit_code == 0
    assert found == chunks_of(output) != first


def other_network() -> bytes:
    weights = blurring_weights()
    weights["logits.bias"] += 2
    return build_onnx(weights, ModelCard("compact", UINT8))


def sent_by_another_version(work: SliceWork) -> tuple[object, ...]:
    return SliceWork, (work.job, work.turns, "0.0.1")


def test_shares_are_done_by_jobs_of_which_the_last_gives_the_name(
    model: Path, raw: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    given = (model, raw, "-o", tmp_path / "m.zarr")
    result = run(*given, "--shard", "2/2")
    assert "slices of other shares are still missing" in result.stdout
    partial = tmp_path / "m.partial.zarr"
    assert sorted(path.name for path in partial.glob("labels/m/0/c/*")) == ["1", "3", "5", "7"]

    chunks = open_chunks(tmp_path / "m.zarr", (8, 300, 280), "uint8", is_label=True)
    with chunks.hold(Share(2, 2)):
        with pytest.raises(UserError, match=r"Another process is writing .*m\.partial\.zarr"):
            run(*given, "--shard", "2/2")
        with pytest.raises(UserError, match=r"Another process is writing .*m\.partial\.zarr"):
            run(*given)
        with pytest.raises(UserError, match=r"are writing .*m\.partial\.zarr in 2 shares"):
            run(*given, "--shard", "1/3")
        result = run(*given, "--shard", "1/2")
    assert f"mask: {tmp_path / 'm.zarr'}" in result.stdout
    assert chunks_of(tmp_path / "m.zarr") == expected
    assert not list(tmp_path.glob(".m*")) + list(tmp_path.glob("*.partial.zarr"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--workers", "2"], "m.tif is written by one process"),
        (["--shard", "3/2"], "3/2 is not a share such as 1/8"),
        (["--shard", "1/2", "--workers", "2"], "Give one of --workers, --scheduler and --shard"),
    ],
)
def test_what_can_not_be_shared_out(
    model: Path, raw: Path, tmp_path: Path, options: list[str], words: str
) -> None:
    command = [PROGRAM, "predict", model, raw, "-o", tmp_path / "m.tif", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert words in done.stderr
    assert not (tmp_path / "m.tif").exists()


@pytest.mark.heavy
def test_ctrl_c_leaves_no_worker(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = tmp_path / "large.tif"
    tifffile.memmap(stack, shape=(3000, 256, 256), dtype=np.uint8, bigtiff=True).flush()
    given = (model, stack, "-o", tmp_path / "m.zarr", "--workers", "2")
    monkeypatch.setenv("PREDICTION", str(tmp_path))
    terminal = start_on_terminal([PROGRAM, "predict", *given], until=r" [1-9]\d*/3000")
    code, text = interrupt(terminal)
    assert code == 1
    assert "m.partial.zarr: the same command goes on there." in text
    assert "Traceback" not in text
    assert processes_with("PREDICTION", str(tmp_path)) == []


@pytest.mark.heavy
def test_ctrl_c_while_workers_start_ends_them(
    model: Path, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(STARTING)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.setenv("PREDICTION", str(tmp_path))
    given = (model, raw, "-o", tmp_path / "m.zarr", "--workers", "2")
    terminal = start_on_terminal([PROGRAM, "predict", *given], until="a worker starts")
    code, text = interrupt(terminal)
    assert (code, "Aborted!" in text, "Traceback" in text) == (1, True, False)
    assert processes_with("PREDICTION", str(tmp_path)) == []
