"""The dialog that asks as what a run's model is exported, where to, and by whom it is."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_unet.exchange.model_description import (
    DEFAULT_LICENSE,
    UNET_CITATION,
    ModelDescription,
    default_author,
)
from napari_unet.exchange.model_export import FORMS
from napari_unet.widgets.common.form_layout import align_labels
from napari_unet.widgets.common.messages import plain_label
from napari_unet.widgets.files.save_dialog import browse_row, may_replace

WIDTH = 520  # pixels
PACKAGE = ".zip"


class ExportModelDialog(QDialog):
    """The form and file of a model; for a package its name, authors, licence and citation.

    Parameters
    ----------
    folder, name : Path and str
        Where the file goes, and what its name begins with.
    title : str
        What a package calls the model; a person may change all of them.
    """

    def __init__(self, folder: Path, name: str, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export model")
        self.setMinimumWidth(WIDTH)
        self._form = QComboBox()
        for ending, (text, _) in FORMS.items():
            self._form.addItem(f"{text} ({ending})", ending)
        self._file = QLineEdit(str(folder / f"{name}{PACKAGE}"))
        self._title, self._authors = QLineEdit(title), QLineEdit(default_author())
        self._authors.setToolTip("Names, with commas between.")
        self._license = QLineEdit(DEFAULT_LICENSE)
        self._license.setToolTip("What others may do with it: an identifier of spdx.org/licenses.")
        text, place = UNET_CITATION
        self._cited, self._place = QLineEdit(text), QLineEdit(place)
        for field in (self._file, self._cited):
            field.setCursorPosition(0)
        self._package = QWidget()
        self._problem = plain_label()
        self._problem.setWordWrap(True)
        self._buttons = QDialogButtonBox()
        self._export = self._buttons.addButton("Export", QDialogButtonBox.ButtonRole.AcceptRole)
        self._buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        self._lay_out()
        self._form.currentIndexChanged.connect(lambda _: self._on_form_changed())
        for field in (self._file, self._authors, self._cited, self._place):
            field.textChanged.connect(lambda _: self._refresh())
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        self._refresh()

    @property
    def target(self) -> Path:
        """The file to write."""
        return Path(self._file.text().strip())

    @property
    def description(self) -> ModelDescription:
        """What a package tells of the model."""
        authors = [name.strip() for name in self._authors.text().split(",")]
        cited = self._cited.text().strip(), self._place.text().strip()
        return ModelDescription(
            name=self._title.text().strip(),
            authors=tuple(filter(None, authors)),
            license=self._license.text().strip(),
            citations=(cited,) if all(cited) else (),
        )

    def accept(self) -> None:
        """Close with this file, once a person agrees that one which exists is replaced."""
        if may_replace(self, [self.target]):
            super().accept()

    def _lay_out(self) -> None:
        place = browse_row(self._file, "Choose another file.", self._on_browse)
        form = QFormLayout()
        form.addRow("As", self._form)
        form.addRow("File", place)
        package = QFormLayout(self._package)
        package.setContentsMargins(0, 0, 0, 0)
        package.addRow("Name", self._title)
        package.addRow("Authors", self._authors)
        package.addRow("Licence", self._license)
        package.addRow("Cite", self._cited)
        package.addRow("DOI or address", self._place)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self._package)
        layout.addWidget(self._problem)
        layout.addWidget(self._buttons)
        align_labels(self)

    def _on_form_changed(self) -> None:
        ending = self._form.currentData()
        if self.target.suffix in FORMS:
            self._file.setText(str(self.target.with_suffix(ending)))
        self._package.setVisible(ending == PACKAGE)
        self._refresh()
        self.adjustSize()

    def _on_browse(self) -> None:
        ending = self._form.currentData()
        options = QFileDialog.Option.DontConfirmOverwrite  # it is asked about at the end
        name, _ = QFileDialog.getSaveFileName(
            self, "Export model", self._file.text(), f"*{ending}", options=options
        )
        if name:
            self._file.setText(name if name.endswith(ending) else name + ending)

    def _refresh(self) -> None:
        problem = self._find_problem()
        self._problem.setText(problem)
        self._problem.setVisible(bool(problem))
        if self._export is not None:
            self._export.setEnabled(not problem)

    def _find_problem(self) -> str:
        ending = self._form.currentData()
        if self.target.suffix != ending:
            return f"End the file's name in {ending}."
        if not self.target.parent.is_dir():
            return "There is no such folder."
        if ending == PACKAGE and not self.description.authors:
            return "Name an author."
        if ending == PACKAGE and bool(self._cited.text()) != bool(self._place.text()):
            return "Give the cited work's title and its DOI or address, or neither."
        return ""
