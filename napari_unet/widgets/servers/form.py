"""The fields of a server's profile."""

from __future__ import annotations

from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QWidget,
)

from napari_unet.launchers.servers.profiles import Profile

_TEXTS = {  # title, what is used if it is empty, what it is
    "name": ("Name", "lab", "What you call the server."),
    "host": ("Address", "ascend.example.org", "A host name, an IP address or a Host of SSH."),
    "user": ("User", "as in ~/.ssh/config, or yours here", "Your account on the server."),
    "key": ("Key file", "the agent's, and those in ~/.ssh", "Private key. No password is kept."),
    "folder": ("Working folder", "napari-unet", "Runs and data are kept in this folder there."),
    "activate": (
        "Activate Python",
        "source ~/venv/bin/activate",
        "Command line that makes python the one with MindSpore.",
    ),
    "cann": ("CANN's set_env.sh", "found by itself", "Path on the server."),
    "nodes": (
        "Further servers",
        "none",
        "Addresses, with commas: one training runs on all of them.",
    ),
    "master_addr": (
        "First one's address",
        "for further servers only",
        "The address of the first server, as the further ones see it.",
    ),
}
_MOST_DEVICES = 4096


class ServerForm(QWidget):
    """Edits one :class:`Profile`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._texts = {name: _line(empty) for name, (_, empty, _) in _TEXTS.items()}
        self._port = QSpinBox()
        self._port.setRange(0, 65535)
        self._port.setSpecialValueText("as in ~/.ssh/config, or 22")
        self._device = QComboBox()
        self._device.addItems(["auto", "ascend", "cpu"])
        self._devices = QSpinBox()
        self._devices.setRange(1, _MOST_DEVICES)
        self._browse = QPushButton("Choose…")
        self._browse.clicked.connect(self._on_key_requested)
        self._lay_out()
        self.clear()

    def clear(self) -> None:
        """Empty fields, for a new server."""
        for line in self._texts.values():
            line.clear()
        self._port.setValue(0)
        self._device.setCurrentText("auto")
        self._devices.setValue(8)

    def show_profile(self, profile: Profile) -> None:
        """Show a server's profile."""
        for name, line in self._texts.items():
            value = getattr(profile, name)
            line.setText(", ".join(value) if isinstance(value, tuple) else value)
        self._port.setValue(profile.port)
        self._device.setCurrentText(profile.device)
        self._devices.setValue(profile.devices)

    def profile(self) -> Profile:
        """What the fields say; a UserError if that is no profile."""
        texts = {name: line.text().strip() for name, line in self._texts.items()}
        nodes = tuple(host.strip() for host in texts.pop("nodes").split(",") if host.strip())
        texts["folder"] = texts["folder"] or "napari-unet"
        return Profile(
            **texts,
            nodes=nodes,
            port=self._port.value(),
            device=self._device.currentText(),
            devices=self._devices.value(),
        )

    def _lay_out(self) -> None:
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        key = QHBoxLayout()
        key.addWidget(self._texts["key"], 1)
        key.addWidget(self._browse)
        for name, (title, _, tooltip) in _TEXTS.items():
            field = key if name == "key" else self._texts[name]
            self._texts[name].setToolTip(tooltip)
            layout.addRow(_label(title, tooltip), field)
            if name == "host":
                layout.addRow(_label("Port", "SSH's."), self._port)
            if name == "cann":
                layout.addRow(_label("Train with", "auto: NPUs if there are any."), self._device)
                tooltip = "How many a training takes, over all servers of the job."
                layout.addRow(_label("Devices", tooltip), self._devices)

    def _on_key_requested(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Private key", self._texts["key"].text())
        if name:
            self._texts["key"].setText(name)


def _line(placeholder: str) -> QLineEdit:
    line = QLineEdit()
    line.setPlaceholderText(placeholder)
    return line


def _label(title: str, tooltip: str) -> QLabel:
    label = QLabel(title)
    label.setToolTip(tooltip)
    return label
