"""The layers of one prediction: its probability, and the mask that follows the threshold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from napari import Viewer
from napari.layers import Image, Labels

from napari_unet.layers.physical_place import pixel_size_of
from napari_unet.layers.plugin_layers import (
    MODEL_KEY,
    THRESHOLD_KEY,
    add_mask,
    add_probability,
    note_trained_slices,
    trained_slices,
)
from napari_unet.layers.slices import displayed_slice, full_resolution
from napari_unet.layers.unpredicted import note_unpredicted
from napari_unet.prediction.live_prediction import LivePrediction
from training.formats.pixel_size import PixelSize


@dataclass(frozen=True, eq=False)
class PredictedLayers:
    """A prediction of an image with a model, and the layers that show it.

    ``model`` predicts from now on; None: nothing was predicted since the layers were found again.
    """

    image: Image
    model: Path | None
    prediction: LivePrediction
    mask: Labels
    probability: Image

    @classmethod
    def add(cls, viewer: Viewer, image: Image, model: Path, threshold: float) -> PredictedLayers:
        """Add empty layers over an image."""
        prediction = LivePrediction.empty(full_resolution(image).shape, threshold)
        probability = add_probability(
            viewer, prediction.probability, image, f"{image.name} probability"
        )
        mask = add_mask(viewer, prediction.mask, image, f"{image.name} mask")
        mask.metadata[THRESHOLD_KEY] = threshold
        return cls(image, model, prediction, mask, probability)

    @classmethod
    def of(
        cls, image: Image, mask: Labels, probability: Image, threshold: float
    ) -> PredictedLayers:
        """Go on with layers that are there already; it reads every pixel.

        Parameters
        ----------
        threshold : float
            What made the mask, where the mask doesn't say it.
        """
        threshold = mask.metadata.get(THRESHOLD_KEY, threshold)
        trained = trained_slices(mask)
        prediction = LivePrediction.of(probability.data, mask.data, threshold, trained)
        return cls(image, None, prediction, mask, probability)

    @staticmethod
    def can_go_on(image: Image, mask: Labels, probability: Image) -> bool:
        """Whether these layers can be filled in place."""
        arrays = [(mask.data, np.uint8), (probability.data, np.float32)]
        return all(
            isinstance(data, np.ndarray)
            and data.dtype == dtype
            and data.shape == full_resolution(image).shape
            and data.flags.c_contiguous
            and data.flags.writeable
            for data, dtype in arrays
        )

    @property
    def is_whole(self) -> bool:
        """Whether the layers still show this prediction; their data may have been replaced."""
        return (
            self.mask.data is self.prediction.mask
            and self.probability.data is self.prediction.probability
            and self.mask.data.shape == full_resolution(self.image).shape
        )

    def with_model(self, model: Path) -> PredictedLayers:
        """Go on with a model; what another one predicted stays until it is predicted again."""
        if model == self.model:
            return self
        if not self.is_by(model):
            self.prediction.change_model()
        return replace(self, model=model)

    def is_by(self, model: Path | None) -> bool:
        """Whether a model predicted it; the mask's note of a path is compared, never followed."""
        noted = self.mask.metadata.get(MODEL_KEY) if self.model is None else str(self.model)
        return model is not None and noted == str(model)

    def note_origin(self) -> None:
        """Write into the mask what made it, for who finds the layers again."""
        is_of_one = self.model is not None and not self.prediction.outdated_slices
        self.mask.metadata[MODEL_KEY] = str(self.model) if is_of_one else ""
        self.mask.metadata[THRESHOLD_KEY] = self.prediction.threshold

    def note_unpredicted(self) -> None:
        """Write into the mask which slices are not predicted yet, for whoever takes it."""
        note_unpredicted(self.mask, len(self.prediction), self.prediction.predicted_slices)

    @property
    def pixel_size(self) -> PixelSize | None:
        """The image's, by its scale and units; None where these are no lengths."""
        return pixel_size_of({"scale": self.image.scale, "units": self.image.units})

    @property
    def layers(self) -> tuple[Labels, Image]:
        """The mask and the probability."""
        return self.mask, self.probability

    def refresh(self, viewer: Viewer, index: int) -> None:
        """Draw a slice that was predicted, if it is the one that is displayed."""
        note_trained_slices(self.mask, self.prediction.trained_slices)
        self.note_unpredicted()
        for layer in self.layers:
            if displayed_slice(viewer, layer) == index:
                layer.refresh()

    def threshold_displayed_slice(self, viewer: Viewer, threshold: float) -> None:
        """Threshold the slice that is displayed; a thread does the others."""
        self.prediction.threshold = threshold
        index = displayed_slice(viewer, self.mask)
        if index is not None:
            self.prediction.threshold_slice(index)
            self.mask.refresh()

    def report_mask_changed(self) -> None:
        """Emit the mask's data event: its pixels have changed without being painted."""
        self.mask.refresh()
        self.mask.events.data(value=self.mask.data)
