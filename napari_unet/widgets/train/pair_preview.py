"""Preview of images with their labels: a picture, figures, and which value is membrane."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.utils.colormaps import ensure_colormap
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_unet.layers.colors import TRUTH_COLOR
from napari_unet.runs.training_preview import Preview
from napari_unet.text import as_html
from training.label_convention import LabelConvention
from training.stacks.label_meaning import MOST_MEMBRANE, LabelMeaning, percent
from training.stacks.sparse_labels import MEMBRANE

_PICTURE_SIZE = 132
_OVERLAY = 0.6


class PairPreview(QWidget):
    """The middle slice with its membrane in colour, and a button that inverts the labels.

    Attributes
    ----------
    preview : Preview or None
        What is shown.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.preview: Preview | None = None
        self._convention = LabelConvention.MEMBRANE
        self._picture = QLabel()
        self._picture.setFixedSize(_PICTURE_SIZE, _PICTURE_SIZE)
        self._picture.setToolTip(
            "The middle slice, with what is taken for membrane in blue, or with classes."
        )
        self._text = QLabel()
        self._text.setTextFormat(Qt.TextFormat.RichText)
        self._text.setWordWrap(True)
        self._text.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._invert = QPushButton("Invert")
        self._invert.setToolTip("Take the other kind of pixels for membrane.")
        self._invert.clicked.connect(self.invert)
        words = QVBoxLayout()
        words.addWidget(self._text, 1)
        words.addWidget(self._invert)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._picture)
        layout.addLayout(words, 1)

    @property
    def convention(self) -> LabelConvention:
        """``isbi``: 0 is membrane; ``membrane``: every other value is; ``sparse``: 1 is."""
        return self._convention

    def show_preview(self, preview: Preview | None, message: str = "") -> None:
        """Show a pair, or why there is none to show."""
        self.preview = preview
        invertible = {LabelConvention.ISBI, LabelConvention.MEMBRANE}
        self._invert.setVisible(
            preview is not None
            and not preview.others
            and preview.convention in invertible
            and invertible <= preview.meanings.keys()
        )
        self._picture.setVisible(preview is not None)
        if preview is None:
            self._text.setText(as_html(message))
            return
        self._convention = preview.convention
        self._draw()

    def show_words(self, text: str, convention: LabelConvention) -> None:
        """Say what is known of a pair that is not here, and how its labels are read."""
        self.show_preview(None, text)
        self._convention = convention

    def invert(self) -> None:
        """Take the other kind of pixels for membrane."""
        self._convention = (
            LabelConvention.MEMBRANE
            if self._convention == LabelConvention.ISBI
            else LabelConvention.ISBI
        )
        self._draw()

    def _draw(self) -> None:
        if self.preview is None:
            return
        self._text.setText(_describe(self.preview, self._convention))
        if self.preview.image.shape != self.preview.labels.shape:
            self._picture.hide()
            return
        labels, meaning = self.preview.labels, self.preview.meanings.get(self._convention)
        pixmap = _pixmap(_picture(self.preview.image, labels, meaning))
        dots = self._picture.devicePixelRatioF()  # a pixel; more than one on a fine screen
        pixmap = pixmap.scaled(
            self._picture.size() * dots,
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
        pixmap.setDevicePixelRatio(dots)
        self._picture.setPixmap(pixmap)


def _picture(
    image: NDArray[np.float32], labels: NDArray[Any], meaning: LabelMeaning | None
) -> NDArray[np.uint8]:
    """Lay membrane, or each class in its colour, over an image (Y, X): (Y, X, 3)."""
    if meaning is None:
        return overlay(image, np.zeros(labels.shape, bool), TRUTH_COLOR)
    if not meaning.classes:
        return overlay(image, meaning.read(labels) == MEMBRANE, TRUTH_COLOR)
    rgb = overlay(image, np.zeros(labels.shape, bool), TRUTH_COLOR)
    for member in meaning.classes.members:
        if member.value:
            is_member = labels == member.value
            rgb[is_member] = overlay(image, is_member, member.color)[is_member]
    return rgb


def overlay(image: NDArray[np.float32], mask: NDArray[np.bool_], color: str) -> NDArray[np.uint8]:
    """Lay a mask over a grey image in a colour.

    Parameters
    ----------
    image : array (Y, X) of float32
        0..1.
    mask : array (Y, X) of bool
    color : str
        Name, or #rrggbb.

    Returns
    -------
    array (Y, X, 3) of uint8
        Red, green and blue.
    """
    rgb = np.repeat(image[..., np.newaxis], 3, axis=2)
    tint = ensure_colormap(color).colors[-1, :3]
    rgb[mask] = (1 - _OVERLAY) * rgb[mask] + _OVERLAY * tint
    return (rgb * 255).astype(np.uint8)


def _describe(preview: Preview, convention: LabelConvention) -> str:
    if preview.others and not preview.problems:
        return "<br>".join(
            _describe_one_of_several(volume) for volume in (preview, *preview.others)
        )
    if preview.problems:
        return "<br>".join(
            f"<b>{as_html(problem.problem)}</b> {as_html(problem.remedy)}"
            for problem in preview.problems
        )
    size = " x ".join(str(length) for length in preview.shape)
    meaning = preview.meanings[convention]
    if convention == LabelConvention.CLASSES:
        lines = [size + " pixels", as_html(meaning.reading), meaning.unlabelled_sentence]
        question = meaning.question and f"<b>{meaning.question}</b>"
        return "<br>".join(filter(None, [*lines, question]))
    if convention == LabelConvention.SPARSE:
        return (
            f"{size} pixels<br>Membrane, in blue: {percent(meaning.share)} of what is labelled; "
            "the rest counts as unknown."
        )
    lines = [f"Membrane, in blue: {percent(meaning.share)} ({meaning.reading})"]
    lines += filter(None, [meaning.unlabelled_sentence])
    if meaning.share > MOST_MEMBRANE:
        lines.append("<b>That is a lot of membrane. Invert?</b>")
    elif meaning.question:
        lines.append(f"<b>{meaning.question}</b>")
    return "<br>".join([f"{size} pixels", *lines])


def _describe_one_of_several(volume: Preview) -> str:
    size = " x ".join(str(length) for length in volume.shape)
    meaning = volume.meanings[volume.convention]
    if meaning.classes:
        return f"<b>{as_html(volume.name)}</b>: {size}, {as_html(meaning.reading)}"
    line = f"<b>{as_html(volume.name)}</b>: {size}, membrane {percent(meaning.share)}"
    return f"{line}. <b>{meaning.question}</b>" if meaning.question else line


def _pixmap(rgb: NDArray[np.uint8]) -> QPixmap:
    height, width, _ = rgb.shape
    image = QImage(rgb.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
    return QPixmap.fromImage(image.copy())
