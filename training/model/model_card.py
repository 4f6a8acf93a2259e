"""What a model says of itself, so that its predictions can be repeated anywhere."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training import __version__
from training.config import NO_WEIGHTS
from training.dataset.holdout import MINIMUM_SLICES, split_fold
from training.errors import UserError, blame_version
from training.files.untrusted_files import LARGEST_COUNT, is_number, parse_json
from training.formats.pixel_size import PixelSize
from training.label_classes import LabelClass, LabelClasses
from training.metrics.pixel_metrics import DEFAULT_THRESHOLD
from training.presets.geometry import Geometry
from training.presets.registry import find_preset
from training.stacks.fingerprint import fingerprint
from training.stacks.intensities import Membranes
from training.stacks.scaling import Scaling, Slices

METADATA_KEY = "napari_unet"
# Slices to 388 pixels, from those of a test to those of a hundred thousand.
SMALLEST_ZOOM, LARGEST_ZOOM = 1e-3, 32.0
LARGEST_SHIFT = 100.0  # pixels


@dataclass(frozen=True)
class TrainedVolume:
    """What a card keeps of a volume; the fields are those of :class:`ModelCard`."""

    scaling: Scaling
    zoom: tuple[float, float] | None
    displacement: tuple[float, float]
    train_slices: tuple[int, ...]
    data: str
    fingerprint: str
    labels_fingerprint: str = ""


@dataclass(frozen=True)
class ModelCard:
    """Written into the metadata of ``model.onnx``, as JSON.

    Of a network that was trained on several volumes, the fields from ``scaling`` to
    ``labels_fingerprint`` are of the first, and a stack is predicted as the volume that it is most
    like, see :meth:`like`.

    Parameters
    ----------
    preset : str
        Name of the network's preset.
    scaling : Scaling
        Scaling of the stack that it was trained on.
    zoom : tuple of float or None
        Factors (Y, X) by which a slice is resized before the network sees it. None: as the zoo
        does, every slice is resized to the preset's length.
    displacement : tuple of float
        (Y, X), in pixels: how far beside a membrane its labels lay, and its prediction lies.
    fold : int or None
        The fold whose validation slices it has not seen, where ``train_slices`` is empty. None: it
        has not seen a slice of any stack that is predicted.
    train_slices : tuple of int
        Slices of that stack that the network has seen; empty: those of the fold, of a network
        that was trained on one stack.
    data : str
        Name of the stack that it was trained on.
    fingerprint : str
        By which that stack is known again, see :func:`fingerprint`; empty: it is not known.
    labels_fingerprint : str
        The same of its labels.
    num_classes : int
        Classes that the network tells apart: membrane and inside, or those in ``classes``.
    classes : tuple of LabelClass
        The classes that it has a channel for each, in this order; empty: membrane and inside, for
        which it has one channel, of membrane.
    threshold : float
        Probability from which on a pixel is membrane.
    began_from : str
        The weights that its training began from: ``starter``, ``none``, or the name of their file.
    pixel_size : PixelSize or None
        That of the stack that it was trained on; None where its file does not give it.
    version : str
        Version of this package that wrote it.
    others : tuple of TrainedVolume
        The volumes after the first.
    """

    preset: str
    scaling: Scaling
    zoom: tuple[float, float] | None = (1.0, 1.0)
    displacement: tuple[float, float] = (0.0, 0.0)
    fold: int | None = 1
    train_slices: tuple[int, ...] = ()
    data: str = ""
    fingerprint: str = ""
    labels_fingerprint: str = ""
    num_classes: int = 2
    classes: tuple[LabelClass, ...] = ()
    threshold: float = DEFAULT_THRESHOLD
    began_from: str = NO_WEIGHTS
    pixel_size: PixelSize | None = None
    version: str = __version__
    others: tuple[TrainedVolume, ...] = ()

    @property
    def label_classes(self) -> LabelClasses:
        """The classes that it tells apart, 0 is unknown if none has it; empty: membrane, inside."""
        has_zero = any(member.value == 0 for member in self.classes)
        return LabelClasses(self.classes, 0 if self.classes and not has_zero else None)

    @property
    def volumes(self) -> list[ModelCard]:
        """A card for each volume, as if the network had been trained on it alone."""
        first = dataclasses.replace(self, others=())
        return [first, *(dataclasses.replace(first, **vars(other)) for other in self.others)]

    @property
    def geometry(self) -> Geometry:
        """How the network's output lies in its input."""
        return find_preset(self.preset).geometry

    def zoom_for(self, shape: tuple[int, int]) -> tuple[float, float]:
        """Return the factors (Y, X) to resize a slice of some shape (Y, X) by."""
        return find_preset(self.preset).zoom(shape) if self.zoom is None else self.zoom

    def like(self, stack: Slices) -> ModelCard:
        """Choose the card of the volume that a stack (Z, Y, X) is most like.

        That is the stack itself, known by its fingerprint, or else the volume whose intensities
        are nearest to the stack's, each scaled to [-1, 1] as it would be.

        Raises
        ------
        UserError
            As :meth:`for_stack`.
        """
        return self.nearest(fingerprint(stack), Scaling.of(stack)) if self.others else self

    def nearest(self, known_by: str, scaling: Scaling) -> ModelCard:
        """Choose the card of the volume with this fingerprint, else of the nearest intensities."""
        volumes = self.volumes
        same = [card for card in volumes if card.fingerprint == known_by]
        return next(iter(same), min(volumes, key=lambda card: card.scaling.distance(scaling)))

    def for_stack(self, stack: Slices, membranes: Membranes = Membranes.AUTO) -> ModelCard:
        """Make the card to predict a stack (Z, Y, X) of any real dtype with.

        The scaling is chosen by :meth:`Scaling.for_stack`.

        Raises
        ------
        UserError
            If the stack is empty, not of real numbers, or has infinite values or NaN.
        """
        card = self.like(stack)
        return dataclasses.replace(card, scaling=card.scaling.for_stack(stack, membranes))

    def seen_slices(self, stack: Slices) -> list[int]:
        """List the slices of a stack that the network was trained on.

        Of a network of one volume the stack is taken to be that volume, where
        :meth:`may_be_trained_on` it.
        """
        length = len(stack)
        if self.fold is None or not self.may_be_trained_on(stack):
            return []
        if self.others:
            return self.trained_slices(stack) or []
        if self.train_slices:
            return [index for index in self.train_slices if index < length]
        if length < MINIMUM_SLICES:  # too few for folds: it is another stack
            return []
        return split_fold(length, self.fold)[0]

    def may_be_trained_on(self, stack: Slices) -> bool:
        """Whether a stack (Z, Y, X) is one of the training, by its fingerprint if that is known."""
        known = {card.fingerprint for card in self.volumes if card.fingerprint}
        return not known or fingerprint(stack) in known

    def check_same_data(self, run: Path, images: tuple[str, str], labels: tuple[str, str]) -> None:
        """Check that a run goes on with what it has been trained on, of one volume.

        Parameters
        ----------
        run : Path
        images, labels : (str, str)
            What messages call them, and their fingerprints.

        Raises
        ------
        UserError
        """
        name, found = images
        if found != self.fingerprint:
            raise UserError(
                f"{name} is not the stack that {run} was trained on.",
                "Give the run's own data, or start a new run with these.",
            )
        name, found = labels
        if found != self.labels_fingerprint:
            raise UserError(
                f"The labels of {name} are not those that {run} was trained on.",
                f"Give those, or learn on from its model with these: --weights {run}.",
            )

    def trained_slices(self, stack: Slices) -> list[int] | None:
        """List the slices of a stack (Z, Y, X) of any real dtype that the network was trained on.

        None where it is not known to be a stack of the training.
        """
        if self.fold is None:
            return []
        volumes = [card for card in self.volumes if card.fingerprint]
        known_by = fingerprint(stack) if volumes else ""
        for card in volumes:
            if card.fingerprint == known_by:
                return [*card.train_slices] if self.others else self.seen_slices(stack)
        return None

    def inherit_slices(self, former: ModelCard) -> ModelCard:
        """Make the card of a network that began from another's weights.

        Of the stacks that both were trained on, it has seen the other's slices as well.
        """
        before = {card.data: card.train_slices for card in former.volumes}

        def with_former(name: str, slices: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(sorted({*slices, *before[name]})) if name in before else slices

        return dataclasses.replace(
            self,
            train_slices=with_former(self.data, self.train_slices),
            others=tuple(
                dataclasses.replace(
                    volume, train_slices=with_former(volume.data, volume.train_slices)
                )
                for volume in self.others
            ),
        )

    def check(self) -> None:
        """Refuse values that no training writes.

        Raises
        ------
        UserError, ValueError or TypeError
            That says which value it is.
        """
        _ = self.geometry
        for card in self.volumes[1:]:
            card.check()
        self.scaling.check()
        if self.fold is not None:
            split_fold(MINIMUM_SLICES, self.fold)
        limits = {
            "zoom": (self.zoom or (), SMALLEST_ZOOM, LARGEST_ZOOM),
            "displacement": (self.displacement, -LARGEST_SHIFT, LARGEST_SHIFT),
            "threshold": ((self.threshold,), 0.0, 1.0),
            "train_slices": (self.train_slices, 0, LARGEST_COUNT),
        }
        for name, (numbers, least, most) in limits.items():
            if not all(is_number(number) and least <= number <= most for number in numbers):
                raise ValueError(f"{name} is {numbers!r:.50}")
        if self.pixel_size is not None:
            self.pixel_size.check()
        for member in self.classes:
            member.check()
        if LabelClasses.of(self.classes, self.label_classes.unknown) != self.label_classes:
            raise ValueError("classes are not in the order of their values")
        if self.num_classes != max(2, len(self.classes)):
            raise ValueError(f"num_classes is {self.num_classes!r:.20}")
        texts = self.data, self.fingerprint, self.labels_fingerprint, self.began_from, self.version
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("data, a fingerprint, began_from or version is not a text")

    def to_json(self) -> str:
        """Write the card as JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str, source: str = "The model") -> ModelCard:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        UserError
            If it can't be read, or has a value that no training writes; it names ``source``.
        """
        version = None
        try:
            values: dict[str, Any] = parse_json(text)
            version = values.get("version")
            others = [TrainedVolume(**_volume_fields(fields)) for fields in values["others"]]
            values = {**_volume_fields(values), "others": tuple(others)}
            named = [LabelClass(**fields) for fields in values.get("classes", ())]
            values["classes"] = tuple(named)
            if values.get("pixel_size") is not None:
                values["pixel_size"] = PixelSize(**values["pixel_size"])
            card = cls(**values)
            card.check()
        except UserError as error:
            unreadable = UserError(
                f"{source} has metadata that this version can't read: {error.problem}",
                error.remedy,
            )
            raise blame_version(unreadable, source, version) from error
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            unreadable = UserError(
                f"{source} has metadata that this version can't read: {error!s:.99}.",
                "Export the model again with this version.",
            )
            raise blame_version(unreadable, source, version) from error
        return card


def _volume_fields(values: dict[str, Any]) -> dict[str, Any]:
    """Give fields of a document with those of a volume as the card has them."""
    read: dict[str, Any] = {"scaling": Scaling.from_fields(values["scaling"])}
    for name in ("zoom", "displacement"):
        if name != "zoom" or values[name] is not None:
            height, width = values[name]
            read[name] = (float(height), float(width))
    read["train_slices"] = tuple(map(int, values["train_slices"]))
    return {**values, **read}
