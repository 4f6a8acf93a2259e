"""Table of runs for Qt's views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt, Signal

from napari_unet.runs.run_list import RunSummary
from napari_unet.text import line
from napari_unet.widgets.common.messages import plain_tooltip
from training.console import format_duration

SORT_ROLE = Qt.ItemDataRole.UserRole
_ROOT = QModelIndex()


@dataclass(frozen=True)
class _Column:
    title: str
    text: Callable[[RunSummary], str]
    sort_key: Callable[[RunSummary], Any]


# What tells runs apart stands first: the dock is narrow. The rest is in the tooltip.
_COLUMNS = (
    _Column("When", lambda run: run.moment, lambda run: run.date.timestamp()),
    _Column("Name", lambda run: line(run.title), lambda run: run.title.casefold()),
    _Column(
        "Dice", lambda run: run.progress or _figure(run.best_dice), lambda run: run.best_dice or 0.0
    ),
    _Column("State", lambda run: run.status, lambda run: run.status),
)
STARTED_COLUMN, NAME_COLUMN = 0, 1


class RunsModel(QAbstractTableModel):
    """One row for each run; its tooltip has what does not fit into the columns."""

    renamed = Signal(object, str)  # RunSummary, and what a person calls the run from now on

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runs: list[RunSummary] = []

    def show_runs(self, runs: Sequence[RunSummary]) -> bool:
        """Show new rows; views are notified only of those that changed.

        Returns
        -------
        bool
            Whether anything changed.
        """
        if [run.run.path for run in runs] != [run.run.path for run in self._runs]:
            self.beginResetModel()
            self._runs = list(runs)
            self.endResetModel()
            return True
        changed = [row for row, run in enumerate(runs) if run != self._runs[row]]
        for row in changed:
            self._runs[row] = runs[row]
            self.dataChanged.emit(self.index(row, 0), self.index(row, len(_COLUMNS) - 1))
        return bool(changed)

    def summary(self, row: int) -> RunSummary:
        """Return the run in a row."""
        return self._runs[row]

    def rowCount(self, parent: QModelIndex = _ROOT) -> int:  # noqa: N802
        return 0 if parent.isValid() else len(self._runs)

    def columnCount(self, parent: QModelIndex = _ROOT) -> int:  # noqa: N802
        return 0 if parent.isValid() else len(_COLUMNS)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        run, column = self._runs[index.row()], _COLUMNS[index.column()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return column.text(run)
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tooltip(describe(run))
        if role == SORT_ROLE:
            return column.sort_key(run)
        return None

    def flags(self, index: QModelIndex) -> Any:
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() == NAME_COLUMN else flags

    def setData(  # noqa: N802
        self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole
    ) -> bool:
        if role != Qt.ItemDataRole.EditRole or value == self.data(index):
            return False
        self.renamed.emit(self._runs[index.row()], str(value))
        return True

    def headerData(  # noqa: N802
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return _COLUMNS[section].title
        return None


def describe(run: RunSummary) -> str:
    """Describe a run in a few lines."""
    lines = [*([run.title] if run.title != run.run.name else []), run.run.name]
    lines.append(f"{run.preset}, {run.status} on {run.device}, {run.date:%Y-%m-%d %H:%M}")
    if run.progress:
        lines.append(f"{run.progress} slices are predicted")
    if run.seconds is not None:
        lines.append(f"took {format_duration(run.seconds)}")
    if run.best_dice is not None and run.best_soft_dice is not None:
        lines.append(f"best Dice {run.best_dice:.4f}, soft Dice {run.best_soft_dice:.4f}")
    return "\n".join([*lines, *([run.problem] if run.problem else [])])


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
