"""The fields of a server's profile, made from those of :class:`Profile`."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.profile.profile_fields import ProfileField, profile_fields

Editor = QLineEdit | QSpinBox | QComboBox | QCheckBox


class ServerForm(QWidget):
    """Edits one :class:`Profile`, on a page for each group of its fields."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.pages = QTabWidget()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.pages)
        forms: dict[str, QFormLayout] = {}
        self._fields = {field.name: field for field in profile_fields()}
        self._editors: dict[str, Editor] = {}
        for name, field in self._fields.items():
            editor = self._editors[name] = _make_editor(field)
            label = QLabel(field.title)
            for widget in (label, editor):
                widget.setToolTip(field.help)
            if field.page not in forms:
                forms[field.page] = self._add_page(field.page)
            page_layout = forms[field.page]
            if field.is_path and isinstance(editor, QLineEdit):
                page_layout.addRow(label, _with_browser(editor, field.title))
            else:
                page_layout.addRow(label, editor)
        self.clear()

    def _add_page(self, title: str) -> QFormLayout:
        page = QWidget()
        form = QFormLayout(page)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.pages.addTab(page, title)
        return form

    def clear(self) -> None:
        """Show what holds where nothing is chosen, for a new server."""
        for name, field in self._fields.items():
            _show(self._editors[name], None if field.kind is str else field.default)
        self._shown = self._entries()

    def show_profile(self, profile: Profile) -> None:
        """Show a server's profile."""
        for name, editor in self._editors.items():
            _show(editor, getattr(profile, name))
        self._shown = self._entries()

    def prefer_npus(self) -> None:
        """Choose NPUs to train with where the choice is left open, because the server has some."""
        editor = self._editors["device"]
        if isinstance(editor, QComboBox) and editor.currentText() == "auto":
            editor.setCurrentText("ascend")

    @property
    def is_edited(self) -> bool:
        """Whether the fields say something else than what was shown last."""
        return self._entries() != self._shown

    def _entries(self) -> list[str]:
        editors = self._editors.values()
        return [_entry(editor) for editor in editors]

    def profile(self) -> Profile:
        """Read the fields; a UserError if what they say is not a profile."""
        return Profile(**{name: self._value(name) for name in self._fields})

    def _value(self, name: str) -> Any:
        editor, field = self._editors[name], self._fields[name]
        if isinstance(editor, QSpinBox):
            return editor.value()
        if isinstance(editor, QComboBox):
            return editor.currentText()
        if isinstance(editor, QCheckBox):
            return editor.isChecked()
        text = editor.text().strip()
        if field.kind is tuple:
            return tuple(part.strip() for part in text.split(",") if part.strip())
        return text or field.default or ""


def _make_editor(field: ProfileField) -> Editor:
    if field.choices:
        choice = QComboBox()
        choice.addItems(field.choices)
        return choice
    if field.kind is int:
        number = QSpinBox()
        number.setRange(field.minimum, field.maximum)
        number.setSpecialValueText(field.hint)
        return number
    if field.kind is bool:
        return QCheckBox()
    line = QLineEdit()
    line.setPlaceholderText(field.hint)
    return line


def _entry(editor: Editor) -> str:
    """What an editor says, to be compared."""
    if isinstance(editor, QCheckBox):
        return str(editor.isChecked())
    return editor.currentText() if isinstance(editor, QComboBox) else editor.text()


def _show(editor: Editor, value: Any) -> None:
    if isinstance(editor, QSpinBox):
        editor.setValue(value)
    elif isinstance(editor, QComboBox):
        editor.setCurrentText(value or editor.itemText(0))
    elif isinstance(editor, QCheckBox):
        editor.setChecked(value)
    else:
        editor.setText(", ".join(value) if isinstance(value, tuple) else value or "")


def _with_browser(line: QLineEdit, title: str) -> QHBoxLayout:
    """A field for a file of this machine, with a button that asks for one."""
    browse = QPushButton("Choose…")

    def choose() -> None:
        name, _ = QFileDialog.getOpenFileName(line, title, line.text())
        if name:
            line.setText(name)

    browse.clicked.connect(choose)
    row = QHBoxLayout()
    row.addWidget(line, 1)
    row.addWidget(browse)
    return row
