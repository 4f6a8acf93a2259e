"""What a model that a person named is kept in: its card, read alone, and its network as ONNX."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from napari_unet.prediction.model_check import read_card, read_content, read_onnx
from napari_unet.prediction.package_file import ENDING
from napari_unet.prediction.package_model import ForeignModel, read_package, read_package_card
from training.errors import UserError
from training.files.atomic_files import UnwritableError, write_atomically
from training.model.model_card import ModelCard
from training.model.onnx_graph import build_onnx
from training.model.saved_model import WEIGHT_SUFFIXES, best_weights, load_model, read_weights_card
from training.runs.run_directory import RunDirectory


class ModelSource(Protocol):
    """A model that can be predicted with, in a run or a file of any kind.

    Its methods raise a UserError that says what is wrong with it.
    """

    @property
    def path(self) -> Path:
        """The file of its network, for messages."""

    def read_card(self) -> ModelCard:
        """Read what it says of itself; its network is neither built nor checked."""

    def read_onnx(self) -> tuple[bytes, ForeignModel | None]:
        """Give its network as a harmless ONNX file, and how it is used where it is not ours."""


def find_model(model: Path) -> ModelSource:
    """Find what a person named.

    Parameters
    ----------
    model : Path
        A run's folder, an ONNX file that this package exported, a checkpoint, ours or one of the
        model zoo, or a package of the BioImage Model Zoo.

    Raises
    ------
    UserError
        If there is no such file.
    """
    if not model.exists():
        raise UserError(
            f"There is no run or model {model}.", "Give a run's folder, model.onnx or a checkpoint."
        )
    if model.is_dir():
        return RunModel(RunDirectory(model))
    if model.suffix in WEIGHT_SUFFIXES:
        return WeightsFile(model)
    return PackagedModel(model) if model.suffix == ENDING else OnnxFile(model)


def read_portable(model: Path) -> tuple[Path, bytes]:
    """Give the ONNX file of a model that a person named, and the file that it is of.

    Raises
    ------
    UserError
        As :func:`find_model`; if it can't be read, or is somebody else's package.
    """
    source = find_model(model)
    content, foreign = source.read_onnx()
    if foreign is not None:
        raise UserError(
            f"{model} is somebody else's package, which is not exported.",
            "Give a run's folder, model.onnx or a checkpoint.",
        )
    return source.path, content


@dataclass(frozen=True)
class RunModel:
    """The best model of a run.

    Its ONNX file is built from the best weights at every call, of ``compact`` in 50 ms and of
    ``medical`` in 0.7 s, and kept as ``model.onnx`` for other programs where the run's folder can
    be written. A server trains with MindSpore alone, so a run that comes home from it has none.
    """

    run: RunDirectory

    @property
    def path(self) -> Path:
        return self.run.onnx

    def read_card(self) -> ModelCard:
        return self._file.read_card()

    def read_onnx(self) -> tuple[bytes, None]:
        content, _ = self._file.read_onnx()
        if self.run.best.exists():
            with suppress(UnwritableError):  # somebody else's run, or a full disk
                self._keep(content)
        return content, None

    @property
    def _file(self) -> OnnxFile | WeightsFile:
        if self.run.onnx.exists() and not self.run.best.exists():
            return OnnxFile(self.run.onnx)
        return WeightsFile(best_weights(self.run))

    def _keep(self, content: bytes) -> None:
        self.run.check_links()
        if not self.run.onnx.exists() or self.run.onnx.read_bytes() != content:
            write_atomically(self.run.onnx, content)


@dataclass(frozen=True)
class WeightsFile:
    """A checkpoint: ours, or one of the model zoo."""

    path: Path

    def read_card(self) -> ModelCard:
        return read_weights_card(self.path)

    def read_onnx(self) -> tuple[bytes, None]:
        return build_onnx(*load_model(self.path)), None


@dataclass(frozen=True)
class OnnxFile:
    """An ONNX file that this package exported."""

    path: Path

    def read_card(self) -> ModelCard:
        return read_card(read_content(self.path), self.path)

    def read_onnx(self) -> tuple[bytes, None]:
        return read_onnx(self.path), None


@dataclass(frozen=True)
class PackagedModel:
    """A package of the BioImage Model Zoo: ours, or somebody else's."""

    path: Path

    def read_card(self) -> ModelCard:
        return read_package_card(self.path)

    def read_onnx(self) -> tuple[bytes, ForeignModel | None]:
        return read_package(self.path)
