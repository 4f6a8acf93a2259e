"""What is tried with bad input: each target makes a function that reads one as the product does."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

Reader = Callable[[Path], Any]


def stack() -> Reader:
    """A stack as training, evaluation and the command line read it."""
    import h5py  # noqa: F401 (its import asks uname)
    import rsciio.digitalmicrograph  # noqa: F401 (its import asks lscpu)

    from training.opening import read_stack

    return read_stack


def layers() -> Reader:
    """A TIF as napari opens it, with the pixels of its first and last slice."""
    import numpy as np

    from napari_unet.stacks.stack_recognition import OpenedStack
    from training.opening import open_stack

    def read(path: Path) -> Any:
        opened = OpenedStack.of(open_stack(path), lambda: None)
        data, metadata, _ = opened.as_layer([opened])
        assert np.all(np.isfinite(metadata.get("scale", 1)))
        return np.asarray(opened.data).reshape(data.shape if data.ndim == 3 else (1, *data.shape))

    return read


def config() -> Reader:
    """A configuration, which is written again."""
    from training.runs.run_directory import RunDirectory

    def read(path: Path) -> Any:
        run = RunDirectory(path.parent)
        run.config = path
        return run.read_config().to_json()

    return read


def events() -> Reader:
    """Events as the window folds and shows them, wholly and in the list of runs."""
    from napari_unet.runs.learning_on import comparison_text
    from napari_unet.runs.run_progress import Curves, RunProgress
    from training.runs.event_reading import parse_events
    from training.runs.run_state import RunState, fold, load_state, read_summary

    def read(path: Path) -> Any:
        read_summary(path, RunState(), 0)
        fold(RunState(), parse_events(path.read_bytes()))
        state = load_state(path)
        progress = RunProgress("run", "run", "running", True, state, Curves.of(state), None)
        figures = progress.figures(), progress.headline, progress.fraction, progress.preview_slice
        return figures, progress.best_figure, progress.validation, comparison_text(state)

    return read


def run() -> Reader:
    """A run's folder in the list of runs, and followed by the window."""
    from napari_unet.launchers.local_launcher import LocalLauncher
    from napari_unet.runs.run_follower import RunFollower
    from napari_unet.runs.run_list import list_runs
    from napari_unet.runs.run_progress import ProgressReader
    from training.runs.run_directory import RunDirectory

    def read(path: Path) -> Any:
        list_runs(path.parent)
        follower = RunFollower(RunDirectory(path), LocalLauncher(path.parent))
        follower.update()
        return ProgressReader(follower).read()

    return read


def card() -> Reader:
    """The metadata of a model, used on an image."""
    import numpy as np
    import scipy.ndimage  # noqa: F401 (its import asks lscpu)

    from training.model.model_card import ModelCard
    from training.model.slice_prediction import predict_slice

    def read(path: Path) -> Any:
        text = path.read_text(errors="replace")
        found = ModelCard.from_json(text, str(path))
        margin = 2 * found.geometry.margin

        def forward(tile: Any) -> Any:
            height, width = tile.shape[-2] - margin, tile.shape[-1] - margin
            return np.zeros((1, 1, height, width), np.float32)

        image = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)
        found.inherit_slices(found)
        return found.seen_slices(range(30)), predict_slice(forward, image, found)

    return read


def model() -> Reader:
    """An ONNX model: loaded, and an image predicted with it."""
    import numpy as np
    import openvino

    from napari_unet.prediction.predictor import load_predictor

    openvino.Core()
    image = np.arange(48 * 48, dtype=np.uint8).reshape(48, 48)

    def read(path: Path) -> Any:
        predictor = load_predictor(path, precision="f32", is_parallel=False)
        return predictor.predict_slice(image)

    return read


def weights() -> Reader:
    """A checkpoint, put into a network."""
    import mindspore
    from mindspore import nn

    from training.learning.checkpoints import put_weights
    from training.learning.learner import read_progress
    from training.model.weight_files import load_weights

    mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
    cell = nn.Conv2d(1, 4, 3, has_bias=True)

    def read(path: Path) -> Any:
        loaded, metadata = load_weights(path)
        put_weights(cell, loaded, path)
        return read_progress(path) if metadata else None

    return read


def npus() -> Reader:
    """What npu-smi prints."""
    from training.devices.npus import parse_list, parse_table

    def read(path: Path) -> Any:
        text = path.read_bytes().decode(errors="replace")
        return parse_table(text), parse_list(text)

    return read


def project() -> Reader:
    """A project's folder, with the pixels of its own files."""
    from napari_unet.projects.project import Project

    def read(path: Path) -> Any:
        opened = Project(path)
        state = opened.read()
        return [opened.own_file(layer) for layer in state.layers if layer.stack is None]

    return read


def profiles() -> Reader:
    """The file of servers."""
    from napari_unet.launchers.servers import profiles as module

    def read(path: Path) -> Any:
        module.profiles_path = lambda: path
        return module.load_profiles()

    return read


def record() -> Reader:
    """What a run's copy knows of its server."""
    from napari_unet.launchers.servers.record import read_record
    from training.runs.run_directory import RunDirectory

    def read(path: Path) -> Any:
        assert path.name == "remote.json"
        return read_record(RunDirectory(path.parent)).node_of(0)

    return read


def settings() -> Reader:
    """What a person chose last, with the form of a training."""
    from napari_unet import settings as module

    def read(path: Path) -> Any:
        module.settings_path = lambda: path
        return module.load_settings()

    return read


TARGETS: dict[str, Callable[[], Reader]] = {
    target.__name__: target
    for target in (
        stack, layers, config, events, run, card, model, weights, npus, project, profiles,
        record, settings,
    )
}  # fmt: skip

os.environ.setdefault("OMP_NUM_THREADS", "1")
