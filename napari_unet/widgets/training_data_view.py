"""Choice of what to train on, with a picture of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import ensure_colormap
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_unet.colors import TRUTH_COLOR
from napari_unet.layers import SPARSE, corrected_slices, is_sparse_layer
from napari_unet.preview_layer import is_preview
from napari_unet.training_data import (
    FolderData,
    LayerData,
    LayerStack,
    Preview,
    TrainingData,
)
from napari_unet.widgets.layer_choice import LayerChoice
from training.stacks import to_membrane

_PICTURE_SIZE = 132
_OVERLAY = 0.6


class TrainingDataView(QWidget):
    """Two layers or a folder, which value is membrane, and a picture of the middle slice.

    Parameters
    ----------
    viewer : ViewerModel
        Its layers are offered.
    """

    data_changed = Signal()

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._source = QComboBox()
        self._source.addItems(["Two layers", "A folder"])
        self._source.setToolTip(
            "Train on an image layer and a layer of labels, or on a folder that holds "
            "train-volume.tif and train-labels.tif."
        )
        self._images = LayerChoice(viewer, _is_grey_stack)
        self._images.setToolTip("Stack of images to train on.")
        self._labels = LayerChoice(viewer, _can_be_labels, prefers=_is_labels)
        self._labels.setToolTip("Ground truth for the images, or strokes on a few of them.")
        self._folder = Path()
        self._preview: Preview | None = None
        self._convention = "membrane"
        self._lay_out()
        self._source.currentIndexChanged.connect(self._on_source_changed)
        self._images.layer_changed.connect(self.data_changed)
        self._labels.layer_changed.connect(self.data_changed)

    @property
    def convention(self) -> str:
        """``isbi``: 0 is membrane; ``membrane``: every other value is; ``sparse``: 1 is."""
        return self._convention

    @property
    def known_convention(self) -> str:
        """``sparse`` where the layer says so; else empty: the values must tell."""
        labels = self._labels.layer if self._source.currentIndex() == 0 else None
        return SPARSE if labels is not None and is_sparse_layer(labels) else ""

    @property
    def images_layer(self) -> Image | None:
        """The layer of images, if layers are trained on."""
        layer = self._images.layer if self._source.currentIndex() == 0 else None
        return layer if isinstance(layer, Image) else None

    def data(self) -> TrainingData | None:
        """What is chosen; None if something is missing."""
        if self._source.currentIndex() == 1:
            return FolderData(self._folder) if self._folder != Path() else None
        images, labels = self._images.layer, self._labels.layer
        if images is None or labels is None:
            return None
        return LayerData(_layer_stack(images), _layer_stack(labels))

    def choose_folder(self, folder: Path) -> None:
        """Take a folder as the source."""
        self._folder = folder
        self._folder_label.setText(str(folder))
        if self._source.currentIndex() == 1:
            self.data_changed.emit()
        else:
            self._source.setCurrentIndex(1)

    def choose_layers(self, images: Layer, labels: Layer) -> None:
        """Take two layers as the source."""
        self._source.setCurrentIndex(0)
        self._images.choose(images)
        self._labels.choose(labels)

    def show_preview(self, preview: Preview | None, message: str = "") -> None:
        """Show a pair, or why there is none to show."""
        self._preview = preview
        is_dense = preview is not None and preview.guessed_convention != SPARSE
        self._invert.setVisible(is_dense)
        self._picture.setVisible(preview is not None)
        if preview is None:
            self._text.setText(message)
            return
        self._convention = preview.guessed_convention
        self._draw()

    def invert(self) -> None:
        """Take the other kind of pixels for membrane."""
        self._convention = "membrane" if self._convention == "isbi" else "isbi"
        self._draw()

    def _lay_out(self) -> None:
        self._pages = QStackedWidget()
        self._pages.addWidget(self._layer_page())
        self._pages.addWidget(self._folder_page())
        self._picture = QLabel()
        self._picture.setFixedSize(_PICTURE_SIZE, _PICTURE_SIZE)
        self._picture.setToolTip("The middle slice, with what is taken for membrane in blue.")
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._text.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._invert = QPushButton("Invert")
        self._invert.setToolTip("Take the other kind of pixels for membrane.")
        self._invert.clicked.connect(self.invert)
        words = QVBoxLayout()
        words.addWidget(self._text, 1)
        words.addWidget(self._invert)
        shown = QHBoxLayout()
        shown.addWidget(self._picture)
        shown.addLayout(words, 1)
        source = QFormLayout()
        source.addRow("Data", self._source)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(source)
        layout.addWidget(self._pages)
        layout.addLayout(shown)

    def _layer_page(self) -> QWidget:
        page = QWidget()
        rows = QFormLayout(page)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setVerticalSpacing(4)
        rows.addRow("Images", self._images)
        rows.addRow("Labels", self._labels)
        return page

    def _folder_page(self) -> QWidget:
        page = QWidget()
        row = QHBoxLayout(page)
        row.setContentsMargins(0, 0, 0, 0)
        self._folder_label = QElidingLabel("No folder chosen")
        self._folder_label.setElideMode(Qt.TextElideMode.ElideLeft)
        choose = QPushButton("Choose…")
        choose.setToolTip("A folder that holds train-volume.tif and train-labels.tif.")
        choose.clicked.connect(self._on_choose_clicked)
        row.addWidget(self._folder_label, 1)
        row.addWidget(choose)
        return page

    def _on_choose_clicked(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of the training data")
        if folder:
            self.choose_folder(Path(folder))

    def _on_source_changed(self, index: int) -> None:
        self._pages.setCurrentIndex(index)
        self.data_changed.emit()

    def _draw(self) -> None:
        if self._preview is None:
            return
        self._text.setText(_describe(self._preview, self._convention))
        if self._preview.image.shape != self._preview.labels.shape:
            self._picture.hide()
            return
        membrane = to_membrane(self._preview.labels, self._convention)
        pixmap = _pixmap(overlay(self._preview.image, membrane, TRUTH_COLOR))
        self._picture.setPixmap(
            pixmap.scaled(
                self._picture.size(),
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
        )


def overlay(image: NDArray[np.float32], mask: NDArray[np.bool_], color: str) -> NDArray[np.uint8]:
    """A grey image (Y, X), 0..1, with a mask laid over it in a colour: (Y, X, 3), 0..255."""
    rgb = np.repeat(image[..., np.newaxis], 3, axis=2)
    tint = ensure_colormap(color).colors[-1, :3]
    rgb[mask] = (1 - _OVERLAY) * rgb[mask] + _OVERLAY * tint
    return (rgb * 255).astype(np.uint8)


def _describe(preview: Preview, convention: str) -> str:
    if preview.problems:
        return "<br>".join(f"<b>{one.problem}</b> {one.remedy}" for one in preview.problems)
    size = " x ".join(str(length) for length in preview.shape)
    share = preview.membrane_share(convention)
    warning = ""
    if share > 0.5:
        warning = "<br><b>That is much for membrane: invert?</b>"
    if convention == SPARSE:
        return (
            f"{size} pixels<br>Membrane, in blue: {share:.0%} of what is labelled; the rest counts "
            "as unknown."
        )
    return f"{size} pixels<br>Membrane, in blue: {share:.0%}{warning}"


def _pixmap(rgb: NDArray[np.uint8]) -> QPixmap:
    height, width, _ = rgb.shape
    image = QImage(rgb.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
    return QPixmap.fromImage(image.copy())


def _layer_stack(layer: Layer) -> LayerStack:
    path = layer.source.path
    file = Path(path) if path is not None else None
    return LayerStack(layer.name, layer.data, file, tuple(corrected_slices(layer)))


def _is_grey_stack(layer: Layer) -> bool:
    is_grey = isinstance(layer, Image) and not layer.rgb and not layer.multiscale
    return is_grey and layer.ndim in (2, 3) and not is_preview(layer)


def _is_labels(layer: Layer) -> bool:
    return isinstance(layer, Labels)


def _can_be_labels(layer: Layer) -> bool:
    if isinstance(layer, Labels):
        return not layer.multiscale
    return _is_grey_stack(layer) and layer.dtype.kind in "bui"
