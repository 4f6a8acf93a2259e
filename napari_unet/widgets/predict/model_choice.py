"""Choice of the model to predict with."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_unet.runs.model_list import ModelList
from napari_unet.widgets.common.eliding_combo import ElidingComboBox
from napari_unet.widgets.common.messages import plain_tooltip
from training.model.saved_model import WEIGHT_SUFFIXES

MODEL_FILES = f"Models (*{' *'.join(WEIGHT_SUFFIXES)} *.onnx *.zip)"


class ModelChoice(QWidget):
    """A drop-down of the runs that have a model and the starter; a button for any other model."""

    model_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._models = ElidingComboBox()
        self._models.setPlaceholderText("Choose a model")
        self._models.setToolTip("Runs with a model, the starter, and files you opened.")
        self._models.currentIndexChanged.connect(lambda _: self.model_changed.emit())
        menu = QMenu(self)
        menu.addAction("Folder of a run…", self._on_folder_requested)
        menu.addAction("Model file…", self._on_file_requested)
        browse = QPushButton("Open")
        browse.setToolTip(
            "Take the model of a run in another folder, or a file: ONNX, a checkpoint or a package."
        )
        browse.setMenu(menu)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._models, stretch=1)
        layout.addWidget(browse)

    @property
    def model(self) -> Path | None:
        """Folder of a run, or a file of a model: ONNX, a checkpoint or a package."""
        return self._models.currentData()  # type: ignore[no-any-return]

    @property
    def paths(self) -> list[Path]:
        """All models that are offered."""
        return [self._models.itemData(index) for index in range(self._models.count())]

    def show_models(self, models: ModelList) -> None:
        """Offer these models first, in their order, and no more those that were deleted.

        The preferred one is chosen if none was, or if that is gone.
        """
        chosen = self.model
        with signals_blocked(self._models):
            for path in models.missing & {*self.paths}:
                self._models.removeItem(self.paths.index(path))
            for place, (path, title) in enumerate(models.titles.items()):
                if path in self.paths:
                    self._models.removeItem(self.paths.index(path))
                self._offer(title, path, place)
            self._models.setCurrentIndex(self.paths.index(chosen) if chosen in self.paths else -1)
        if self.model is None:
            self.choose(models.preferred)

    def choose(self, path: Path) -> None:
        """Choose a model, which is added if it isn't offered yet."""
        if path not in self.paths:
            title = path.name if path.is_dir() else f"{path.parent.name}/{path.name}"
            self._offer(title, path, self._models.count())
        self._models.setCurrentIndex(self.paths.index(path))

    def _offer(self, title: str, path: Path, place: int) -> None:
        self._models.insertItem(place, title, path)
        tooltip = plain_tooltip(str(path))
        self._models.setItemData(place, tooltip, Qt.ItemDataRole.ToolTipRole)

    def _on_folder_requested(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of a run", self._start())
        if folder:
            self.choose(Path(folder))

    def _on_file_requested(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Model", self._start(), MODEL_FILES)
        if name:
            self.choose(Path(name))

    def _start(self) -> str:
        return str(self.model.parent) if self.model else ""
