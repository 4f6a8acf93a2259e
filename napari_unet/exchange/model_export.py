"""A model as a file for other programs, in the form that the ending of its name says."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

from napari_unet.exchange.model_description import ModelDescription
from napari_unet.exchange.zoo_package import write_package
from napari_unet.prediction.model_check import read_card
from napari_unet.prediction.model_source import read_portable
from napari_unet.training_python.choice import find_training_python
from training.console import list_names
from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.masks.tif_writer import check_output
from training.model.saved_model import CARD_KEY, WEIGHT_SUFFIXES, best_weights, load_model
from training.model.weight_files import pack_weights
from training.presets.registry import find_preset
from training.runs.run_directory import RunDirectory

Write = Callable[[Path, Path, ModelDescription, bool], str]


def export_model(
    model: Path, output: Path, description: ModelDescription, *, overwrite: bool = False
) -> str:
    """Write a model for other programs: the file is there as a whole, or not at all.

    Parameters
    ----------
    model : Path
        What :func:`~napari_unet.prediction.model_source.read_portable` takes. Weights and MindIR
        need a run or a checkpoint.
    output : Path
        Ends in one of :data:`FORMS`.
    description : ModelDescription
        What a package tells of the model.
    overwrite : bool
        Replace a file that is there.

    Returns
    -------
    str
        Sentences that say what was written.

    Raises
    ------
    UserError
        If the model can't be read or its form can't be made, or the file can't be written.
    """
    if output.suffix not in FORMS:
        raise UserError(
            f"{output} has none of the endings that a model is exported by.",
            f"End its name in one of {', '.join(FORMS)}.",
        )
    check_output(output, overwrite)
    _, write = FORMS[output.suffix]
    return write(model, output, description, overwrite)


def _write_onnx(model: Path, output: Path, _: ModelDescription, overwrite: bool) -> str:
    source, content = read_portable(model)
    write_atomically(output, content, overwrite=overwrite, follow_links=True)
    classes = read_card(content, source).label_classes
    given = "the probability of membrane (N, 1, h, w)"
    if classes:
        names = list_names(classes.names)
        given = f"the probabilities of {names} (N, {len(classes)}, h, w)"
    return (
        f"ONNX: {output}\nIts input is an image (N, 1, H, W) float32, scaled to -1 to 1; its "
        f"output is {given} float32."
    )


def _write_weights(model: Path, output: Path, _: ModelDescription, overwrite: bool) -> str:
    saved = load_model(_weights_of(model))
    outputs = saved.card.label_classes.outputs
    names = find_preset(saved.card.preset).parameter_shapes(outputs)
    weights = {name: saved.weights[name] for name in names}
    content = pack_weights(weights, {CARD_KEY: saved.card.to_json()})
    write_atomically(output, content, overwrite=overwrite, follow_links=True)
    return f"Weights: {output}"


def _write_mindir(model: Path, output: Path, _: ModelDescription, overwrite: bool) -> str:
    """Write it as the command that is there for it does, in the Python that has MindSpore."""
    python = find_training_python()
    options = ["--ckpt", str(_weights_of(model)), "--output", str(output)]
    options += ["--overwrite"] if overwrite else []
    done = subprocess.run(
        python.command("training.export", *options),
        env=python.environment(os.environ),
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode == 0:
        return done.stdout.strip()
    said = done.stderr.strip().splitlines() or ["it gave no reason."]
    raise UserError(f"{output} could not be made: {said[-1].removeprefix('Error: ')}")


def _write_zoo_package(
    model: Path, output: Path, description: ModelDescription, overwrite: bool
) -> str:
    write_package(model, output, description, overwrite=overwrite)
    return (
        f"Package of the BioImage Model Zoo: {output}\nAuthors: "
        f"{list_names(description.authors)}. Licence: {description.license}.\n"
        f"Test it: bioimageio test {shlex.quote(str(output))}"
    )


def _weights_of(model: Path) -> Path:
    if model.is_dir():
        return best_weights(RunDirectory(model))
    if model.suffix in WEIGHT_SUFFIXES:
        return model
    raise UserError(
        f"{model} is neither a run nor a checkpoint.",
        "Give one, or export ONNX or a package, which other models do for.",
    )


# By the ending of a file: what it is, and what writes it.
FORMS: dict[str, tuple[str, Write]] = {
    ".zip": ("Package of the BioImage Model Zoo", _write_zoo_package),
    ".onnx": ("ONNX", _write_onnx),
    ".safetensors": ("Weights", _write_weights),
    ".mindir": ("MindIR", _write_mindir),
}
