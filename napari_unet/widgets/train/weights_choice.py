"""Choice of the weights that a training begins from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QPushButton, QSizePolicy, QWidget

from training.config import NO_WEIGHTS, STARTER
from training.model.saved_model import WEIGHT_SUFFIXES
from training.presets.preset import Preset

_TITLES = {STARTER: "Starter", NO_WEIGHTS: "None"}
_FILES = f"Weights (*{' *'.join(WEIGHT_SUFFIXES)})"


class WeightsChoice(QWidget):
    """A drop-down of the starter, none and what was opened, and a button to open more.

    Parameters
    ----------
    combo : magicgui.widgets.ComboBox
        Gives and takes what a configuration calls ``weights``.
    """

    def __init__(self, combo: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._combo = combo
        combo.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        menu = QMenu(self)
        menu.addAction("Folder of a run…", self._on_folder_requested)
        menu.addAction("Weights file…", self._on_file_requested)
        browse = QPushButton("Open")
        browse.setToolTip("Begin from the model of another run, or from a file of weights.")
        browse.setMenu(menu)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(combo.native, stretch=1)
        layout.addWidget(browse)

    def _on_folder_requested(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of a run")
        if folder:
            self._choose(folder)

    def _on_file_requested(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Weights", "", _FILES)
        if name:
            self._choose(name)

    def _choose(self, path: str) -> None:
        offer_weights(self._combo, [*self._combo.choices, path])
        self._combo.value = path


def usual_weights(preset: Preset) -> list[str]:
    """List what a network can begin from without a file."""
    return [STARTER, NO_WEIGHTS] if preset.has_starter else [NO_WEIGHTS]


def offer_weights(combo: Any, weights: list[str]) -> None:
    """Offer weights by their titles in a magicgui combo box; the chosen ones stay so if there."""
    combo.choices = [(_title(name), name) for name in dict.fromkeys(weights)]


def _title(weights: str) -> str:
    path = Path(weights)
    return _TITLES.get(weights) or (
        path.name if path.is_dir() else f"{path.parent.name}/{path.name}"
    )
