"""The Python interface, for notebooks and scripts; its names are those of ``napari_unet`` itself.

Stacks are arrays or paths. An array (Z, Y, X), or one slice (Y, X), has any real dtype, and may be
lazy as dask's and zarr's; a path is of any format that the command line reads. What is wrong with
what is given is raised as :class:`training.errors.UserError`, a sentence or two; what speaks
against a result is a :class:`UserWarning`.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from napari_unet.evaluation.mask_evaluation import check_labelled, evaluate_mask
from napari_unet.neurons.linking import StackLinker
from napari_unet.neurons.segmentation import METHODS, Segmentation, find_neurons
from napari_unet.prediction.engine import ENGINES, PRECISIONS
from napari_unet.prediction.part_prediction import PartPrediction
from napari_unet.prediction.predictor import Predictor, load_predictor
from napari_unet.stacks.array_stack import ArrayStack
from napari_unet.stacks.large_array import allocate
from training.dataset.training_pair import join_pair, read_labels
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.formats.stack import Stack
from training.label_convention import (
    FINISHED_CONVENTIONS,
    WIDEST_BORDER,
    IdBorders,
    LabelConvention,
)
from training.masks.result_warnings import size_warning
from training.metrics.evaluation_report import Evaluation
from training.model.stack_part import Bounds
from training.model.stack_scale import StackScale
from training.model.starter_model import named_model
from training.opening import open_stack
from training.stacks.intensities import Membranes

PathOrArray = str | os.PathLike[str] | ArrayLike

_Choice = TypeVar("_Choice", bound=str)
_CALLER = 3  # of a method: above it, contextlib's and _begin
_LOGGER = logging.getLogger("napari_unet")


def load_model(
    model: str | os.PathLike[str],
    *,
    engine: str = "openvino",
    device: str = "cpu",
    precision: str = "auto",
    tta: bool = False,
) -> Model:
    """Load a model to predict stacks with.

    Parameters
    ----------
    model : str or path
        Folder of a run, a ``model.onnx``, a checkpoint (``.safetensors``, or ``.ckpt`` of the model
        zoo), a package of the BioImage Model Zoo (``.zip``), or ``"starter"``: the model that comes
        with this package.
    engine : str
        What computes the network: ``openvino`` or ``onnxruntime``.
    device : str
        What it computes on: ``cpu``, or another one of the engine's.
    precision : str
        ``f32``, ``bf16``, or ``auto``: bf16 where the processor computes in it.
    tta : bool
        Take the mean over flips and quarter turns of each slice: eight times the work.

    Returns
    -------
    Model

    Raises
    ------
    UserError
        If there is no such model, engine or device, or the model can't be used.
    """
    path = named_model(model) if isinstance(model, str) else Path(model)
    predictor = load_predictor(
        path,
        engine=_choose("engine", engine, ENGINES),
        device=device,
        precision=_choose("precision", precision, PRECISIONS),
        tta=tta,
    )
    return Model(predictor, path)


class Model:
    """A model that ``load_model`` gives; one thread at a time may use it.

    Attributes
    ----------
    threshold : float
        Probability from which on a pixel is membrane: ``model.predict(stack) >= model.threshold``.
    pixel_size : (float, float) or None
        Of the images of its training, in nm along Y and X; None where it isn't known.
    """

    def __init__(self, predictor: Predictor, path: Path) -> None:
        self._predictor, self._path = predictor, path
        size = predictor.card.pixel_size
        self.threshold = predictor.card.threshold
        self.pixel_size = None if size is None else (size.y, size.x)

    def predict(
        self,
        stack: PathOrArray,
        *,
        region: Sequence[slice] | None = None,
        resample: bool = False,
        pixel_size: float | tuple[float, float] | None = None,
        membranes: str = "auto",
    ) -> NDArray[np.float32]:
        """Predict the probability of membrane of a stack.

        Parameters
        ----------
        stack : path, or array (Z, Y, X) or (Y, X)
            Intensities of any real dtype.
        region : sequence of slice, optional
            Predict this part alone, as it is in the whole: ``np.s_[10:20, :512, :512]``, a slice
            an axis of the array, of a file along Z, Y and X. Of axes left out all is taken.
        resample : bool
            Predict at the pixel size of the model's training; the result is at the stack's.
        pixel_size : float or (float, float), optional
            The stack's, in nm, or along Y and X. By default the file's.
        membranes : str
            Those of the stack: ``dark`` or ``light``. ``auto``: found out for the starter, else as
            in the training.

        Returns
        -------
        array (Z, Y, X) of float32
            0 to 1; (Y, X) of an array (Y, X). One of more than a gigabyte lies in a temporary file.

        Raises
        ------
        UserError
            If the stack can't be read or has other axes, the region is not in it, it can't be
            resampled, or pixels are NaN or infinite.

        Warns
        -----
        UserWarning
            If the stack is much unlike those of the training, or its pixels are of another size.
        """
        with self._begin(stack, region, resample, pixel_size, membranes) as prediction:
            return _collect(prediction, prediction.shape, np.float32, _is_slice(stack))

    def predict_slices(
        self,
        stack: PathOrArray,
        *,
        region: Sequence[slice] | None = None,
        resample: bool = False,
        pixel_size: float | tuple[float, float] | None = None,
        membranes: str = "auto",
    ) -> Iterator[NDArray[np.float32]]:
        """Predict slice by slice, with few of them in memory; all is as of ``predict``.

        Errors and warnings are those of ``predict``, and come with the first slice.

        Yields
        ------
        array (Y, X) of float32
            0 to 1.
        """
        with self._begin(stack, region, resample, pixel_size, membranes) as prediction:
            yield from prediction

    def segment(
        self,
        stack: PathOrArray,
        *,
        method: str = "watershed",
        threshold: float = 0.5,
        seeds: float = 0.03,
        link: bool = False,
        region: Sequence[slice] | None = None,
        resample: bool = False,
        pixel_size: float | tuple[float, float] | None = None,
        membranes: str = "auto",
    ) -> NDArray[np.int32]:
        """Find the neurons of a stack: the regions between membranes, slice by slice.

        What it shares with ``predict`` is the same here.

        Parameters
        ----------
        method : str
            ``watershed``: bridges gaps in membranes. ``components``: regions below the threshold.
        threshold : float
            Probability, 0 to 1, from which on something is membrane: a border between neurons, or
            a pixel of ``components``.
        seeds : float
            Probability, 0 to 1, below which the watershed starts.
        link : bool
            Give a neuron one number in all slices, where it overlaps itself.

        Returns
        -------
        array (Z, Y, X) of int32
            Numbers from 1; 0 are the borders, one pixel wide. (Y, X) of an array (Y, X).

        Raises
        ------
        UserError
            As ``predict``, and for another method or probability.

        Warns
        -----
        UserWarning
            As ``predict``.
        """
        for name, level in (("threshold", threshold), ("seeds", seeds)):
            if not (isinstance(level, Real) and 0 <= level <= 1):
                raise UserError(f"{name} is {level!r:.50}.", "Give a probability from 0 to 1.")
        how = Segmentation(_choose("method", method, METHODS), threshold, seeds)
        with self._begin(stack, region, resample, pixel_size, membranes) as prediction:
            linker = StackLinker() if link else None
            regions = find_neurons(prediction, how, linker)
            neurons = _collect(regions, prediction.shape, np.int32, _is_slice(stack))
            if linker is not None:
                linker.renumber(neurons.reshape(prediction.shape))
            return neurons

    @contextmanager
    def _begin(
        self,
        stack: PathOrArray,
        region: Sequence[slice] | None,
        resample: bool,
        pixel_size: float | tuple[float, float] | None,
        membranes: str,
    ) -> Iterator[PartPrediction]:
        scale = StackScale(resample, _read_pixel_size(pixel_size))
        card = self._predictor.card
        scale.check(card, self._path)
        asked = _choose("membranes", membranes, list(Membranes))
        with _open(stack, "images", "stack") as slices:
            bounds = _read_region(region, 2 if _is_slice(stack) else 3)
            prediction = PartPrediction(self._predictor, slices, bounds, scale, asked)
            if prediction.note:
                _LOGGER.info(prediction.note)
            _warn(prediction.warning, above=_CALLER)
            if not resample:
                remedy = "Give resample=True, or pixel_size if that is wrong."
                text = size_warning(card.pixel_size, scale.size_of(slices), remedy)
                _warn(text, above=_CALLER)
            yield prediction


def evaluate(
    mask: PathOrArray,
    truth: PathOrArray,
    *,
    image: PathOrArray | None = None,
    mask_convention: str | None = None,
    convention: str | None = None,
    border: int = 1,
    zero_is_unknown: bool = False,
) -> Evaluation:
    """Compare a mask, or neurons, with the ground truth, slice by slice.

    Of arrays of bool True is membrane. Others are read as files are.

    Parameters
    ----------
    mask : path, or array (Z, Y, X) or (Y, X)
        A mask, where 0 is membrane; a probability of membrane, floats from 0 to 1, which is
        membrane from 0.5 on; or neurons by their ids, as ``segment`` gives them. Whether one value
        alone is membrane, ``mask_convention`` says.
    truth : path, or array of the mask's shape
        Finished labels; strokes, 0 = unknown, 1 = membrane, 2 = inside; or ids of cells.
    image : path, or array of the same shape, optional
        What they are of: its padding, a border of one value, is not counted.
    mask_convention, convention : str, optional
        How the mask and the truth are read: ``isbi``, 0 is membrane; ``membrane``, every other
        value is; ``instances``, each cell has an id; of a truth also ``sparse``, strokes. By
        default found out, of a mask as said above, and of a truth by its values.
    border : int
        In pixels: a truth of ids has membrane within so many of another id.
    zero_is_unknown : bool
        Whether 0 in a truth of ids is unknown, and not membrane.

    Returns
    -------
    Evaluation
        ``mean``, a dict of figures, 0 to 1: ``dice``, ``iou``, ``precision`` and ``recall`` of
        membrane pixels, ``soft_dice``, and, unless the truth is strokes, ``v_rand`` and ``v_info``
        of neurons; ``by_slice()``, the same of each slice by its index; ``table()``, ``to_csv()``
        and ``to_json()``.

    Raises
    ------
    UserError
        If one can't be read, they differ in shape, the truth has no labels, or it is unclear
        which of its values are membrane.

    Warns
    -----
    UserWarning
        If the values may mean something else than they were taken for.
    """
    if not (isinstance(border, Integral) and 0 <= int(border) <= WIDEST_BORDER):
        raise UserError(
            f"border is {border!r:.50}.", f"Give whole pixels, from 0 to {WIDEST_BORDER}."
        )
    ids = IdBorders(int(border), zero_is_unknown)
    as_truth = _read_convention(
        "convention", convention, [*FINISHED_CONVENTIONS, LabelConvention.SPARSE]
    )
    as_mask = _read_convention("mask_convention", mask_convention, FINISHED_CONVENTIONS)
    with ExitStack() as opened:
        labels = opened.enter_context(_open(truth, "labels", "truth"))
        predicted = opened.enter_context(_open(mask, "mask", "mask"))
        if image is None:
            known = read_labels(labels, as_truth, ids)
        else:
            images = opened.enter_context(_open(image, "images", "image"))
            known = join_pair(images, labels, as_truth, ids)
        ids.check_for(known.meaning.convention)
        check_labelled(known)
        meaning, evaluation = evaluate_mask(predicted, known, as_mask)
        for name, read in (("mask_convention", meaning), ("convention", known.meaning)):
            if read.question:
                _warn(f"{read.question} {name} says how it is read.", above=1)
        return evaluation


def _open(source: PathOrArray, what: str, name: str) -> Stack:
    if isinstance(source, str | os.PathLike):
        return open_stack(Path(source), what)
    return ArrayStack(source, name)


def _is_slice(source: PathOrArray) -> bool:
    """Whether what was given is one slice (Y, X), whose results are such too."""
    return not isinstance(source, str | os.PathLike) and np.ndim(source) == 2


def _collect(
    slices: Iterable[NDArray[Any]], shape: tuple[int, ...], dtype: DTypeLike, is_slice: bool
) -> NDArray[Any]:
    result = allocate(shape, dtype)
    for index, page in enumerate(slices):
        result[index] = page
    return result[0] if is_slice else result


def _read_region(region: Sequence[slice] | slice | None, axes: int) -> Bounds:
    parts = [] if region is None else [region] if isinstance(region, slice) else list(region)
    are_plain = all(
        isinstance(part, slice)
        and part.step in (None, 1)
        and all(
            end is None or (isinstance(end, Integral) and int(end) >= 0)
            for end in (part.start, part.stop)
        )
        for part in parts
    )
    if len(parts) > axes or not are_plain:
        raise UserError(
            f"{region!r:.99} is not a region of a stack.",
            "Give slices of whole numbers without steps, counted from the beginning: "
            "np.s_[10:20, :512, :512].",
        )
    before = 3 - axes
    bounds = [(part.start or 0, part.stop) for part in parts]
    return (*[(0, None)] * before, *bounds, *[(0, None)] * (axes - len(parts)))


def _read_pixel_size(size: float | tuple[float, float] | None) -> PixelSize | None:
    if size is None:
        return None
    try:
        sides = [float(side) for side in np.atleast_1d(size)]
    except (TypeError, ValueError):
        sides = []
    found = PixelSize.of(None, sides[0], sides[-1]) if len(sides) in (1, 2) else None
    if found is None:
        raise UserError(
            f"pixel_size is {size!r:.50}.", "Give nm, such as 4, or (4, 5) for Y and X."
        )
    return found


def _read_convention(
    name: str, convention: str | None, choices: Sequence[LabelConvention]
) -> LabelConvention | None:
    return None if convention is None else _choose(name, convention, choices)


def _choose(name: str, value: str, choices: Sequence[_Choice]) -> _Choice:
    """Give the choice that is written like a value; a UserError where there is none."""
    if value not in choices:
        raise UserError(f"{name} is {value!r:.50}.", f"Choose one of {', '.join(choices)}.")
    return choices[choices.index(value)]


def _warn(text: str, *, above: int) -> None:
    """Warn of something, unless it is empty, in the line that is so many calls above."""
    if text:
        warnings.warn(text, stacklevel=above + 2)
