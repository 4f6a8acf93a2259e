"""The volumes that a run trains on, and how they are split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from training.config import TrainingConfig, parse_numbers
from training.console import list_names
from training.dataset.class_weights import weigh_classes
from training.dataset.found_meanings import FoundMeaning
from training.dataset.holdout import (
    MINIMUM_SLICES,
    Holdout,
    hold_out,
    hold_out_all,
    hold_out_none,
    kinds_of,
)
from training.dataset.pixel_weights import known_weights, stroke_weights
from training.dataset.resampled_pair import describe_sizes, first_size, resample_pair
from training.dataset.training_pair import TrainingPair, open_pair
from training.dataset.volumes import VolumeFiles, choose_held_out, find_volumes
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.label_classes import NO_CLASSES, LabelClasses
from training.label_convention import LabelConvention
from training.stacks.fingerprint import fingerprint, fingerprint_labels
from training.stacks.scaling import Scaling
from training.stacks.sparse_labels import MEMBRANE, LabelNote, channels_of, is_known

_Page = TypeVar("_Page")
_Weights = NDArray[np.float32]


@dataclass(frozen=True)
class Volume:
    """A stack that is trained or validated on.

    Parameters
    ----------
    name : str
        See :class:`~training.dataset.volumes.VolumeFiles`.
    shape : tuple of int
        (Z, Y, X) of the whole stack.
    plane : tuple of int
        (Y, X) of the slices that are trained on: resized, if their pixel size is not the first's.
    scaling : Scaling
        Scaling of the whole stack.
    fingerprint : str
        That of the whole stack, see :func:`~training.stacks.fingerprint.fingerprint`.
    labels_fingerprint : str
        That of the labels, see :func:`~training.stacks.fingerprint.fingerprint_labels`.
    first : int
        Number of its first slice.
    is_sparse : bool
        Whether its labels are strokes.
    pixel_size : PixelSize or None
        As the images' file gives it.
    """

    name: str
    shape: tuple[int, int, int]
    plane: tuple[int, int]
    scaling: Scaling
    fingerprint: str
    labels_fingerprint: str = ""
    first: int = 0
    is_sparse: bool = False
    pixel_size: PixelSize | None = None


@dataclass(frozen=True)
class TrainingSet:
    """What is trained and validated on: the labelled slices of volumes, each by its number.

    The slices of the first volume have their indices as numbers; those of the next are numbered
    on from there.

    Parameters
    ----------
    volumes : tuple of Volume
        At least one.
    images : mapping of int to array (Y, X)
        With the file's dtype, at the pixel size of the training.
    membrane : mapping of int to array (Y, X) of bool
        The ground truth.
    train_slices, valid_slices : list of int
        The split.
    sentences : tuple of str
        How the labels are read.
    validation : str
        What is held out, in words.
    warning : str
        What validations say nothing of, in words; empty where there is nothing.
    weights : mapping of int to array (Y, X) of float32, or None
        How much the loss of a training slice's pixel counts, 0 where it is not trained on; None:
        all the same.
    held_out : mapping of int to array (Y, X) of bool, or None
        Pixels of the validation slices that are compared; None: all.
    neurons : mapping of int to array (Y, X) of int, or None
        The true neurons of the validation slices, see :meth:`LabelReading.neurons`; None where
        they can't be told apart, or are held out in part.
    classes : LabelClasses
        The classes that are told apart; empty: membrane and inside.
    channels : mapping of int to array (Y, X) of uint8
        The ground truth of classes, in place of ``membrane``: the place of each pixel's class
        among them; 255: unknown.
    class_weights : array (C,) of float32, or None
        How much the loss of a pixel of each class counts.
    """

    volumes: tuple[Volume, ...]
    images: Mapping[int, NDArray[Any]]
    membrane: Mapping[int, NDArray[np.bool_]]
    train_slices: list[int]
    valid_slices: list[int]
    sentences: tuple[str, ...] = ()
    validation: str = ""
    warning: str = ""
    weights: Mapping[int, NDArray[np.float32]] | None = None
    held_out: Mapping[int, NDArray[np.bool_]] | None = None
    neurons: Mapping[int, NDArray[Any]] | None = None
    classes: LabelClasses = NO_CLASSES
    channels: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict)
    class_weights: NDArray[np.float32] | None = None

    @property
    def pixel_size(self) -> PixelSize | None:
        """That of the first volume whose file gives one, to which others are resampled."""
        return first_size(volume.pixel_size for volume in self.volumes)

    def volume_of(self, number: int) -> Volume:
        """Give the volume that a slice is of."""
        return next(volume for volume in reversed(self.volumes) if volume.first <= number)

    def train_slices_of(self, volume: Volume) -> list[int]:
        """List the numbers of a volume's training slices."""
        return [number for number in self.train_slices if self.volume_of(number) is volume]


@dataclass(frozen=True)
class _Part:
    """What one volume gives to a training set; its slices are by their numbers."""

    volume: Volume
    images: dict[int, NDArray[Any]]
    codes: dict[int, NDArray[np.uint8]]
    split: Holdout
    is_partial: bool
    corrected: list[int]
    sentences: list[str]
    neurons: dict[int, NDArray[Any]] | None

    def weights(self, corrected_weight: float, has_classes: bool) -> dict[int, _Weights]:
        training = {number: self.codes[number] for number in self.split.train_slices}
        weigh = known_weights if has_classes else stroke_weights
        weights = weigh(training, self.split.held_out)
        for number in self.corrected:
            if number in weights:
                weights[number] *= corrected_weight
        return weights


def load_training_set(config: TrainingConfig, known: Sequence[FoundMeaning] = ()) -> TrainingSet:
    """Read the labelled slices of volumes, and split them by the fold or into whole volumes.

    Parameters
    ----------
    known : sequence of FoundMeaning
        See :func:`~training.dataset.training_pair.open_pair`.

    Raises
    ------
    UserError
        If files are missing or can't be used, or there is no such fold or volume.
    """
    files = find_volumes(config)
    names = [volume.name for volume in files]
    held_out = choose_held_out(config.hold_out, names)
    parts: list[_Part] = []
    length = 0
    for volume in files:
        size = first_size(part.volume.pixel_size for part in parts)
        parts.append(_load_part(config, volume, length, held_out, size, known))
        length += parts[-1].volume.shape[0]
    for option in ("valid_slices", "corrected_slices"):
        _check_numbers(parse_numbers(getattr(config, option), option), length, option)
    _check_copies([part.volume for part in parts])
    codes = _merge(part.codes for part in parts)
    is_partial = any(part.is_partial for part in parts)
    neurons = [part.neurons for part in parts if part.neurons is not None]

    def of(part: _Part) -> str:
        return f"{part.volume.name}: " if len(parts) > 1 else ""

    classes = config.label_classes
    train_slices = [number for part in parts for number in part.split.train_slices]
    held_out_pixels = _merge(part.split.held_out for part in parts)
    trained = [_trained(codes[z], held_out_pixels.get(z)) for z in train_slices]
    told = [of(part) + sentence for part in parts for sentence in part.sentences]
    sizes = {part.volume.name: part.volume.pixel_size for part in parts if len(parts) > 1}
    return TrainingSet(
        volumes=tuple(part.volume for part in parts),
        images=_merge(part.images for part in parts),
        membrane={} if classes else {z: page == MEMBRANE for z, page in codes.items()},
        train_slices=train_slices,
        valid_slices=[number for part in parts for number in part.split.valid_slices],
        sentences=(*told, *describe_sizes(sizes)),
        validation=" ".join(of(part) + part.split.sentence for part in parts),
        warning=_question_held_out(codes, held_out_pixels, classes),
        weights=_merge(part.weights(config.corrected_weight, bool(classes)) for part in parts)
        if is_partial
        else None,
        held_out=held_out_pixels if is_partial else None,
        neurons=None if len(neurons) < len(parts) else _merge(neurons),
        classes=classes,
        channels={z: channels_of(page) for z, page in codes.items()} if classes else {},
        class_weights=weigh_classes(classes, trained) if classes else None,
    )


def _load_part(
    config: TrainingConfig,
    files: VolumeFiles,
    first: int,
    held_out: Sequence[str],
    size: PixelSize | None,
    known: Sequence[FoundMeaning],
) -> _Part:
    reading = files.convention, config.ids, known, config.label_classes
    with open_pair(files.image, files.labels, *reading) as pair:
        seen = resample_pair(pair, size)
        images = seen.images
        codes = seen.codes_of(config.label_classes)
        chosen = parse_numbers(config.valid_slices, "valid_slices")
        kinds = kinds_of(config.label_classes, codes)
        if files.name in held_out:
            split = hold_out_all(codes, str(files.labels), kinds)
        elif held_out:
            split = hold_out_none(codes)
        else:
            inside = [number - first for number in chosen]
            split = hold_out(codes, config.cross_valid_ind, inside, str(files.labels), kinds)
        is_sparse = pair.meaning.convention == LabelConvention.SPARSE
        volume = Volume(
            files.name,
            pair.images.shape,
            images.shape[1:],
            Scaling.of(pair.images),
            fingerprint(pair.images),
            fingerprint_labels(pair.codes_of(config.label_classes)),
            first,
            is_sparse,
            pair.images.pixel_size,
        )
        pixels = {index: images[index] for index in codes}
        sentences, note = pair.meaning.describe(), pair.labels.label_note
        neurons = _true_neurons(seen, split)
    is_whole = all(is_known(page).all() for page in codes.values())
    has_slices_to_spare = bool(held_out) or len(codes) >= MINIMUM_SLICES
    return _Part(
        volume,
        _number(pixels, first),
        _number(codes, first),
        Holdout(
            [first + index for index in split.train_slices],
            [first + index for index in split.valid_slices],
            _number(split.held_out, first),
            split.sentence,
        ),
        is_sparse or not is_whole or not has_slices_to_spare,
        corrected_slices(config, note, volume),
        sentences,
        None if neurons is None else _number(neurons, first),
    )


def _number(pages: Mapping[int, _Page], first: int) -> dict[int, _Page]:
    return {first + index: page for index, page in pages.items()}


def _merge(of_volumes: Iterable[Mapping[int, _Page]]) -> dict[int, _Page]:
    return {number: page for pages in of_volumes for number, page in pages.items()}


def _check_copies(volumes: Sequence[Volume]) -> None:
    """Check that no images are there twice."""
    known: dict[str, str] = {}
    for volume in volumes:
        other = known.setdefault(volume.fingerprint, volume.name)
        if other != volume.name:
            raise UserError(
                f"{other} and {volume.name} hold the same images.", "Name each volume once."
            )


def _true_neurons(pair: TrainingPair, split: Holdout) -> dict[int, NDArray[Any]] | None:
    if not pair.meaning.has_neurons:
        return None
    neurons = {index: pair.neurons(index) for index in split.valid_slices}
    are_whole = all(split.held_out[z][page != 0].all() for z, page in neurons.items())
    return neurons if are_whole else None


def _trained(codes: NDArray[np.uint8], held_out: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
    """Give the codes (N,) of the pixels that are trained on."""
    return codes[is_known(codes) if held_out is None else is_known(codes) & ~held_out]


def _question_held_out(
    codes: Mapping[int, NDArray[np.uint8]],
    held_out: Mapping[int, NDArray[np.bool_]],
    classes: LabelClasses,
) -> str:
    """Say what is trained on and not held out; empty where all of it is."""
    found = {code for z, page in held_out.items() for code in np.unique(codes[z][page]).tolist()}
    kinds = kinds_of(classes, codes)
    missing = [name for code, name in kinds.items() if code not in found]
    if not missing:
        return ""
    return (
        f"No pixel that is held out is labelled as {list_names(missing)}, so the figures say "
        "nothing of it. Choose another fold, or label it on more slices."
    )


def corrected_slices(config: TrainingConfig, note: LabelNote | None, volume: Volume) -> list[int]:
    """List the slices that a person corrected: the configuration's, or the file's note's.

    Returns
    -------
    list of int
        Their numbers; those of other volumes may be among them.
    """
    chosen = parse_numbers(config.corrected_slices, "corrected_slices")
    if chosen or note is None:
        return chosen
    return [volume.first + index for index in note.corrected_slices if index < volume.shape[0]]


def _check_numbers(slices: Sequence[int], length: int, name: str) -> None:
    missing = [number for number in slices if number >= length]
    if missing:
        raise UserError(
            f"{name} names slice {missing[0]}, but there are {length}.",
            f"Give numbers from 0 to {length - 1}.",
        )
