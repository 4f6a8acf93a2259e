"""Learns on from the model in use, and says whether the new one is better."""

from __future__ import annotations

from napari import Viewer
from napari.layers import Image, Labels
from qtpy.QtCore import Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_unet.launchers.local_launcher import LocalLauncher
from napari_unet.runs.learning_on import (
    comparison_text,
    current_model,
    learn_on,
    use,
)
from napari_unet.runs.run_progress import RunProgress, failure
from napari_unet.runs.training_sources import LayerData, LayerStack
from napari_unet.settings import remember
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.common.dock import open_dock
from napari_unet.widgets.common.messages import plain_label, report
from napari_unet.widgets.train.run_watcher import RunWatcher
from training.runs.run_directory import RunDirectory


class LearnOnView(QWidget):
    """A button that learns on, and afterwards the comparison of the new model with the old one.

    Parameters
    ----------
    viewer : Viewer
        Where the Train and Predict docks are opened.
    """

    learn_requested = Signal()

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._run: RunDirectory | None = None
        self._watcher = RunWatcher(self)
        self._begin = QPushButton("Learn on")
        self._begin.setToolTip(
            "Train on from the model in use, with the labels and the corrected slices; Train "
            "shows it. The old model stays."
        )
        self._use = QPushButton("Predict with the new one")
        self._use.setToolTip("Open the Predict dock with the new model.")
        self._use.hide()
        self._text = plain_label()
        self._text.setWordWrap(True)
        row = QHBoxLayout()
        row.addWidget(self._begin)
        row.addWidget(self._use)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self._text)
        self._begin.clicked.connect(lambda: self.learn_requested.emit())
        self._use.clicked.connect(self._on_use_requested)
        self._watcher.ended.connect(self._on_ended)

    def start(self, image: Image, labels: Labels) -> None:
        """Learn on from these layers."""
        data = LayerData(LayerStack.of(image), LayerStack.of(labels))
        self._begin.setEnabled(False)
        self._use.hide()
        self._text.setText("Starting…")
        run_in_thread(lambda: learn_on(data), self._on_started, self._on_refused)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Trainings may have made models since the dock was last seen."""
        super().showEvent(event)
        if self._run is None:
            run_in_thread(current_model, self._on_model_found)

    def _on_model_found(self, run: RunDirectory | None) -> None:
        self._begin.setEnabled(run is not None)
        text = "Train a model first." if run is None else f"From {run.name}."
        if self._run is None:
            self._text.setText(text)

    def _on_started(self, run: RunDirectory) -> None:
        self._run = run
        self._text.setText(f"{run.name} is learning; Train shows it.")
        self._watcher.watch(run, LocalLauncher(run.path.parent))
        open_dock(self._viewer, "Train").follow(run)

    def _on_refused(self, error: Exception) -> None:
        self._begin.setEnabled(True)
        self._text.setText("Nothing was started.")
        report(error)

    def _on_ended(self, progress: RunProgress) -> None:
        self._begin.setEnabled(True)
        run = self._run
        if run is None:
            return
        if progress.status not in ("finished", "stopped"):
            self._text.setText(str(failure(run, progress.state)))
            return
        self._text.setText(comparison_text(progress.state))
        comparison = progress.state.comparison
        if comparison is None or comparison["is_better"]:
            run_in_thread(lambda: remember(model=str(run.path)), lambda _: None)
            self._use.setText("Predict with the new one")
        else:
            self._use.setText("Use the new one anyway")
        self._use.show()

    def _on_use_requested(self) -> None:
        run = self._run
        if run is not None:
            run_in_thread(lambda: use(run), self._on_used)

    def _on_used(self, run: RunDirectory) -> None:
        self._use.hide()
        open_dock(self._viewer, "Predict").use_model(run.path)
