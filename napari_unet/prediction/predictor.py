"""Prediction with a portable model, without MindSpore."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_unet.prediction.engine import ENGINES, start_engine
from napari_unet.prediction.model_check import read_card
from napari_unet.prediction.model_source import find_model
from napari_unet.prediction.package_model import ForeignModel
from training.errors import UserError
from training.label_classes import MEMBRANE_NAMES
from training.model.class_choice import card_of_channel, find_channel
from training.model.cuts import cut_from
from training.model.model_card import ModelCard
from training.model.slice_prediction import WHOLE, is_cut, predict_cut, predict_slice
from training.model.slice_view import SliceView
from training.stacks.scaling import Slices, check_pixels

MEMBRANE = MEMBRANE_NAMES[0]


class Predictor:
    """A loaded model, for one thread at a time.

    Parameters
    ----------
    model : Path
        Its file, for messages.
    content : bytes
        An ONNX file that is known to be harmless.
    foreign : ForeignModel or None
        How somebody else's model is used; None: as its card says, which is in its file.
    engine, device : str
        What computes it, and on what: see :func:`~napari_unet.prediction.engine.start_engine`.
    precision : str
        ``f32``, ``bf16``, or ``auto``: bf16 where the processor computes in it. It takes half
        the time, and changed the Dice of ISBI's 30 slices by 0.00002.
    tta : bool
        Test-time augmentation: take the mean over flips and quarter turns, eight times the work.
    is_parallel : bool
        Predict several slices at once, each on some of the cores: the most slices a second.
        Else all cores work at one slice, which is there the soonest.
    threads : int
        That compute the network; 0: as many as there are cores.
    of_class : str or None
        The class whose probability is predicted, of a model of several: so whatever takes that of
        membrane takes any. None: those of all classes.

    Attributes
    ----------
    card : ModelCard
        What the model says of itself; its classes are left out where one is predicted.
    classes : LabelClasses
        What is predicted has a channel for each; empty: it is one probability.
    of_class : str or None
        As given.
    digest : str
        By which its network is known again: SHA-256.
    parallel : int
        How many slices, or parts of them, at once give the most a second.
    precision : str
        In which the network is computed: ``f32`` or ``bf16``.

    Raises
    ------
    UserError
        If the file is not such a model, or has no such class, or there is no such engine or device.
    """

    def __init__(
        self,
        model: Path,
        content: bytes,
        foreign: ForeignModel | None = None,
        *,
        engine: str = ENGINES[0],
        device: str = "cpu",
        precision: str = "auto",
        tta: bool = False,
        is_parallel: bool = True,
        threads: int = 0,
        of_class: str | None = MEMBRANE,
    ) -> None:
        self._foreign = foreign
        card = read_card(content, model) if foreign is None else foreign.card
        self._channels = card.label_classes.outputs
        self._channel = find_channel(card, of_class, model)
        self.card = card_of_channel(card, self._channel)
        self.classes = self.card.label_classes
        self.tta, self.of_class = tta, of_class
        known_by = hashlib.sha256(content)
        if self._channel is not None:
            known_by.update(f"channel {self._channel}".encode())
        self.digest = known_by.hexdigest()
        try:
            self._engine = start_engine(engine, content, device, precision, is_parallel, threads)
        except RuntimeError as error:
            raise _unusable(model) from error
        self.parallel, self.precision = self._engine.parallel, self._engine.precision
        self._model = model

    @property
    def is_foreign(self) -> bool:
        """Whether it is somebody else's model, which prepares whole slices."""
        return self._foreign is not None

    def predict(
        self,
        stack: Slices,
        card: ModelCard | None = None,
        indices: Sequence[int] | None = None,
        view: SliceView = WHOLE,
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Predict probabilities slice by slice; few slices are in memory at a time.

        Parameters
        ----------
        stack : sequence of arrays (Y, X), or array (Z, Y, X)
            Intensities of any real dtype.
        card : ModelCard, optional
            How to predict; by default what the model's card says of such a stack.
        indices : sequence of int, optional
            The slices to predict, in this order; by default all.
        view : SliceView
            At which scale slices are predicted, and which part; by default all as it is.

        Yields
        ------
        index : int
            The slice's in the stack.
        probability : array (Y, X) of float32; of classes (C, Y, X)
            0..1, in the shape of the view's window, else of the slice.

        Raises
        ------
        UserError
            For NaN or infinite pixels, or if the model can't be used.
        """
        card = card or self.card.for_stack(stack)
        predict = partial(self._predict_slice, card, view=view)
        waiting: deque[tuple[int, Future[NDArray[np.float32]]]] = deque()
        with ThreadPoolExecutor(self.parallel) as executor:
            for index in range(len(stack)) if indices is None else indices:
                image = np.asarray(stack[index])
                check_pixels(image, f"Slice {index}")
                waiting.append((index, executor.submit(predict, image)))
                del image  # which may be large
                if len(waiting) > self.parallel:
                    yield _first(waiting)
            while waiting:
                yield _first(waiting)

    def predict_slice(
        self, image: NDArray[Any], card: ModelCard | None = None, view: SliceView = WHOLE
    ) -> NDArray[np.float32]:
        """Predict the probability (Y, X), float32 from 0 to 1, of one image (Y, X).

        Of classes those of all, (C, Y, X). It does so in the caller's thread. Parameters and
        errors as of :meth:`predict`.
        """
        check_pixels(image, "The image")
        return self._predict_slice(card or self.card.for_stack([image]), image, view)

    def cuts_tiles(self, card: ModelCard, shape: tuple[int, int], view: SliceView) -> bool:
        """Return whether a part of a slice (Y, X) takes less time than all of it."""
        return self._foreign is None and is_cut(card, shape, self.tta, view)

    def predict_part(
        self,
        image: NDArray[Any],
        card: ModelCard,
        view: SliceView,
        padding: NDArray[np.bool_] | Literal[False],
    ) -> NDArray[np.float32]:
        """Predict a part of a slice, in the caller's thread.

        Parameters
        ----------
        image : array (Y, X)
            The slice. Pixels that the part does not depend on may be NaN where
            :meth:`cuts_tiles` says so.
        card : ModelCard
            How.
        view : SliceView
            Its window is the part.
        padding : array (Y, X) of bool, or False
            That of the slice, see :func:`training.stacks.padding.find_any_padding`.

        Returns
        -------
        array (Y, X) of float32; of classes (C, Y, X)
            Probabilities 0..1, in the shape of the view's window.

        Raises
        ------
        UserError
            For NaN or infinite pixels, or if the model can't be used.
        """
        if self._foreign is None:
            return predict_slice(self.forward, image, card, self.tta, view, padding)
        return self.predict_slice(image, card, view)

    def _predict_slice(
        self, card: ModelCard, image: NDArray[Any], view: SliceView
    ) -> NDArray[np.float32]:
        if self._foreign is None:
            return predict_slice(self.forward, image, card, self.tta, view)
        prepared = self._foreign.prepare(image)
        limits = float(prepared.min()), float(prepared.max())
        shape = prepared.shape[0], prepared.shape[1]
        return predict_cut(
            self.forward, cut_from(prepared), shape, card, self.tta, view, limits=limits
        )

    def forward(self, tile: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the probability (1, 1, h, w), float32 from 0 to 1, of a tile.

        Of classes those of all, (1, C, h, w).

        Parameters
        ----------
        tile : array (1, 1, H, W) of float32
            In [-1, 1], of a length that the network's geometry takes.

        Raises
        ------
        UserError
            If the network can't compute it.
        """
        try:
            probability = self._compute(tile)
        except RuntimeError as error:
            raise _unusable(self._model) from error
        margin = 2 * self.card.geometry.margin
        expected = (1, self._channels, tile.shape[2] - margin, tile.shape[3] - margin)
        if probability.shape != expected or not np.isfinite(probability).all():
            raise _unusable(self._model)
        if self._channel is not None:
            return probability[:, self._channel : self._channel + 1]
        return probability

    def _compute(self, tile: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._foreign is None:
            return self._engine.compute(tile)
        return self._foreign.finish(self._engine.compute(self._foreign.arrange(tile)))


def _first(waiting: deque[tuple[int, Future[NDArray[np.float32]]]]) -> Any:
    index, future = waiting.popleft()
    return index, future.result()


def load_predictor(model: str | Path, **options: Any) -> Predictor:
    """Load what a person named; options as :class:`Predictor`.

    Parameters
    ----------
    model : str or Path
        A run's folder, an ONNX file, a checkpoint, or a package of the BioImage Model Zoo.

    Raises
    ------
    UserError
        If there is no such file, the run has no model yet, or it can't be used.
    """
    source = find_model(Path(model))
    return Predictor(source.path, *source.read_onnx(), **options)


def _unusable(path: Path) -> UserError:
    return UserError(
        f"{path} is a network that can't be used: it is damaged, or napari-unet did not make it.",
        "Give a model that napari-unet exported.",
    )
