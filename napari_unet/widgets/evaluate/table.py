"""Table of every slice's figures, sortable."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QModelIndex, QSortFilterProxyModel, Qt, Signal
from qtpy.QtWidgets import QHeaderView, QTableView, QWidget

from napari_unet.evaluation.comparison import Comparison
from napari_unet.evaluation.slice_sets import HELD_OUT, TRAINING, count_sets, set_of
from napari_unet.widgets.common.tables import Column, SlicesModel, choose_rows
from training.label_classes import DICE_OF

SLICE = Column("Slice", "Place in the stack. ○: the model was trained on it; ●: it was held out")
OF_MEMBRANE = {
    "dice": Column("Dice", "Twice the intersection over the sum of areas, of the membrane pixels"),
    "iou": Column("IoU", "Intersection over union of the membrane pixels"),
    "precision": Column("Prec.", "Precision: share of the predicted membrane that is membrane"),
    "recall": Column("Recall", "Recall: share of the true membrane that was predicted"),
    "v_rand": Column(
        "Rand",
        "V_rand, the Rand score of the neurons between membranes: 1 where none is split or merged",
    ),
    "v_info": Column(
        "Info",
        "V_info, the information score of the neurons: large ones count for less than in V_rand",
    ),
}
MEAN_OF_CLASSES = Column("Dice", "Mean of the classes' Dice, but for that of the value 0")
PENDING = "…"
MARKS = {HELD_OUT: "● ", TRAINING: "○ "}
ROW_HEIGHT = 22
_MEASURED_ROWS = 20  # that columns of classes are as wide as
# Seven columns in a narrow dock.
STYLE = "QTableView {font-size: 11px} QTableView::item {padding: 0; margin: 0} "
STYLE += "QHeaderView::section {padding: 2px 0; font-size: 11px}"


class FiguresModel(SlicesModel):
    """A row a slice, of a comparison that changes now and then."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__([SLICE, *OF_MEMBRANE.values()], parent)
        self._comparison: Comparison | None = None
        self._names = [*OF_MEMBRANE]

    def set_comparison(self, comparison: Comparison | None) -> None:
        """Show another comparison; None: nothing is compared."""
        self.beginResetModel()
        self._comparison = comparison
        found = OF_MEMBRANE if comparison is None else columns_of(comparison)
        self._names, self._columns = [*found], [SLICE, *found.values()]
        self.endResetModel()

    def update_figures(self, first: int, last: int) -> None:
        """Show the new figures of these slices."""
        self.dataChanged.emit(self.index(first, 0), self.index(last, len(self._names)))

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
        name = self._names[index.column() - 1]
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
        header: Any = self.horizontalHeader()
        header.setResizeContentsPrecision(_MEASURED_ROWS)
        self.setToolTip("Click a row to see its slice; click a title to sort by it.")
        selection: Any = self.selectionModel()
        selection.currentRowChanged.connect(self._on_row_changed)

    def set_comparison(self, comparison: Comparison | None) -> None:
        """Show another comparison; None: nothing is compared."""
        self._figures.set_comparison(comparison)
        has_classes = comparison is not None and bool(comparison.classes)
        modes = QHeaderView.ResizeMode
        columns: Any = self.horizontalHeader()
        columns.setSectionResizeMode(modes.ResizeToContents if has_classes else modes.Stretch)
        if columns.sortIndicatorSection() >= self._figures.columnCount():
            self.sortByColumn(0, Qt.SortOrder.AscendingOrder)

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


def columns_of(comparison: Comparison) -> dict[str, Column]:
    """Choose the figures that are shown, by their names: of classes the Dice of each."""
    if not comparison.classes:
        return {name: OF_MEMBRANE[name] for name in comparison.names}
    of_classes = [name for name in comparison.names if name.startswith(DICE_OF)]
    titles = {name: name.removeprefix(DICE_OF) for name in of_classes}
    return {
        "dice": MEAN_OF_CLASSES,
        **{name: Column(title, f"Dice of the class {title}") for name, title in titles.items()},
    }


def summary_table(comparison: Comparison) -> str:
    """Write the mean of each set of slices, and the deviation over all, as rich text."""
    columns = columns_of(comparison)
    rows = [["", *(column.title for column in columns.values())]]
    counts = count_sets(comparison.by_slice(), comparison.trained)
    is_marked = comparison.trained is not None
    lines = [
        (f"{MARKS.get(name, '')}{name} {counts[name]}" if is_marked else "mean", mean)
        for name, mean in comparison.means().items()
    ]
    for title, figures in (*lines, ("± sd", comparison.spread())):
        cells = [f"{figures[name]:.3f}" if name in figures else PENDING for name in columns]
        rows.append([title, *cells])
    if comparison.classes:  # of which there may be more than a dock is wide
        rows = [list(row) for row in zip(*rows, strict=True)]
    cell_style = "align=right style='white-space: nowrap; font-size: 11px'"
    markup = ("".join(f"<td {cell_style}>{cell}</td>" for cell in row) for row in rows)
    return "<table cellpadding=2>" + "".join(f"<tr>{line}</tr>" for line in markup) + "</table>"
