"""Writing packages of the BioImage Model Zoo, by bioimageio.spec: https://bioimage.io."""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_unet.exchange.example_tile import Example, draw_cover, read_preview, take_example
from napari_unet.exchange.model_description import ModelDescription, readme
from napari_unet.prediction.model_source import read_portable
from napari_unet.prediction.predictor import Predictor
from training.errors import UserError
from training.files.atomic_files import UnwritableError, replacing, write_atomically
from training.model.model_card import ModelCard
from training.presets.onnx_nodes import OPSET

MODEL, README, COVER = "model.onnx", "README.md", "cover.png"
# What the model is tested with, and the same as pictures.
TESTS = {"image": "test_input.npy", "probability": "test_output.npy"}
SAMPLES = {"image": "sample_input.tif", "probability": "sample_output.tif"}
TILE_BEYOND_HALO = 64  # pixels of the smallest tile that are of use
_KINDS = {"f": "float32", "b": "uint8"}  # for kinds of pixels of which the zoo lacks some types


def write_package(
    model: Path, output: Path, description: ModelDescription, *, overwrite: bool = False
) -> None:
    """Write a model as a package of the BioImage Model Zoo.

    Its weights are the ONNX file that this package predicts by as well; it has a test, a cover and
    a README. The test's output is OpenVINO's in full precision.

    Parameters
    ----------
    model, description
        As of :func:`~napari_unet.exchange.model_export.export_model`.
    output : Path
        A ``.zip`` file.
    overwrite : bool
        Replace a file that is there.

    Raises
    ------
    UserError
        If bioimageio.spec is not installed, the model can't be read, or the description is not
        what the zoo takes.
    """
    try:
        from bioimageio.spec import save_bioimageio_package_to_stream
    except ImportError:
        raise UserError(
            f"{output} would be a package of the BioImage Model Zoo, and bioimageio.spec is not "
            "installed, which writes it.",
            "Install it: pip install 'napari-unet-mindspore[bioimageio]'.",
        ) from None
    source, content = read_portable(model)
    predictor = Predictor(source, content, precision="f32", of_class=None)
    card = predictor.card
    length = smallest_length(card)
    example = take_example(card, description.example, length, pixel_type(card))
    title = description.name_for(model)
    scaled = card.scaling.apply(example.tile)
    probability = predictor.forward(scaled[np.newaxis, np.newaxis])[0]
    files = {
        MODEL: content,
        **_tensors("image", example.tile[np.newaxis]),
        **_tensors("probability", probability),
        README: readme(title, model, card, description, length).encode(),
        COVER: _cover(model, predictor, example),
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        replacing(output, overwrite=overwrite, follow_links=True) as file,
    ):
        for name, part in files.items():
            write_atomically(Path(folder) / name, part)
        described = _describe(title, card, description, Path(folder))
        try:
            save_bioimageio_package_to_stream(described, output_stream=file)
        except OSError as error:
            raise UnwritableError(output, error) from error


def smallest_length(card: ModelCard) -> int:
    """Give the pixels a side of the smallest image that a package's model takes."""
    geometry = card.geometry
    kept = geometry.output_length(2 * geometry.halo + TILE_BEYOND_HALO)
    return kept + 2 * geometry.margin


def _tensors(name: str, picture: NDArray[Any]) -> dict[str, bytes]:
    """Write a picture (C, Y, X) as a tensor of the test (1, C, Y, X), and as a sample."""
    tensor, sample = io.BytesIO(), io.BytesIO()
    np.save(tensor, picture[np.newaxis])
    planes = picture if len(picture) > 1 else picture[0]
    tifffile.imwrite(sample, planes, photometric="minisblack")
    return {TESTS[name]: tensor.getvalue(), SAMPLES[name]: sample.getvalue()}


def _cover(model: Path, predictor: Predictor, example: Example) -> bytes:
    """Show the run's preview; of a stack that was given, its slice beside what is predicted."""
    preview = read_preview(model)
    if example.is_made_up and preview is not None:
        return draw_cover(preview)
    predicted = predictor.predict_slice(example.page, example.card)
    classes = predictor.classes
    if classes:
        predicted = predicted[classes.things[0] if classes.membrane is None else classes.membrane]
    return draw_cover(example.page, predicted)


def _describe(title: str, card: ModelCard, description: ModelDescription, folder: Path) -> Any:
    from bioimageio.spec import ValidationContext
    from bioimageio.spec.model.v0_5 import ModelDescr
    from pydantic import ValidationError

    document = _document(title, card, description)
    document["format_version"] = ModelDescr.implemented_format_version
    try:
        with ValidationContext(root=folder):
            return ModelDescr.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(
            f"The BioImage Model Zoo does not take this {first['loc'][0]}: {first['input']!s:.99}.",
            "Licences are named as on https://spdx.org/licenses, and a work by its DOI or address.",
        ) from error


def _document(title: str, card: ModelCard, description: ModelDescription) -> dict[str, Any]:
    """Write what the package's ``rdf.yaml`` says, less the version of its format."""
    scales = _nanometres(card)
    size = {"min": smallest_length(card), "step": card.geometry.divisor}
    space = {"type": "space", "size": size, "concatenable": True}  # may be cut into tiles
    image = {
        "id": "image",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": ["em"]},
            *({"id": axis, **space, **scales[axis]} for axis in "yx"),
        ],
        "data": {"type": pixel_type(card)},
        "preprocessing": _preprocessing(card),
        "test_tensor": {"source": TESTS["image"]},
        "sample_tensor": {"source": SAMPLES["image"]},
    }
    probability = {
        "id": "probability",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": _channel_names(card)},
            *({"id": axis, **_output_axis(axis, card), **scales[axis]} for axis in "yx"),
        ],
        "data": {"type": "float32", "range": (0.0, 1.0)},
        "test_tensor": {"source": TESTS["probability"]},
        "sample_tensor": {"source": SAMPLES["probability"]},
    }
    found = ", ".join(card.label_classes.names).capitalize() or "Membranes"
    return {
        "type": "model",
        "name": title,
        "description": f"{found} in electron micrographs, by the U-Net {card.preset}.",
        "authors": [{"name": name} for name in description.authors],
        "license": description.license,
        "cite": [_cite(text, place) for text, place in description.citations],
        "documentation": {"source": README},
        "covers": [{"source": COVER}],
        "tags": ["electron-microscopy", "membranes", "segmentation", "unet", "2d", "napari"],
        "inputs": [image],
        "outputs": [probability],
        "weights": {"onnx": {"source": MODEL, "opset_version": OPSET}},
    }


def _channel_names(card: ModelCard) -> list[str]:
    """Name the channels of the output, in letters that the zoo takes."""
    names = [re.sub(r"\W+", "_", name) for name in card.label_classes.names]
    named = [name if name.isidentifier() else f"class_{name}" for name in names]
    return named or ["membrane"]


def pixel_type(card: ModelCard) -> str:
    """Name the type of pixels that a package's model is given."""
    dtype = np.dtype(card.scaling.dtype)
    is_known = dtype.kind in "iu" or dtype in (np.float32, np.float64)
    return dtype.name if is_known else _KINDS[dtype.kind]


def _preprocessing(card: ModelCard) -> list[dict[str, Any]]:
    low, high = card.scaling.low, card.scaling.high
    gain = 2 / ((high - low) or 1.0)
    as_float = {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}
    # Without the last, bioimageio would turn the scaled image back into the image's own type.
    return [
        as_float,
        {"id": "scale_linear", "kwargs": {"gain": gain, "offset": -1 - low * gain}},
        {"id": "clip", "kwargs": {"min": -1.0, "max": 1.0}},
        as_float,
    ]


def _output_axis(axis: str, card: ModelCard) -> dict[str, Any]:
    margin, halo = card.geometry.margin, card.geometry.halo
    size = {"tensor_id": "image", "axis_id": axis, "offset": -2 * margin}
    return {"type": "space", "size": size, **({"halo": halo} if halo else {})}


def _nanometres(card: ModelCard) -> dict[str, dict[str, Any]]:
    """Give unit and scale of each axis, where they are known, of images as the network has them."""
    if card.pixel_size is None or card.zoom is None:
        return {"y": {}, "x": {}}
    sizes = {"y": card.pixel_size.y / card.zoom[0], "x": card.pixel_size.x / card.zoom[1]}
    # Rounded to 24 bits: a length times this, over this, is the length then, for bioimageio
    # rounds lengths down.
    return {
        axis: {"unit": "nanometer", "scale": float(np.float32(size))}
        for axis, size in sizes.items()
    }


def _cite(text: str, place: str) -> dict[str, str]:
    return {"text": text, "url" if place.startswith(("http://", "https://")) else "doi": place}
