import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_unet.widgets.common.keyboard import ease_keyboard
from napari_unet.widgets.common.vertical_scroll import VerticalScrollArea


@pytest.fixture
def form(qtbot: QtBot) -> QWidget:
    """Rows, a grid and tabs, whose controls were made in another order than they are seen in."""
    made = {name: QPushButton(name) for name in ("last", "below", "left", "right", "hidden")}
    network, epochs, file = QComboBox(), QSpinBox(), QLineEdit()
    epochs.setToolTip("<b>Passes</b> over the stack. Many are slow.")
    rows = QFormLayout()
    rows.addRow("Network", network)
    file_row = QHBoxLayout()
    file_row.addWidget(file)
    file_row.addWidget(epochs)
    rows.addRow(QLabel("File"), file_row)
    grid = QGridLayout()
    grid.addWidget(made["below"], 1, 0)
    grid.addWidget(made["right"], 0, 1)
    grid.addWidget(made["left"], 0, 0)
    page, tabs, form = QWidget(), QTabWidget(), QWidget()
    content = QVBoxLayout(page)
    content.addLayout(rows)
    content.addWidget(made["hidden"])
    content.addLayout(grid)
    tabs.addTab(VerticalScrollArea(page), "Options")
    layout = QVBoxLayout(form)
    layout.addWidget(tabs)
    layout.addWidget(made["last"])
    qtbot.addWidget(form)
    form.show()
    made["hidden"].hide()
    qtbot.waitExposed(form)
    return form


def test_tab_goes_as_controls_are_seen(form: QWidget, qtbot: QtBot) -> None:
    ease_keyboard(form)
    form.activateWindow()
    network, file, epochs = (form.findChild(kind) for kind in (QComboBox, QLineEdit, QSpinBox))
    network.setFocus()
    qtbot.waitUntil(network.hasFocus)
    passed = []
    for _ in range(6):
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        passed.append(QApplication.focusWidget())
    assert passed[:2] == [file, epochs]
    assert [button.text() for button in passed[2:]] == ["left", "right", "below", "last"]


def test_a_control_without_a_text_is_named_by_its_label_or_its_tooltip(form: QWidget) -> None:
    ease_keyboard(form)
    names = [form.findChild(kind).accessibleName() for kind in (QComboBox, QLineEdit, QSpinBox)]
    assert names == ["Network", "File", "Passes over the stack"]
    assert {button.accessibleName() for button in form.findChildren(QPushButton)} == {""}
