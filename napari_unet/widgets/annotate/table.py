"""Table of the labelled slices, with a bar for each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QModelIndex, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import (
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from napari_unet.labelling.label_counts import LabelCounts
from napari_unet.widgets.common.tables import Column, SlicesModel, choose_rows

SLICE = Column("Slice")
ROW_HEIGHT = 20


class LabelledSlices(SlicesModel):
    """A row for each slice that has labels."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__((SLICE,), parent)
        self.colors: list[str] = []
        self.rows: list[tuple[int, ...]] = []

    def show_kinds(self, names: Sequence[str], colors: Sequence[str]) -> None:
        """Have a column for each kind of labels, without rows yet."""
        self.beginResetModel()
        self._columns = (SLICE, *(Column(name) for name in names))
        self.colors, self.rows = list(colors), []
        self.endResetModel()

    def show_counts(self, counts: LabelCounts | None) -> None:
        """Show new counts; the table is laid out again only where other slices are labelled."""
        slices = [] if counts is None else counts.labelled_slices
        rows = [(z, *counts.pixels[:, z].tolist()) for z in slices if counts]
        if [row[0] for row in rows] == [row[0] for row in self.rows]:
            self.rows = rows
            if rows:
                last = self.index(len(rows) - 1, len(self.colors))
                self.dataChanged.emit(self.index(0, 0), last)
            return
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.DisplayRole:
            return self.rows[index.row()][index.column()]
        return super().data(index, role)


class _Bars(QStyledItemDelegate):
    """Draws a count as a bar behind its number, the longest one as wide as its cell."""

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        model = index.model()
        column = index.column()
        if painter is not None and column and isinstance(model, LabelledSlices):
            most = max(max(row[1:]) for row in model.rows)
            bar = QRectF(option.rect).adjusted(1, 3, -1, -3)
            bar.setWidth(bar.width() * model.rows[index.row()][column] / max(1, most))
            shade = QColor(model.colors[column - 1])
            shade.setAlphaF(0.45)
            painter.fillRect(bar, shade)
        super().paint(painter, option, index)


class LabelledTable(QTableView):
    """Shows the labelled slices; a click on a row asks for its slice."""

    slice_requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._slices = LabelledSlices(self)
        self.setModel(self._slices)
        self.setItemDelegate(_Bars(self))
        choose_rows(self, ROW_HEIGHT, visible_rows=4)
        self.setToolTip("Labelled pixels of every slice that has any. Click a row to go there.")
        self.clicked.connect(self._on_clicked)

    def show_kinds(self, names: Sequence[str], colors: Sequence[str]) -> None:
        """Have a column for each kind of labels, with bars of its colour."""
        self._slices.show_kinds(names, colors)

    def show_counts(self, counts: LabelCounts | None) -> None:
        """Show the slices that new counts have labels on; None: none."""
        self._slices.show_counts(counts)

    def _on_clicked(self, index: QModelIndex) -> None:
        self.slice_requested.emit(self._slices.rows[index.row()][0])
