"""Choice of what computes the network, and on which device."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QWidget
from superqt.utils import signals_blocked

from napari_unet.settings import Settings

_NAMES = {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}


class EngineChoice(QWidget):
    """A drop-down of engines with their devices; not seen where there is but one."""

    engine_changed = Signal(Settings)  # with the engine and the device alone

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._engines = QComboBox()
        self._engines.setToolTip("What computes the network: the mask is the same.")
        self._engines.currentIndexChanged.connect(lambda _: self._on_changed())
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("Compute with"))
        layout.addWidget(self._engines, 1)
        self.hide()

    def show_engines(self, engines: list[tuple[str, str]], settings: Settings) -> None:
        """Offer these, each with its device, and what was chosen before."""
        chosen = settings.engine, settings.device
        offered = [*dict.fromkeys([*engines, chosen])]
        with signals_blocked(self._engines):
            self._engines.clear()
            for engine, device in offered:
                self._engines.addItem(f"{_NAMES[engine]}, {device}", (engine, device))
            self._engines.setCurrentIndex(offered.index(chosen))
        self.setVisible(len(offered) > 1)

    def _on_changed(self) -> None:
        engine, device = self._engines.currentData()
        self.engine_changed.emit(Settings(engine=engine, device=device))
