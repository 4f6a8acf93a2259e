"""Choice of what to train on."""

from __future__ import annotations

from pathlib import Path

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_unet.launchers.server_path import ServerPath
from napari_unet.layers.class_layers import CLASSES_KEY, layer_classes
from napari_unet.layers.layer_search import unusable_image
from napari_unet.layers.plugin_layers import NEURONS, is_sparse_layer, is_tissue, role
from napari_unet.runs.training_sources import FolderData, LayerData, LayerStack, TrainingData
from napari_unet.runs.training_there import DataThere
from napari_unet.widgets.common.connections import Connections
from napari_unet.widgets.common.layer_choice import LayerChoice
from napari_unet.widgets.servers.browse_dialog import browse
from napari_unet.widgets.train.pair_list import PairList
from napari_unet.widgets.train.pair_preview import PairPreview
from training.errors import UserError
from training.label_classes import NO_CLASSES, LabelClasses
from training.label_convention import LabelConvention

_LAYERS, _FOLDER, _SEVERAL = range(3)  # the sources


class TrainingDataView(QWidget):
    """Two layers, a folder or several pairs, with a preview of them.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer whose layers are offered.

    Attributes
    ----------
    pair : PairPreview
        The preview; whoever reads the data fills it.
    pairs : PairList
        Those that are put together.
    """

    data_changed = Signal()
    labels_wanted = Signal()  # there are none yet, and a person wants to paint some

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._source = QComboBox()
        self._source.addItems(["Two layers", "A folder", "Several pairs"])
        self._source.setToolTip(
            "Train on an image layer and a layer of labels, on the images and labels of a folder, "
            "or on several pairs at once."
        )
        self._viewer = viewer
        self._edits = Connections(self)  # of the chosen labels
        self._is_edited = False
        self._offered: Layer | None = None  # the labels whose classes were offered
        self._images = LayerChoice(viewer, is_tissue)
        self._images.setToolTip("Stack of images to train on.")
        self._labels = LayerChoice(
            viewer, _can_be_labels, prefers=_is_labels, nothing="No labels yet"
        )
        self._labels.setToolTip("Ground truth for the images, or strokes on a few of them.")
        self._folder: Path | ServerPath | None = None
        self._server = ""  # whose folders can be browsed
        self._paint = QPushButton("Paint labels…")
        self._paint.setToolTip("Open the Annotate dock, where a few strokes are enough.")
        self._paint.clicked.connect(self.labels_wanted)
        self.pairs = PairList()
        self.pair = PairPreview()
        self._lay_out()
        self._source.currentIndexChanged.connect(self._on_source_changed)
        self._images.layer_changed.connect(self.data_changed)
        self._labels.layer_changed.connect(self.data_changed)
        self.pairs.layers_wanted.connect(self._add_pair)
        self.pairs.pairs_changed.connect(self.data_changed)
        self.data_changed.connect(self._on_data_changed)
        events, layers = Connections(self), viewer.layers.events
        for event in (layers.inserted, layers.removed):
            events.add(event, self._on_layer_came_or_went)
        self._show_rows()
        self._on_data_changed()

    @property
    def known_convention(self) -> LabelConvention | None:
        """``SPARSE`` if the layer says so; None: it must be guessed from the values."""
        labels = self._labels.layer if self._source.currentIndex() == _LAYERS else None
        is_sparse = labels is not None and is_sparse_layer(labels)
        return LabelConvention.SPARSE if is_sparse else None

    def classes_to_offer(self) -> LabelClasses | None:
        """Give the classes that labels say they have, once each time that others are chosen."""
        labels = self._labels.layer if self._source.currentIndex() == _LAYERS else None
        if labels is self._offered:
            return None
        self._offered = labels
        return NO_CLASSES if labels is None else layer_classes(labels)

    def name_classes(self, classes: LabelClasses) -> None:
        """Keep with the layer of labels what its values are, as far as the labels don't say so."""
        labels = self._labels.layer if self._source.currentIndex() == _LAYERS else None
        if classes and labels is not None and not is_sparse_layer(labels):
            labels.metadata[CLASSES_KEY] = classes.text

    @property
    def images_layer(self) -> Image | None:
        """The layer of images, if layers are trained on; of several the first."""
        if self.is_list:
            return self.pairs.first_images
        layer = self._images.layer if self._source.currentIndex() == _LAYERS else None
        return layer if isinstance(layer, Image) else None

    @property
    def is_list(self) -> bool:
        """Whether several pairs are put together."""
        return self._source.currentIndex() == _SEVERAL

    @property
    def lacks_labels(self) -> bool:
        """Whether there are images without labels."""
        is_layers = self._source.currentIndex() == _LAYERS
        return is_layers and self._images.layer is not None and self._labels.layer is None

    @property
    def unusable(self) -> str:
        """Why an image that is open can't be trained on, where none can; else empty."""
        is_without = self._source.currentIndex() == _LAYERS and self._images.layer is None
        return unusable_image(self._viewer) if is_without else ""

    def look_again(self) -> None:
        """Have the data read again, if the chosen labels were painted on since."""
        if self._is_edited:
            self.data_changed.emit()

    def data(self) -> TrainingData | DataThere | None:
        """Collect the chosen data; None if something is missing."""
        if self._source.currentIndex() == _FOLDER:
            if isinstance(self._folder, ServerPath):
                return DataThere(self._folder)
            return FolderData(self._folder) if self._folder is not None else None
        if self._source.currentIndex() == _SEVERAL:
            return self.pairs.data()
        images, labels = self._images.layer, self._labels.layer
        if images is None or labels is None:
            return None
        return LayerData(LayerStack.of(images), LayerStack.of(labels))

    def show_server(self, server: str) -> None:
        """Offer the folders of this server, where a training is to run; none if it is empty."""
        self._server = server
        self._browse.setText(f"Browse {server}…")
        self._browse.setVisible(bool(server))

    def elsewhere(self, place: str) -> str:
        """Say where to train on data of a server, if this place is another; else empty."""
        data = self.data()
        try:
            if isinstance(data, DataThere):
                data.check_place(place)
        except UserError as error:
            return str(error)
        return ""

    def choose_folder(self, folder: Path | ServerPath) -> None:
        """Take a folder as the source."""
        self._folder = folder
        self._folder_label.setText(str(folder))
        if self._source.currentIndex() == _FOLDER:
            self.data_changed.emit()
        else:
            self._source.setCurrentIndex(_FOLDER)

    def choose_several(self) -> None:
        """Take the list of pairs as the source."""
        self._source.setCurrentIndex(_SEVERAL)

    def choose_layers(self, images: Layer, labels: Layer) -> None:
        """Take two layers as the source."""
        self._source.setCurrentIndex(_LAYERS)
        self._images.choose(images)
        self._labels.choose(labels)
        self.look_again()

    def _lay_out(self) -> None:
        self._layer_rows, self._folder_row = self._make_layer_rows(), self._make_folder_row()
        source = QFormLayout()
        source.addRow("Data", self._source)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(source)
        layout.addWidget(self._layer_rows)
        layout.addWidget(self._folder_row)
        layout.addWidget(self.pairs)
        layout.addWidget(self._paint)
        layout.addWidget(self.pair)

    def _make_layer_rows(self) -> QWidget:
        page = QWidget()
        rows = QFormLayout(page)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setVerticalSpacing(4)
        rows.addRow("Images", self._images)
        rows.addRow("Labels", self._labels)
        return page

    def _make_folder_row(self) -> QWidget:
        page = QWidget()
        row = QHBoxLayout(page)
        row.setContentsMargins(0, 0, 0, 0)
        self._folder_label = QElidingLabel("No folder chosen")
        self._folder_label.setTextFormat(Qt.TextFormat.PlainText)
        self._folder_label.setElideMode(Qt.TextElideMode.ElideLeft)
        choose = QPushButton("Choose…")
        choose.setToolTip(
            "A folder of images and labels: train-volume.tif and train-labels.tif, a.tif and "
            "a_labels.tif, or folders named images and labels."
        )
        choose.clicked.connect(self._on_choose_clicked)
        row.addWidget(self._folder_label, 1)
        row.addWidget(choose)
        self._browse = QPushButton()
        self._browse.setToolTip("A folder of images and labels that is on the server already.")
        self._browse.clicked.connect(self._on_browse_clicked)
        row.addWidget(self._browse)
        self.show_server("")
        return page

    def _on_data_changed(self) -> None:
        self._paint.setVisible(self.lacks_labels)
        has_both = self._images.layer is not None and self._labels.layer is not None
        self.pairs.add_button.setEnabled(has_both)
        self._edits.clear()
        self._is_edited = False
        labels = self._labels.layer
        if isinstance(labels, Labels):
            self._edits.add(labels.events.paint, self._on_painted)

    def _on_painted(self, _: object) -> None:
        self._is_edited = True

    def _on_layer_came_or_went(self, _: object) -> None:
        if self._source.currentIndex() == _LAYERS and self._images.layer is None:
            self.data_changed.emit()  # why there are none may be another reason now

    def _on_choose_clicked(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of the training data")
        if folder:
            self.choose_folder(Path(folder))

    def _on_browse_clicked(self) -> None:
        folder = browse(self._server, "folder of images and labels", self)
        if folder is not None:
            self.choose_folder(folder)

    def _show_rows(self) -> None:
        source = self._source.currentIndex()
        self._layer_rows.setVisible(source != _FOLDER)
        self._folder_row.setVisible(source == _FOLDER)
        self.pairs.setVisible(source == _SEVERAL)

    def _add_pair(self) -> None:
        images, labels = self._images.layer, self._labels.layer
        if images is not None and labels is not None:
            self.pairs.add_layers(images, labels)

    def _on_source_changed(self) -> None:
        self._show_rows()
        self.data_changed.emit()


def _is_labels(layer: Layer) -> bool:
    return isinstance(layer, Labels)


def _can_be_labels(layer: Layer) -> bool:
    if isinstance(layer, Labels):
        return not layer.multiscale and role(layer) != NEURONS
    return is_tissue(layer)
