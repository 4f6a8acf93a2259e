"""The table of runs, with buttons for the chosen one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QSortFilterProxyModel, Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QShortcut,
    QSizePolicy,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_unet.runs.run_list import RunSummary
from napari_unet.widgets.runs.model import (
    NAME_COLUMN,
    SORT_ROLE,
    STARTED_COLUMN,
    RunsModel,
)

_BUTTON_COLUMNS = 3


class RunsTable(QWidget):
    """Sortable table with buttons below; every signal carries the chosen ``RunSummary``."""

    curves_requested = Signal(object)
    log_requested = Signal(object)
    config_requested = Signal(object)
    prediction_requested = Signal(object)
    resume_requested = Signal(object)
    export_requested = Signal(object)
    stop_requested = Signal(object)
    fetch_requested = Signal(object)
    results_requested = Signal(object)
    deletion_requested = Signal(object)
    renamed = Signal(object, str)  # RunSummary, and what it is called from now on

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = RunsModel(self)
        self._sorted = QSortFilterProxyModel(self)
        self._sorted.setSourceModel(self._model)
        self._sorted.setSortRole(SORT_ROLE)
        self._table = _new_table()
        self._table.setModel(self._sorted)
        self._table.setSortingEnabled(True)
        self._table.sortByColumn(STARTED_COLUMN, Qt.SortOrder.DescendingOrder)
        self._table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self._table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self._table.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self._table.setToolTip(
            "Double-click a training to see its curves; F2 renames it; click a title to sort."
        )
        self._table.verticalHeader().hide()
        header = self._table.horizontalHeader()
        header.setSectionResizeMode(NAME_COLUMN, QHeaderView.ResizeMode.Stretch)
        header.setResizeContentsPrecision(0)  # the rows in sight
        self._table.resizeColumnsToContents()  # of the titles, as long as there are none
        self._table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        rename = QShortcut(QKeySequence("F2"), self._table)
        rename.setContext(Qt.ShortcutContext.WidgetShortcut)
        rename.activated.connect(self._edit_name)
        self._model.renamed.connect(self.renamed)
        self._table.selectionModel().selectionChanged.connect(self._enable_buttons)
        self._buttons = {
            "Curves": ("Show its curves and figures in the train dock.", self.curves_requested),
            "Predict": ("Load its model in the predict dock.", self.prediction_requested),
            "Export…": ("Write its model for other programs and people.", self.export_requested),
            "Resume": (
                "Go on from its newest checkpoint; a prediction after the slices that are done.",
                self.resume_requested,
            ),
            "Stop": (
                "End a training after its current step, keeping its model; a prediction at once.",
                self.stop_requested,
            ),
            "Fetch": (
                "Bring the results of a prediction from its server to its folder.",
                self.fetch_requested,
            ),
            "Open": (
                "Show the results of a prediction that were fetched, over its stack if it is open.",
                self.results_requested,
            ),
            "Log": ("Show what it printed.", self.log_requested),
            "Configuration": ("Show all its options.", self.config_requested),
            "Delete": ("Delete the run (asks first).", self.deletion_requested),
        }
        self._widgets = {name: QPushButton(name) for name in self._buttons}
        self._table.doubleClicked.connect(lambda _: self._widgets["Curves"].click())
        self._lay_out()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self._enable_buttons()

    def show_runs(self, runs: Sequence[RunSummary]) -> None:
        """Show new rows; the chosen run stays chosen."""
        if self._table.viewport().findChild(QLineEdit) is not None:
            return  # a name that is being edited must not be replaced
        chosen = self.chosen_run
        if self._model.show_runs(runs):
            self._table.resizeColumnsToContents()
        if chosen is not None and self.chosen_run is None:
            self.choose(chosen.run.name)
        self._enable_buttons()

    @property
    def chosen_run(self) -> RunSummary | None:
        """The chosen run; None if there is none."""
        rows = self._table.selectionModel().selectedRows()
        return self._model.summary(self._sorted.mapToSource(rows[0]).row()) if rows else None

    def choose(self, name: str) -> None:
        """Choose a run by its name."""
        for row in range(self._model.rowCount()):
            if self._model.summary(row).run.name == name:
                index = self._sorted.mapFromSource(self._model.index(row, 0))
                self._table.selectRow(index.row())

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setSpacing(4)
        for place, (name, (tooltip, signal)) in enumerate(self._buttons.items()):
            button = self._widgets[name]
            button.setToolTip(tooltip)
            button.clicked.connect(lambda _, signal=signal: self._emit(signal))
            grid.addWidget(button, *divmod(place, _BUTTON_COLUMNS))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._table, 1)
        layout.addLayout(grid)

    def _edit_name(self) -> None:
        rows = self._table.selectionModel().selectedRows(NAME_COLUMN)
        if rows:
            self._table.edit(rows[0])

    def _emit(self, signal: Any) -> None:
        chosen = self.chosen_run
        if chosen is not None:
            signal.emit(chosen)

    def _enable_buttons(self) -> None:
        chosen = self.chosen_run
        for button in self._widgets.values():
            button.setEnabled(chosen is not None)
        if chosen is not None:
            for name in ("Predict", "Export…"):
                self._widgets[name].setEnabled(chosen.has_model)
            problem, (tooltip, _) = chosen.resume_problem, self._buttons["Resume"]
            self._widgets["Resume"].setEnabled(not problem)
            self._widgets["Resume"].setToolTip(problem or tooltip)
            self._widgets["Delete"].setEnabled(not chosen.is_running)
            self._widgets["Stop"].setEnabled(chosen.is_running)
            can_fetch = chosen.is_prediction and chosen.status == "finished"
            self._widgets["Fetch"].setEnabled(can_fetch)
            self._widgets["Open"].setEnabled(chosen.has_results)
            for name in ("Curves", "Configuration"):
                self._widgets[name].setEnabled(not chosen.is_prediction)


def _new_table() -> Any:
    """Make the table; it is typed Any because PyQt5's stubs declare its parts Optional."""
    return QTableView()
