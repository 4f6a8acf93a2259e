"""Table of every slice's figures, sortable."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QModelIndex, QSortFilterProxyModel, Qt, Signal
from qtpy.QtWidgets import QTableView, QWidget

from napari_unet.evaluation.comparison import FIGURES, Comparison
from napari_unet.evaluation.slice_sets import HELD_OUT, TRAINING, count_sets, set_of
from napari_unet.widgets.common.tables import Column, SlicesModel, choose_rows

COLUMNS = (
    Column("Slice", "Place in the stack. ○: the model was trained on it; ●: it was held out"),
    Column("Dice", "Twice the intersection over the sum of areas, of the membrane pixels"),
    Column("IoU", "Intersection over union of the membrane pixels"),
    Column("Prec.", "Precision: share of the predicted membrane that is membrane"),
    Column("Recall", "Recall: share of the true membrane that was predicted"),
    Column(
        "Rand",
        "V_rand, the Rand score of the neurons between membranes: 1 where none is split or merged",
    ),
    Column(
        "Info",
        "V_info, the information score of the neurons: large ones count for less than in V_rand",
    ),
)
PENDING = "…"
MARKS = {HELD_OUT: "● ", TRAINING: "○ "}
ROW_HEIGHT = 22
# Seven columns in a narrow dock.
STYLE = "QTableView {font-size: 11px} QTableView::item {padding: 0; margin: 0} "
STYLE += "QHeaderView::section {padding: 2px 0; font-size: 11px}"


class FiguresModel(SlicesModel):
    """A row a slice, of a comparison that changes now and then."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(COLUMNS, parent)
        self._comparison: Comparison | None = None

    def set_comparison(self, comparison: Comparison | None) -> None:
        """Show another comparison; None: nothing is compared."""
        self.beginResetModel()
        self._comparison = comparison
        self.endResetModel()

    def update_figures(self, first: int, last: int) -> None:
        """Show the new figures of these slices."""
        self.dataChanged.emit(self.index(first, 0), self.index(last, len(COLUMNS) - 1))

    def is_counted(self, row: int) -> bool:
        """Whether the slice of a row has labels, as far as is known."""
        return self._comparison is not None and self._comparison[row] != {}

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        is_child = parent is not None and parent.isValid()
        return 0 if is_child or self._comparison is None else len(self._comparison)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return a figure as text for display; as a number in the user role, which sorts rows."""
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.UserRole):
            return super().data(index, role)
        if self._comparison is None:
            return None
        if index.column() == 0:
            mark = MARKS.get(set_of(index.row(), self._comparison.trained))
            is_shown = mark and role == Qt.ItemDataRole.DisplayRole
            return f"{mark}{index.row()}" if is_shown else index.row()
        figures = self._comparison[index.row()]
        name = FIGURES[index.column() - 1]
        if figures is None or name not in figures:
            missing = "" if figures is None else PENDING
            return missing if role == Qt.ItemDataRole.DisplayRole else -1.0
        value = figures[name]
        return f"{value:.3f}" if role == Qt.ItemDataRole.DisplayRole else value


class LabelledSlices(QSortFilterProxyModel):
    """Leaves out the slices that turn out to have no labels, and sorts the others."""

    def __init__(self, figures: FiguresModel) -> None:
        super().__init__(figures)
        self._figures = figures
        self.setSourceModel(figures)
        self.setSortRole(Qt.ItemDataRole.UserRole)

    def filterAcceptsRow(self, row: int, parent: QModelIndex) -> bool:  # noqa: N802
        return self._figures.is_counted(row)


class FiguresTable(QTableView):
    """Shows the figures; choosing a row asks for its slice, and a slice's row can be marked."""

    slice_requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._figures = FiguresModel(self)
        self._is_selecting = False
        self._sorted = LabelledSlices(self._figures)
        self.setModel(self._sorted)
        self.setSortingEnabled(True)
        self.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        choose_rows(self, ROW_HEIGHT, visible_rows=6)
        self.setStyleSheet(STYLE)
        self.setToolTip("Click a row to see its slice; click a title to sort by it.")
        selection: Any = self.selectionModel()
        selection.currentRowChanged.connect(self._on_row_changed)

    def set_comparison(self, comparison: Comparison | None) -> None:
        """Show another comparison; None: nothing is compared."""
        self._figures.set_comparison(comparison)
        for place, name in enumerate(FIGURES, start=1):
            self.setColumnHidden(place, comparison is not None and name not in comparison.names)

    def update_figures(self, first: int, last: int) -> None:
        """Show the new figures of these slices."""
        self._figures.update_figures(first, last)

    def select(self, index: int) -> None:
        """Mark the row of a slice without asking for the slice."""
        row = self._sorted.mapFromSource(self._figures.index(index, 0))
        self._is_selecting = True
        if row.isValid():
            self.selectRow(row.row())
            self.scrollTo(row)
        else:
            self.clearSelection()
        self._is_selecting = False

    def _on_row_changed(self, current: QModelIndex, previous: QModelIndex) -> None:
        if current.isValid() and not self._is_selecting:
            self.slice_requested.emit(self._sorted.mapToSource(current).row())


def summary_table(comparison: Comparison) -> str:
    """Write the mean of each set of slices, and the deviation over all, as rich text."""
    names = comparison.names
    titles = dict(zip(FIGURES, COLUMNS[1:], strict=True))
    rows = [["", *(titles[name].title for name in names)]]
    counts = count_sets(comparison.by_slice(), comparison.trained)
    is_marked = comparison.trained is not None
    lines = [
        (f"{MARKS.get(name, '')}{name} {counts[name]}" if is_marked else "mean", mean)
        for name, mean in comparison.means().items()
    ]
    for title, figures in (*lines, ("± sd", comparison.spread())):
        cells = [f"{figures[name]:.3f}" if name in figures else PENDING for name in names]
        rows.append([title, *cells])
    cell_style = "align=right style='white-space: nowrap; font-size: 11px'"
    markup = ("".join(f"<td {cell_style}>{cell}</td>" for cell in row) for row in rows)
    return "<table cellpadding=2>" + "".join(f"<tr>{line}</tr>" for line in markup) + "</table>"
