"""Results of predictions on servers that have come home, read to be shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_unet.launchers.servers.predictions.record import (
    Kind,
    read_prediction,
    result_path,
)
from napari_unet.stacks.lazy_pixels import (
    lazy_membrane,
    lazy_pixels,
    lazy_threshold,
    load_to_edit,
)
from training.errors import UserError
from training.files.untrusted_files import is_inside
from training.label_classes import NO_CLASSES, LabelClasses
from training.label_convention import LabelConvention
from training.opening import open_stack
from training.runs.run_directory import RunDirectory
from training.stacks.label_reading import LabelReading

_SHOWN: tuple[Kind, ...] = ("mask", "probability")


@dataclass(frozen=True, eq=False)
class PredictionResults:
    """What a prediction brought home.

    Parameters
    ----------
    run : RunDirectory
        Its folder here.
    stack : str
        What the person calls the stack: a stranger's word, which is compared and shown.
    corner : (int, int, int) or None
        First pixel (Z, Y, X) of the part of the stack that they are of; None: all of it.
    mask : array (Z, Y, X) or (Y, X) of uint8
        1 = membrane, or the values of classes. In memory where it can be painted on there, else
        lazy.
    probability : array of float32, of the same shape, or None
        0..1; None where it was not asked for.
    threshold : float
        Probability from which on a pixel is membrane.
    place : dict
        Arguments of a layer: ``scale`` and ``units`` as the file records them, and ``translate``.
    classes : LabelClasses
        Those of the mask; empty: membrane and inside.
    class_thresholds : dict of str to float
        Those that decided, of some of the classes.
    """

    run: RunDirectory
    stack: str
    corner: tuple[int, int, int] | None
    mask: Any
    probability: Any | None
    threshold: float
    place: dict[str, Any]
    classes: LabelClasses = NO_CLASSES
    class_thresholds: dict[str, float] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Z, Y, X) of the stack, or of that part of it."""
        depth, height, width = (1, *self.mask.shape)[-3:]
        return depth, height, width


def results_here(run: RunDirectory) -> list[Kind]:
    """List the results in a prediction's folder that can be shown; links out of it are none."""
    paths = {kind: result_path(run, kind) for kind in _SHOWN}
    return [kind for kind, path in paths.items() if path.is_file() and is_inside(path, run.path)]


def read_results(run: RunDirectory) -> PredictionResults:
    """Read the results in a prediction's folder.

    Raises
    ------
    UserError
        If there are none that can be shown, or they are damaged.
    """
    record, kinds = read_prediction(run), results_here(run)
    if not kinds:
        raise UserError(f"{run.path} has no results to show.", "Fetch them first.")
    shape, place = _describe(result_path(run, kinds[0]), record.corner or (0, 0, 0))
    pixels = {kind: _read(result_path(run, kind), shape) for kind in kinds}
    probability = pixels.get("probability")
    classes = _classes_of(result_path(run, "mask")) if "mask" in pixels else NO_CLASSES
    if classes:
        mask = pixels["mask"]
    elif "mask" in pixels:
        mask = lazy_membrane(pixels["mask"], LabelReading(LabelConvention(record.convention)))
    else:
        mask = lazy_threshold(probability, record.threshold)
    return PredictionResults(
        run,
        record.stack,
        record.corner,
        load_to_edit(mask),
        None if probability is None else load_to_edit(probability),
        record.threshold,
        place,
        classes,
        _named_as_in(classes, record.class_thresholds),
    )


def _named_as_in(classes: LabelClasses, thresholds: dict[str, float]) -> dict[str, float]:
    """Give thresholds by the names in a mask: a record has those that a person gave."""
    found = ((classes.find(name), number) for name, number in thresholds.items())
    return {classes.names[channel]: number for channel, number in found if channel is not None}


def _describe(
    path: Path, corner: tuple[int, int, int]
) -> tuple[tuple[int, int, int], dict[str, Any]]:
    """Give the shape (Z, Y, X) of a result, and the arguments that place a layer of it."""
    with open_stack(path) as file:
        shape, size = file.shape, file.pixel_size
    ndim = 3 if shape[0] > 1 else 2
    if size is None:
        return shape, {"translate": corner[-ndim:]}
    scale = (size.y if size.z is None else size.z, size.y, size.x)
    start = tuple(pixel * side for pixel, side in zip(corner, scale, strict=True))
    return shape, {"scale": scale[-ndim:], "units": ("nm",) * ndim, "translate": start[-ndim:]}


def _classes_of(path: Path) -> LabelClasses:
    """Read which classes a mask says it has; empty: none."""
    with open_stack(path) as file:
        return NO_CLASSES if file.label_note is None else file.label_note.classes


def _read(path: Path, shape: tuple[int, int, int]) -> Any:
    file = open_stack(path)
    if file.shape != shape:
        file.close()
        raise UserError(f"{path} is not of the shape of the other results.", "Fetch them again.")
    return lazy_pixels(file)
