"""The layers of one prediction: its probability, and the mask that follows the threshold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari import Viewer
from napari.layers import Image, Labels

from napari_unet.layers.plugin_layers import add_mask, add_probability, note_trained_slices
from napari_unet.layers.slices import displayed_slice
from napari_unet.prediction.live_prediction import LivePrediction


@dataclass(frozen=True, eq=False)
class PredictedLayers:
    """A prediction of an image with a model, and the layers that show it."""

    image: Image
    model: Path
    prediction: LivePrediction
    mask: Labels
    probability: Image

    @classmethod
    def add(cls, viewer: Viewer, image: Image, model: Path, threshold: float) -> PredictedLayers:
        """Add empty layers over an image."""
        prediction = LivePrediction(image.data.shape, threshold)
        probability = add_probability(
            viewer, prediction.probability, image, f"{image.name} probability"
        )
        mask = add_mask(viewer, prediction.mask, image, f"{image.name} mask")
        return cls(image, model, prediction, mask, probability)

    def is_of(self, image: Image | None, model: Path | None) -> bool:
        """Whether it is the prediction of an image with a model."""
        return (self.image, self.model) == (image, model)

    @property
    def layers(self) -> tuple[Labels, Image]:
        """The mask and the probability."""
        return self.mask, self.probability

    def refresh(self, viewer: Viewer, index: int) -> None:
        """Draw a slice that was predicted, if it is the one that is displayed."""
        note_trained_slices(self.mask, self.prediction.trained_slices)
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
