"""What to predict with, and how far it is: the views of the predict dock."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMenu,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledDoubleSlider

from napari_unet.runs.run_list import RunSummary, list_runs
from napari_unet.settings import load_settings
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.common.messages import plain_tooltip


class ModelChoice(QWidget):
    """A drop-down of the runs that have a model, and a button for any other model."""

    model_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._models = QComboBox()
        self._models.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._models.setPlaceholderText("Choose a model")
        self._models.setToolTip("The trained model: runs with a model, and files you opened.")
        self._models.currentIndexChanged.connect(lambda _: self.model_changed.emit())
        menu = QMenu(self)
        menu.addAction("Folder of a run…", self._on_folder_requested)
        menu.addAction("ONNX file…", self._on_file_requested)
        browse = QPushButton("Open")
        browse.setToolTip("Take the model of a run in another folder, or an ONNX file.")
        browse.setMenu(menu)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._models, stretch=1)
        layout.addWidget(browse)

    @property
    def model(self) -> Path | None:
        """Folder of a run, or an ONNX file."""
        return self._models.currentData()  # type: ignore[no-any-return]

    def offer(self, title: str, path: Path) -> None:
        """Add a model, or name it anew if it is there already."""
        known = self._offered()
        if path in known:
            self._models.setItemText(known.index(path), title)
        else:
            self._models.addItem(title, path)
            tooltip = plain_tooltip(str(path))
            self._models.setItemData(len(known), tooltip, Qt.ItemDataRole.ToolTipRole)

    def refresh_runs(self) -> None:
        """Offer the runs that have a model by now; a person's first choice is the last one's."""
        folder = Path(load_settings().runs_folder)
        run_in_thread(partial(list_runs, folder), self._on_runs_listed)

    def choose(self, path: Path) -> None:
        """Take this model, adding it where it isn't offered yet."""
        if path not in self._offered():
            self.offer(path.name if path.is_dir() else f"{path.parent.name}/{path.name}", path)
        self._models.setCurrentIndex(self._offered().index(path))

    def _on_runs_listed(self, summaries: list[RunSummary]) -> None:
        ready = [summary for summary in summaries if summary.has_model]
        for summary in ready:
            dice = summary.best_soft_dice
            figure = f" · {dice:.3f}" if dice is not None else ""
            self.offer(f"{summary.run.name} · {summary.preset}{figure}", summary.run.path)
        if self.model is None:
            last = Path(load_settings().model or "-")
            newest = [summary.run.path for summary in ready[:1]]
            for path in [last] if last.exists() else newest:
                self.choose(path)

    def _offered(self) -> list[Path]:
        return [self._models.itemData(index) for index in range(self._models.count())]

    def _on_folder_requested(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of a run", self._start())
        if folder:
            self.choose(Path(folder))

    def _on_file_requested(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Model", self._start(), "ONNX (*.onnx)")
        if name:
            self.choose(Path(name))

    def _start(self) -> str:
        return str(self.model.parent) if self.model else ""


class PredictionOptions(QWidget):
    """How slices are predicted, and whether that follows the slider."""

    scroll_toggled = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scroll = QCheckBox("Predict as I scroll")
        self._scroll.setToolTip("Predict the slice that is shown while the slider moves.")
        self._scroll.toggled.connect(self.scroll_toggled)
        self._tta = QCheckBox("Flips and turns")
        self._tta.setToolTip(
            "Take the mean over flips and quarter turns: better, and eight times the work."
        )
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._scroll)
        layout.addWidget(self._tta)
        layout.addStretch(1)

    @property
    def is_scrolling(self) -> bool:
        return self._scroll.isChecked()

    @property
    def has_tta(self) -> bool:
        return self._tta.isChecked()

    def stop_scrolling(self) -> None:
        self._scroll.setChecked(False)


class PredictionProgress(QWidget):
    """Buttons that start a prediction, the one that cancels it, and its progress."""

    all_requested = Signal()
    slice_requested = Signal()
    cancel_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._all = QPushButton("Predict all slices")
        self._all.setToolTip("Predict the whole stack; slices appear as they are done.")
        self._all.clicked.connect(self.all_requested)
        self._slice = QPushButton("This slice")
        self._slice.setToolTip("Predict only the slice that is shown.")
        self._slice.clicked.connect(self.slice_requested)
        self._cancel = QPushButton("Cancel")
        self._cancel.setToolTip("Stop after the slice under way; finished slices are kept.")
        self._cancel.clicked.connect(self.cancel_requested)
        self._bar = QProgressBar()
        self._state, self._missing = QLabel(), QLabel()
        self._state.setWordWrap(True)
        self._missing.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.addWidget(self._all, stretch=1)
        buttons.addWidget(self._slice)
        buttons.addWidget(self._cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self._missing)
        layout.addWidget(self._bar)
        layout.addWidget(self._state)
        self.end("")

    def tell_missing(self, missing: str) -> None:
        """What a prediction still needs; nothing if it can begin."""
        self._all.setEnabled(not missing)
        self._slice.setEnabled(not missing)
        self._missing.setText(missing)
        self._missing.setVisible(bool(missing))

    def begin(self, total: int) -> None:
        """A prediction of ``total`` slices has begun."""
        self._set_running(True)
        self._bar.setRange(0, total)
        self._bar.setValue(0)
        self._state.setText("Loading the model…")

    def show_progress(self, done: int, text: str) -> None:
        self._bar.setValue(done)
        self._state.setText(text)

    def end(self, text: str) -> None:
        """It has ended, in whatever way; ``text`` says how."""
        self._set_running(False)
        self._state.setText(text)
        self._state.setVisible(bool(text))

    def _set_running(self, is_running: bool) -> None:
        self._cancel.setVisible(is_running)
        self._bar.setVisible(is_running)
        self._all.setVisible(not is_running)
        self._slice.setVisible(not is_running)
        self._state.setVisible(is_running)


class ThresholdView(QWidget):
    """The threshold, and which slices it does not touch."""

    threshold_changed = Signal(float)
    release_requested = Signal()

    def __init__(self, threshold: float, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self._slider.setRange(0.01, 0.99)
        self._slider.setSingleStep(0.01)  # type: ignore[arg-type]  # it takes floats
        self._slider.setDecimals(2)
        self._slider.setValue(threshold)
        self._slider.setToolTip("Pixels of at least this probability are membrane.")
        self._slider.valueChanged.connect(self.threshold_changed)
        self._note = QLabel()
        self._note.setWordWrap(True)
        self._release = QPushButton("Drop corrections")
        self._release.setToolTip("Let the threshold decide the corrected slices again.")
        self._release.clicked.connect(self.release_requested)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        layout.addWidget(self._note)
        layout.addWidget(self._release)
        self.show_kept([])

    @property
    def threshold(self) -> float:
        return float(self._slider.value())

    def set_threshold(self, threshold: float) -> None:
        self._slider.setValue(threshold)

    def show_kept(self, slices: list[int]) -> None:
        """Tell which slices were corrected by hand."""
        self._note.setVisible(bool(slices))
        self._release.setVisible(bool(slices))
        names = ", ".join(str(index) for index in slices[:8]) + (", …" if len(slices) > 8 else "")
        self._note.setText(f"Corrected by hand, so not thresholded: {names}.")
