"""A list of pairs of images and labels to train on together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.layers import Image, Layer
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_unet.runs.training_sources import (
    FilePair,
    LayerData,
    LayerStack,
    PairSource,
    SeveralPairs,
)
from napari_unet.widgets.common.latest_work import LatestWork
from training.dataset.pair_search import find_pairs

_ROWS = 4  # that are in sight
_Chosen = FilePair | tuple[Layer, Layer]


class PairList(QWidget):
    """Pairs in layers and files; each may be held out, to be validated on alone.

    Attributes
    ----------
    pairs_changed : signal
        A pair came, went, or is held out now.
    layers_wanted : signal
        A person wants to add the two layers that are chosen elsewhere, see :meth:`add_layers`.
    failed : signal of str
        Why no pair was found in a folder.
    """

    pairs_changed = Signal()
    layers_wanted = Signal()
    failed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._chosen: list[_Chosen] = []
        self._searching = LatestWork(self, find_pairs, self._on_found, self._on_not_found)
        self._list: Any = QTreeWidget()  # some of its methods are said to give None
        self._list.setHeaderLabels(["Images", "Labels", "Hold out"])
        self._list.setRootIsDecorated(False)
        self._list.setUniformRowHeights(True)
        self._list.setSelectionMode(QTreeWidget.SelectionMode.ExtendedSelection)
        self._list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self._list.setToolTip(
            "What is trained on. Of each pair a part is held out for validation; tick a pair to "
            "hold out all of it."
        )
        header: Any = self._list.header()
        header.setStretchLastSection(False)
        for column in (0, 1):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.ResizeToContents)
        row_height = self.fontMetrics().height() + 8
        self._list.setFixedHeight((_ROWS + 1) * row_height)
        self.add_button = QPushButton("Add layers")
        self.add_button.setToolTip("Add the images and labels that are chosen above.")
        self.add_button.clicked.connect(self.layers_wanted)
        files = QPushButton("Files…")
        files.setToolTip("Add a file of images, and then the file of their labels.")
        files.clicked.connect(self._on_files_clicked)
        folder = QPushButton("Folder…")
        folder.setToolTip(
            "Add the pairs of a folder: images beside labels, a.tif beside a_labels.tif."
        )
        folder.clicked.connect(self._on_folder_clicked)
        self._remove = QPushButton("Remove")
        self._remove.setToolTip("Take the selected pairs off the list. Layers and files stay.")
        self._remove.clicked.connect(self._on_remove_clicked)
        buttons = QHBoxLayout()
        for button in (self.add_button, files, folder, self._remove):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._list)
        layout.addLayout(buttons)
        self._list.itemSelectionChanged.connect(self._enable)
        self._enable()

    @property
    def first_images(self) -> Image | None:
        """The images of the first pair in layers."""
        images = (pair[0] for pair in self._chosen if not isinstance(pair, FilePair))
        return next((layer for layer in images if isinstance(layer, Image)), None)

    def data(self) -> SeveralPairs | None:
        """Collect the pairs; None if there are none."""
        if not self._chosen:
            return None
        sources = tuple(map(_source, self._chosen))
        held_out = (
            place
            for place in range(len(sources))
            if self._list.itemWidget(self._list.topLevelItem(place), 2).isChecked()
        )
        return SeveralPairs(sources, tuple(held_out))

    def add_layers(self, images: Layer, labels: Layer) -> None:
        """Add a pair in two layers, unless it is there."""
        self._add([(images, labels)])

    def add_folder(self, folder: Path) -> None:
        """Add the pairs of a folder, once they are found."""
        self._searching.request(folder)

    def _add(self, pairs: list[_Chosen]) -> None:
        new = [pair for pair in pairs if pair not in self._chosen]
        for pair in new:
            self._chosen.append(pair)
            images, labels = _names(pair)
            item = QTreeWidgetItem([images, labels, ""])
            for column, name in enumerate((images, labels)):
                item.setToolTip(column, name)
            self._list.addTopLevelItem(item)
            box = QCheckBox()  # napari's theme shows one in a cell, but not the cell's own
            box.setToolTip("Validate on all of this pair, and train on none of it.")
            box.toggled.connect(self.pairs_changed)
            self._list.setItemWidget(item, 2, box)
        if new:
            self.pairs_changed.emit()

    def _enable(self) -> None:
        self._remove.setEnabled(bool(self._list.selectedItems()))

    def _on_found(self, pairs: list[tuple[Path, Path]]) -> None:
        self._add([FilePair(*paths) for paths in pairs])

    def _on_not_found(self, error: Exception) -> None:
        self.failed.emit(str(error))

    def _on_files_clicked(self) -> None:
        images, _ = QFileDialog.getOpenFileName(self, "Images")
        if not images:
            return
        folder = str(Path(images).parent)
        labels, _ = QFileDialog.getOpenFileName(self, f"Labels of {Path(images).name}", folder)
        if labels:
            self._add([FilePair(Path(images), Path(labels))])

    def _on_folder_clicked(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of images and labels")
        if folder:
            self.add_folder(Path(folder))

    def _on_remove_clicked(self) -> None:
        for item in self._list.selectedItems():
            place = self._list.indexOfTopLevelItem(item)
            self._list.takeTopLevelItem(place)
            del self._chosen[place]
        self.pairs_changed.emit()


def _names(pair: _Chosen) -> tuple[str, str]:
    if isinstance(pair, FilePair):
        return str(pair.images), str(pair.labels)
    return pair[0].name, pair[1].name


def _source(pair: _Chosen) -> PairSource:
    if isinstance(pair, FilePair):
        return pair
    return LayerData(*map(LayerStack.of, pair))
