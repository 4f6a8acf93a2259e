"""The dialog that asks what to export of a comparison, and where to."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_unet.evaluation.export import ENDINGS
from napari_unet.widgets.common.messages import plain_label
from napari_unet.widgets.files.save_dialog import browse_row, may_replace

WIDTH = 480  # pixels


class ExportDialog(QDialog):
    """Mask, probability, figures and picture, under one name in one folder, each in a format.

    Parameters
    ----------
    folder, name : Path and str
        Where the files go, and what their names begin with; a person may change both.
    available : collection of str
        Which of :data:`export.ENDINGS` there are.
    """

    def __init__(
        self, folder: Path, name: str, available: Collection[str], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export")
        self.setMinimumWidth(WIDTH)
        self._folder, self._name = QLineEdit(str(folder)), QLineEdit(name)
        self._parts = {part: QCheckBox() for part in ENDINGS}
        self._endings = {part: _ending_choice(part) for part, names in ENDINGS.items() if names[1:]}
        self._problem = plain_label()
        self._problem.setWordWrap(True)
        self._buttons = QDialogButtonBox()
        self._save = self._buttons.addButton(QDialogButtonBox.StandardButton.Save)
        self._buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        for part, box in self._parts.items():
            box.setEnabled(part in available)
            box.setChecked(part in available)
            box.toggled.connect(self._refresh)
        for choice in self._endings.values():
            choice.currentIndexChanged.connect(self._refresh)
        self._lay_out()
        self._folder.textChanged.connect(self._refresh)
        self._name.textChanged.connect(self._refresh)
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        self._refresh()

    @property
    def targets(self) -> dict[str, Path]:
        """The file of each part that is wanted."""
        folder = Path(self._folder.text())
        wanted = (part for part, box in self._parts.items() if box.isChecked())
        return {part: folder / self._file(part) for part in wanted}

    @property
    def name(self) -> str:
        """What the names of all files begin with."""
        return self._name.text().strip()

    def _file(self, part: str) -> str:
        choice = self._endings.get(part)
        ending = ENDINGS[part][0] if choice is None else choice.currentText()
        return f"{self.name}-{part.lower()}{ending}"

    def accept(self) -> None:
        """Close with these files, once a person agrees that those which exist are replaced."""
        if may_replace(self, self.targets.values()):
            super().accept()

    def _lay_out(self) -> None:
        place = browse_row(self._folder, "Choose another folder.", self._on_browse)
        form = QFormLayout()
        form.addRow("Folder", place)
        form.addRow("Name", self._name)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        for part, box in self._parts.items():
            row = QHBoxLayout()
            row.addWidget(box, stretch=1)
            if part in self._endings:
                row.addWidget(self._endings[part])
            layout.addLayout(row)
        layout.addWidget(self._problem)
        layout.addWidget(self._buttons)

    def _on_browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder to export to", self._folder.text())
        if folder:
            self._folder.setText(folder)

    def _refresh(self) -> None:
        for part, box in self._parts.items():
            box.setText(f"{part}:  {self._file(part) if box.isEnabled() else 'there is none'}")
            if part in self._endings:
                self._endings[part].setEnabled(box.isChecked())
        problem = self._find_problem()
        self._problem.setText(problem)
        self._problem.setVisible(bool(problem))
        if self._save is not None:
            self._save.setEnabled(not problem)

    def _find_problem(self) -> str:
        name = self.name
        if not name or "/" in name or name.startswith("."):
            return "Give a name without slashes that does not begin with a dot."
        if not self._folder.text() or not Path(self._folder.text()).is_dir():
            return "There is no such folder."
        return "" if self.targets else "Choose what to export."


def _ending_choice(part: str) -> QComboBox:
    choice = QComboBox()
    choice.addItems(ENDINGS[part])
    choice.setToolTip("Format: TIF, OME-Zarr, HDF5, or MRC for the probability.")
    choice.setAccessibleName(f"Format of the {part.lower()}")
    return choice
