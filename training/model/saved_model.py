"""The model of a run, or of a checkpoint that anybody saved: its weights and its card."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from training.config import NO_WEIGHTS
from training.errors import UserError
from training.model.model_card import ModelCard
from training.model.starter_model import named_model
from training.model.weight_files import Weights, load_weights, read_metadata
from training.presets.registry import find_preset, find_preset_of, list_presets
from training.runs.run_directory import RunDirectory
from training.stacks.scaling import Scaling

AVERAGE_PREFIX = "average."  # of the averaged weights in a checkpoint of a training
WEIGHT_SUFFIXES = (".safetensors", ".ckpt")
CARD_KEY = "model_card"  # in the metadata of a file of weights
ZOO_SCALING = Scaling("uint8", 0.0, 255.0)  # x / 127.5 - 1 in the zoo's data_loader.py


def starting_weights(weights: str) -> Path | None:
    """Find the file of what a run begins from, as its configuration names it; None: nothing.

    Raises
    ------
    UserError
        If it is a folder and not a run, or a run that has no model yet.
    """
    if weights == NO_WEIGHTS:
        return None
    path = named_model(weights)
    return best_weights(RunDirectory(path)) if path.is_dir() else path


class SavedModel(NamedTuple):
    """Weights by name, with the shapes of the card's network; there may be others beside them."""

    weights: Weights
    card: ModelCard


def best_weights(run: RunDirectory) -> Path:
    """Give the file of a run's best weights.

    Raises
    ------
    UserError
        If it is not a run, or has no model yet.
    """
    if not run.best.exists():
        run.read_config()
        raise UserError(
            f"The run {run.path} has no model yet.", "Wait until its training has validated once."
        )
    return run.best


def read_weights_card(path: Path) -> ModelCard:
    """Read the card of a file of weights, and not these where the card is in its metadata.

    Raises
    ------
    UserError
        As :func:`load_model`.
    """
    card = read_metadata(path).get(CARD_KEY) if path.suffix == ".safetensors" else None
    return load_model(path).card if card is None else ModelCard.from_json(card, source=str(path))


def load_model(path: Path) -> SavedModel:
    """Read a model from a ``.safetensors`` or ``.ckpt`` file.

    What a training here wrote has its card. Any other file's network is found by the names and
    shapes of its parameters, and is given slices as the zoo gives them. Of a training's checkpoint
    the averaged weights are taken, which its validations were made with.

    Raises
    ------
    UserError
        If the file can't be read, or holds the weights of none of the networks here, or not of
        the one that its card names.
    """
    weights, metadata = load_weights(path)
    averaged = {
        name.removeprefix(AVERAGE_PREFIX): value
        for name, value in weights.items()
        if name.startswith(AVERAGE_PREFIX)
    }
    weights = averaged or weights
    shapes = {name: tuple(value.shape) for name, value in weights.items()}
    if CARD_KEY not in metadata:
        preset = find_preset_of(shapes)
        if preset is None:
            raise UserError(
                f"{path} holds the weights of another network than {' and '.join(list_presets())}.",
                "Give a checkpoint of the model zoo's UNetMedical, or of a training here.",
            )
        return SavedModel(weights, ModelCard(preset.name, ZOO_SCALING, zoom=None))
    card = ModelCard.from_json(metadata[CARD_KEY], source=str(path))
    outputs = card.label_classes.outputs
    if not find_preset(card.preset).parameter_shapes(outputs).items() <= shapes.items():
        raise UserError(
            f"{path} does not hold the weights of the network {card.preset}.",
            "Copy it again from where it was trained, or train again.",
        )
    return SavedModel(weights, card)
