"""From the layers of a viewer to the records of a project, and back. No Qt."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Image, Labels, Layer
from napari.utils.transforms import Affine
from numpy.typing import NDArray
from pint import PintError
from pydantic import BaseModel, ConfigDict, Field

from napari_unet.layers.class_layers import (
    CLASS_THRESHOLDS_KEY,
    CLASSES_KEY,
    are_thresholds,
    class_look,
    layer_classes,
    read_classes,
)
from napari_unet.layers.colormaps import mask_colormap, sparse_colormap
from napari_unet.layers.colors import PREDICTION_COLOR, TRUTH_COLOR
from napari_unet.layers.followed_operations import SAVED_KEY, are_counts
from napari_unet.layers.levels import LEVEL_KEY
from napari_unet.layers.plugin_layers import (
    CONVENTION_KEY,
    CORRECTED_KEY,
    ERRORS,
    IMAGE_KEY,
    MASK,
    MODEL_KEY,
    OPERATIONS_KEY,
    ROLE_KEY,
    STACK_KEY,
    THRESHOLD_KEY,
    TRAINED_KEY,
    corrected_slices,
    is_preview,
    is_sparse_layer,
    role,
    why_not_stack,
)
from napari_unet.layers.slices import full_resolution
from napari_unet.layers.unpredicted import UNPREDICTED_KEY
from napari_unet.projects.records import LayerRecord, ProjectState
from napari_unet.stacks.large_array import allocate_to_fill
from training.errors import UserError
from training.label_convention import LabelConvention
from training.opening import open_stack
from training.stacks.sparse_labels import LabelNote
from training.stacks.stack_axes import as_stack

COMMON = ("name", "visible", "opacity", "blending")
OF_IMAGES = ("gamma",)
OF_LABELS = ("brush_size", "selected_label")
OF_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
KNOWN = {*COMMON, *OF_IMAGES, *OF_LABELS, *OF_PLACE, "contrast_limits", "colormap"}
_OPERATIONS = re.compile(r"operations-[0-9a-f]{16}\.jsonl")
KEPT_METADATA = (
    CLASS_THRESHOLDS_KEY,
    CLASSES_KEY,
    CONVENTION_KEY,
    CORRECTED_KEY,
    IMAGE_KEY,
    MODEL_KEY,
    OPERATIONS_KEY,
    ROLE_KEY,
    SAVED_KEY,
    THRESHOLD_KEY,
    TRAINED_KEY,
    UNPREDICTED_KEY,
)


def is_kept(layer: Layer) -> bool:
    """Whether a layer belongs into a project: stacks, labels and predictions do."""
    if not isinstance(layer, (Image, Labels)):
        return False
    if layer.multiscale and stack_path(layer) is None:  # it may be of any size
        return False
    if LEVEL_KEY in layer.metadata:  # Predict adds it again, of the image that is kept
        return False
    is_passing = is_preview(layer) or role(layer) == ERRORS
    return not is_passing and not why_not_stack(layer)


def stack_path(layer: Layer) -> Path | None:
    """The file of an image that a project can point to; None for what it must hold itself."""
    path = layer.metadata.get(STACK_KEY) or layer.source.path
    if path is None or not isinstance(layer, Image) or layer.ndim not in (2, 3):
        return None
    is_whole = _shape_of_stack(path) == as_stack(full_resolution(layer)).shape
    return Path(path).absolute() if is_whole else None


@lru_cache(maxsize=256)
def _shape_of_stack(path: str) -> tuple[int, int, int] | None:
    """Look once at the shape (Z, Y, X) of the stack that a layer was opened from."""
    try:
        with open_stack(path) as stack:
            return stack.shape
    except UserError:  # napari opened what is not a stack, or several
        return None


def attributes_of(layer: Layer) -> dict[str, Any]:
    """What JSON can hold of a layer's looks and place."""
    names = COMMON + (OF_IMAGES if isinstance(layer, Image) else OF_LABELS)
    found = {name: _plain(getattr(layer, name)) for name in names}
    found |= {name: _plain(getattr(layer, name)) for name in OF_PLACE}
    if isinstance(layer, Image):
        found["contrast_limits"] = _plain(layer.contrast_limits)
        found["colormap"] = layer.colormap.name
    return found


def metadata_of(layer: Layer) -> dict[str, Any]:
    """The part of a layer's metadata that is this plugin's."""
    return {name: layer.metadata[name] for name in KEPT_METADATA if name in layer.metadata}


def note_of(layer: Layer) -> str:
    """What a file of the project says of its labels; other programs can read it."""
    if not isinstance(layer, Labels):
        return ""
    if classes := layer_classes(layer):
        return LabelNote(LabelConvention.CLASSES, classes=classes).line()
    is_mask = role(layer) == MASK or CONVENTION_KEY in layer.metadata
    if is_sparse_layer(layer) or is_mask:
        convention = LabelConvention.SPARSE if is_sparse_layer(layer) else LabelConvention.MEMBRANE
        return LabelNote(convention, tuple(corrected_slices(layer))).line()
    return ""


def view_of(viewer: Viewer) -> dict[str, Any]:
    """Slider, camera and active layer."""
    camera, active = viewer.scene.camera, viewer.layers.selection.active
    return {
        "current_step": _plain(viewer.dims.current_step),
        "center": _plain(camera.center),
        "zoom": float(camera.zoom),
        "active": None if active is None else active.name,
    }


def check_state(state: ProjectState, source: Path) -> None:
    """Try what a project records on layers of a single pixel, before any layer is touched.

    Raises
    ------
    UserError
        If ``source``, the project's document, has a value that napari does not accept.
    """
    try:
        for record in state.layers:
            _try(record)
        _View.model_validate(state.view)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError, PintError) as error:
        raise UserError(
            f"{source} is damaged: {error!s:.99}.",
            "Its labels are whole: open them one by one, or take the file from a backup.",
        ) from error


def _try(record: LayerRecord) -> None:
    convention = record.metadata.get(CONVENTION_KEY)
    if convention is not None:
        LabelConvention(convention)
    if record.metadata.get(CLASSES_KEY) and not read_classes(record.metadata):
        raise ValueError(f"classes are {record.metadata[CLASSES_KEY]!r:.50}")
    if not are_thresholds(record.metadata.get(CLASS_THRESHOLDS_KEY, {})):
        raise ValueError(f"thresholds are {record.metadata[CLASS_THRESHOLDS_KEY]!r:.50}")
    for key in (CORRECTED_KEY, TRAINED_KEY, UNPREDICTED_KEY):
        slices = record.metadata.get(key, [])
        if not all(type(index) is int for index in slices):
            raise ValueError(f"{key} are {slices!r:.50}")
    threshold = record.metadata.get(THRESHOLD_KEY, 0.5)
    if type(threshold) is not float or not 0 <= threshold <= 1:
        raise ValueError(f"a threshold is {threshold!r:.50}")
    check_operations_name(record.metadata.get(OPERATIONS_KEY))
    if not are_counts(record.metadata.get(SAVED_KEY, {})):
        raise ValueError(f"operations are {record.metadata[SAVED_KEY]!r:.50}")
    attributes = _known(record.attributes)
    ndim = len(attributes.get("scale", (1, 1, 1)))
    pixel = np.zeros((1,) * ndim, np.uint8)
    layer: Image | Labels
    if record.kind == "image":
        layer = Image(pixel, **attributes)
    else:
        brush, selected = (attributes.pop(name, 1) for name in OF_LABELS)
        layer = Labels(pixel, **attributes)
        layer.selected_label, layer.brush_size = selected, brush
    layer.world_to_data((0,) * ndim)  # where its place has no way back, no brush could paint


def check_operations_name(name: Any) -> None:
    """Refuse a name of a file of operations that is not one that this plugin gives.

    Raises
    ------
    ValueError
        If it could be another file; None is no name.
    """
    if name is not None and not (isinstance(name, str) and _OPERATIONS.fullmatch(name)):
        raise ValueError(f"a list of operations is {name!r:.50}")


class _View(BaseModel):
    """What :func:`view_of` gives."""

    model_config = ConfigDict(strict=True)

    current_step: list[int] = Field(default_factory=list)
    center: list[float] = Field(default_factory=lambda: [0.0, 0.0, 0.0], min_length=3, max_length=3)
    zoom: float | None = Field(default=None, gt=0)
    active: str | None = None


def restore_view(viewer: Viewer, view: dict[str, Any]) -> None:
    """Put slider, camera and active layer back where they were."""
    steps = view.get("current_step", [])
    if len(steps) == viewer.dims.ndim:
        viewer.dims.current_step = tuple(steps)
    if view.get("zoom"):
        viewer.scene.camera.center = tuple(view["center"])
        viewer.scene.camera.zoom = view["zoom"]
    if view.get("active") in viewer.layers:
        viewer.layers.selection.active = viewer.layers[view["active"]]


def read_pixels(path: Path, ndim: int) -> NDArray[Any]:
    """Read a file of a project into an array that can be painted on.

    Parameters
    ----------
    path : Path
        The file.
    ndim : int
        Of its layer: 2 of a single image, more where axes of length 1 are before those of a stack.

    Returns
    -------
    array (Z, Y, X), (Y, X), or (1, ..., Z, Y, X)
        With the file's dtype.

    Raises
    ------
    UserError
        As :func:`open_stack`, if it has several slices although its layer has one, and if it is
        too large for memory and disk.
    """
    with open_stack(path) as stack:
        if ndim == 2 and len(stack) > 1:
            raise UserError(
                f"{path} has {len(stack)} slices, but its layer in the project has one.",
                "Open the file itself: its labels are whole.",
            )
        remedy = "Its labels are whole: open the file itself"
        pages = allocate_to_fill(str(path), stack.shape, stack.dtype, remedy)
        for index, page in enumerate(stack):
            pages[index] = page
    return pages[0] if ndim == 2 else pages.reshape((1,) * (ndim - 3) + pages.shape)


def add_layer(viewer: Viewer, record: LayerRecord, data: NDArray[Any]) -> Layer:
    """Add a layer from a file of the project: (Z, Y, X) or (Y, X) with the file's dtype."""
    attributes = _known(record.attributes)
    if record.kind == "image":
        return viewer.add_image(data, metadata=dict(record.metadata), **attributes)
    brush, selected = (attributes.pop(name, 1) for name in OF_LABELS)
    convention = record.metadata.get(CONVENTION_KEY)
    if convention == LabelConvention.SPARSE:
        attributes["colormap"] = sparse_colormap()
    elif classes := read_classes(record.metadata):
        attributes |= {**class_look(classes), **attributes}
    elif record.metadata.get(ROLE_KEY) == MASK:
        attributes["colormap"] = mask_colormap(PREDICTION_COLOR)
    elif convention is not None:
        attributes["colormap"] = mask_colormap(TRUTH_COLOR)
    layer = viewer.add_labels(data, metadata=dict(record.metadata), **attributes)
    layer.selected_label, layer.brush_size = selected, brush
    return layer


def dress(layer: Layer, record: LayerRecord) -> None:
    """Give a layer that was opened from a stack the looks that it had."""
    for name, value in _known(record.attributes).items():
        setattr(layer, name, value)


def _known(attributes: dict[str, Any]) -> dict[str, Any]:
    """Keep those that :func:`attributes_of` gives; a document from elsewhere may name others."""
    return {name: value for name, value in attributes.items() if name in KNOWN}


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Affine):
        value = value.affine_matrix
    if isinstance(value, (tuple, list, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)
