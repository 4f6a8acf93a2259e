"""Packages of the BioImage Model Zoo to predict with: ours, and those of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.prediction.foreign_graph import check_graph
from napari_unet.prediction.model_check import check_onnx, has_card, parse_onnx, read_card
from napari_unet.prediction.package_file import PackageFile, open_package
from training.errors import UserError
from training.formats.pixel_size import NANOMETRES, PixelSize
from training.model.model_card import ModelCard
from training.presets.geometry import Geometry
from training.presets.registry import DEFAULT_PRESET
from training.stacks.intensities import Membranes
from training.stacks.scaling import Scaling, Slices

MOST_DESCRIPTION_BYTES = 2**20
MOST_ALIASES = 8  # of YAML, which a few more of could make a huge document of
AXES = ("batch", "channel", "y", "x")
LARGEST_TILE, OVERLAP = 512, 64  # pixels
PREPROCESSING = {
    *("ensure_dtype", "binarize", "clip", "scale_linear", "scale_range", "sigmoid"),
    *("zero_mean_unit_variance", "fixed_zero_mean_unit_variance"),
}
POSTPROCESSING = {"ensure_dtype", "binarize", "clip", "scale_linear", "sigmoid", "softmax"}
MEMBRANE_NAMES = ("membrane", "boundar", "border")
TOLERANCE = 1e-3  # of a probability beyond 0 and 1


@dataclass(frozen=True)
class PackageCard(ModelCard):
    """The card of a model that was not trained here: of its training nothing is known.

    Parameters
    ----------
    tiles : Geometry
        How its output lies in its input.
    """

    tiles: Geometry = field(kw_only=True)

    @property
    def geometry(self) -> Geometry:
        return self.tiles

    def for_stack(self, stack: Slices, membranes: Membranes = Membranes.AUTO) -> ModelCard:
        if membranes != Membranes.AUTO:
            raise UserError(
                "A package of others prepares images itself, whichever membranes they have.",
                "Leave --membranes out, or invert the stack.",
            )
        Scaling.of(stack)  # refuses what no model can predict
        return self

    def seen_slices(self, stack: Slices) -> list[int]:
        return []


def read_package(path: Path) -> tuple[bytes, ForeignModel | None]:
    """Read the ONNX file of a package, and how it is used where it is not ours.

    Raises
    ------
    UserError
        If it can't be read, is harmful, or does not fit; the sentence says why.
    """
    with open_package(path) as package:
        if (content := _own_onnx(package)) is not None:
            check_onnx(content, path)
            return content, None
        foreign = ForeignModel(package)
        content = package.read(foreign.source)
        check_graph(parse_onnx(content, path), foreign.input_shape, path)
        return content, foreign


def read_package_card(path: Path) -> ModelCard:
    """Read what a package says of its model, whose network is not checked.

    Raises
    ------
    UserError
        As :func:`read_package`.
    """
    with open_package(path) as package:
        content = _own_onnx(package)
        return ForeignModel(package).card if content is None else read_card(content, path)


def _own_onnx(package: PackageFile) -> bytes | None:
    """Read the ONNX file of a package that was exported here; None of any other package."""
    names = package.onnx_files
    content = package.read(names[0]) if len(names) == 1 else b""
    return content if content and has_card(parse_onnx(content, package.path)) else None


class ForeignModel:
    """A model with the pre- and postprocessing that its package describes, by bioimageio.core.

    A channel that is called membrane or boundary is taken, else the last. Preprocessing sees a
    whole slice, postprocessing a tile.

    Parameters
    ----------
    package : PackageFile
        Open.

    Attributes
    ----------
    card : ModelCard
    source : str
        Name of its ONNX file in the package.
    input_shape : tuple of int
        Of the largest tile that the network is given.

    Raises
    ------
    UserError
        If bioimageio.core is not installed, or the package does not fit; the sentence says why.
    """

    def __init__(self, package: PackageFile) -> None:
        try:
            from bioimageio.core.proc_ops import get_proc
            from bioimageio.spec.model.v0_5 import InputTensorDescr, OutputTensorDescr
        except ImportError:
            raise UserError(
                f"{package.path} is somebody else's package, and bioimageio.core is not installed, "
                "which prepares images as it asks for.",
                "Install it: pip install 'napari-unet-mindspore[bioimageio]'.",
            ) from None
        self._path = path = package.path
        described = _read_description(package)
        image, output, self.source = _tensors(described, path)
        try:
            self._image = InputTensorDescr.model_validate(image)
            self._output = OutputTensorDescr.model_validate(output)
            self._before = [get_proc(step, self._image) for step in self._image.preprocessing]
            self._after = [get_proc(step, self._output) for step in self._output.postprocessing]
        except (ValueError, TypeError) as error:  # pydantic's is one
            raise _misfit(path, "its description of input and output is not valid") from error
        _check_axes(self._image.axes, self._output.axes, path)
        self._channel = _membrane_channel(self._output.axes)
        self._measures = {measure for step in self._before for measure in step.required_measures}
        geometry = _geometry(self._image.axes, self._output.axes, path)
        length = geometry.output_length(LARGEST_TILE) + 2 * geometry.margin
        sizes = {"batch": 1, "channel": 1, "y": length, "x": length}
        self.input_shape = tuple(sizes[str(axis.id)] for axis in self._image.axes)
        self.card = PackageCard(
            DEFAULT_PRESET,
            Scaling("float32", 0.0, 1.0),
            pixel_size=_pixel_size(self._image.axes),
            tiles=geometry,
        )

    def prepare(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Do with a slice (Y, X) of any dtype what its input's description says."""
        from bioimageio.core.stat_calculators import compute_measures

        sample = _sample(self._image, _arrange(image, self._image.axes))
        sample.stat = compute_measures(self._measures, [sample])
        for step in self._before:
            step(sample)
        prepared = np.asarray(sample.members[self._image.id].to_numpy(), np.float32)
        return np.ascontiguousarray(_planes(prepared, self._image.axes)[0])

    def arrange(self, tile: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give a tile (1, 1, H, W) of float32 the axes of the network's input."""
        return _arrange(tile[0, 0], self._image.axes)

    def finish(self, found: NDArray[np.float32]) -> NDArray[np.float32]:
        """Make the probability (1, 1, h, w), float32, of membrane from the network's output.

        Raises
        ------
        UserError
            If it is none.
        """
        if found.ndim != len(self._output.axes):
            raise _misfit(self._path, "its output has other axes than it says")
        sample = _sample(self._output, found)
        for step in self._after:
            step(sample)
        result = _planes(sample.members[self._output.id].to_numpy(), self._output.axes)
        probability: NDArray[np.float32] = result[self._channel].astype(np.float32)
        if probability.min() < -TOLERANCE or probability.max() > 1 + TOLERANCE:
            raise _misfit(self._path, "what it gives goes beyond 0 to 1, so is no probability")
        np.clip(probability, 0, 1, out=probability)
        return probability[np.newaxis, np.newaxis]


def _arrange(image: NDArray[Any], axes: Sequence[Any]) -> NDArray[Any]:
    """Give an image (Y, X) the axes that a tensor has, with a length of 1 for the others."""
    names = [str(axis.id) for axis in axes]
    whole = image[np.newaxis, np.newaxis]
    absent = tuple(AXES.index(name) for name in AXES if name not in names)
    present = [name for name in AXES if name in names]
    reduced = whole.squeeze(absent)
    return np.ascontiguousarray(reduced.transpose([present.index(name) for name in names]))


def _planes(tensor: NDArray[Any], axes: Sequence[Any]) -> NDArray[Any]:
    """Give the channels (C, Y, X) of a tensor with these axes, of a batch of one."""
    names = [str(axis.id) for axis in axes]
    for name in ("channel", "batch"):
        if name not in names:
            tensor, names = tensor[np.newaxis], [name, *names]
    ordered: NDArray[Any] = tensor.transpose([names.index(name) for name in AXES])[0]
    return ordered


def _misfit(path: Path, reason: str) -> UserError:
    """Make the error for a package that can't be predicted with."""
    return UserError(
        f"{path} can't be used: {reason}.",
        "Packages whose ONNX weights map one grey channel to one or two, in 2-D, can.",
    )


def _read_description(package: PackageFile) -> dict[str, Any]:
    """Read what a package says of itself, as plain lists, dictionaries, texts and numbers."""
    from ruyaml import YAML
    from ruyaml.error import YAMLError
    from ruyaml.events import AliasEvent

    if package.description is None:
        raise _misfit(package.path, "it holds no rdf.yaml")
    content = package.read(package.description, MOST_DESCRIPTION_BYTES)
    try:
        text = content.decode()
        reader = YAML(typ="safe", pure=True)
        aliases = sum(isinstance(event, AliasEvent) for event in reader.parse(text))
        document = YAML(typ="safe", pure=True).load(text) if aliases <= MOST_ALIASES else None
    except (YAMLError, ValueError, RecursionError) as error:
        raise _misfit(package.path, f"its {package.description} is not valid YAML") from error
    if not isinstance(document, dict) or document.get("type") != "model":
        raise _misfit(package.path, "it describes no model")
    version = str(document.get("format_version"))
    if not version.startswith("0.5."):
        raise _misfit(package.path, f"its format is {version:.20}, not 0.5")
    return document


def _tensors(document: dict[str, Any], path: Path) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Give the descriptions of input and output, less all that names files, and the ONNX file."""
    inputs, outputs, weights = (document.get(name) for name in ("inputs", "outputs", "weights"))
    onnx = weights.get("onnx") if isinstance(weights, dict) else None
    if not isinstance(onnx, dict) or not isinstance(onnx.get("source"), str):
        raise _misfit(path, "it has no ONNX weights")
    kept = ("id", "axes", "data", "preprocessing", "postprocessing")
    tensors = []
    for what, listed in (("input", inputs), ("output", outputs)):
        if not isinstance(listed, list) or len(listed) != 1 or not isinstance(listed[0], dict):
            raise _misfit(path, f"it has not one {what}")
        tensors.append({name: listed[0][name] for name in kept if name in listed[0]})
    for tensor, name, allowed in (
        (tensors[0], "preprocessing", PREPROCESSING),
        (tensors[1], "postprocessing", POSTPROCESSING),
    ):
        for step in tensor.get(name) or []:
            kind = step.get("id") if isinstance(step, dict) else None
            kwargs = step.get("kwargs") if isinstance(step, dict) else None
            axes = kwargs.get("axes") if isinstance(kwargs, dict) else None
            if kind not in allowed or "source" in step:
                raise _misfit(path, f"its {name} has the step {kind!s:.50}")
            if isinstance(axes, list) and "batch" in axes:
                raise _misfit(path, f"its {name} needs the statistics of a whole set of images")
            if isinstance(kwargs, dict) and kwargs.get("reference_tensor"):
                raise _misfit(path, f"its {name} needs another image")
    return tensors[0], tensors[1], onnx["source"].removeprefix("./")


def _check_axes(image: Sequence[Any], output: Sequence[Any], path: Path) -> None:
    for axes, most_channels in ((image, 1), (output, 2)):
        names = [str(axis.id) for axis in axes]
        if not {"y", "x"} <= set(names) <= set(AXES):
            raise _misfit(path, f"it maps images with the axes {', '.join(names):.99}")
        channels = [len(axis.channel_names) for axis in axes if axis.type == "channel"]
        if max(channels, default=1) > most_channels:
            raise _misfit(path, f"it has {max(channels)} channels")


def _membrane_channel(axes: Sequence[Any]) -> int:
    channels = [axis.channel_names for axis in axes if axis.type == "channel"]
    for index, name in enumerate(channels[0] if channels else []):
        if any(part in str(name).lower() for part in MEMBRANE_NAMES):
            return index
    return -1


def _geometry(image: Sequence[Any], output: Sequence[Any], path: Path) -> Geometry:
    """Find how the output lies in the input, alike in Y and X."""
    found = {_geometry_along(axis, image, output, path) for axis in ("y", "x")}
    if len(found) > 1:
        raise _misfit(path, "it takes images of other heights than widths")
    return found.pop()


def _geometry_along(name: str, image: Sequence[Any], output: Sequence[Any], path: Path) -> Geometry:
    from bioimageio.spec.model.v0_5 import ParameterizedSize, SizeReference

    of_image = {str(axis.id): axis for axis in image}
    seen, given = of_image[name], {str(axis.id): axis for axis in output}[name]
    size = seen.size
    if isinstance(size, SizeReference):  # X is as long as Y, or the other way about
        size = of_image["y" if name == "x" else "x"].size
    step = size.step if isinstance(size, ParameterizedSize) else 0
    smallest = size.min if isinstance(size, ParameterizedSize) else size
    if isinstance(given.size, SizeReference) and step:
        lost = -given.size.offset
    elif isinstance(given.size, int) and isinstance(smallest, int) and not step:
        lost = smallest - given.size
    elif isinstance(given.size, SizeReference) and isinstance(smallest, int):
        lost = -given.size.offset
    else:
        raise _misfit(path, "how large its output is depends on more than the image")
    if not isinstance(smallest, int) or lost < 0 or lost % 2 or seen.scale != given.scale:
        raise _misfit(path, "its output has other pixels than the image")
    kept = smallest - lost
    halo = getattr(given, "halo", 0)
    if not lost:  # what is padded is seen at the edge of a tile, whatever it says
        halo = max(halo, min(OVERLAP, kept // 4))
    if not step:
        if kept <= 2 * halo:
            raise _misfit(path, "its halo leaves nothing of its output")
        return Geometry(lost // 2, halo, 1, 0, largest=kept, smallest=kept)
    largest = max(LARGEST_TILE, kept, 4 * (halo + step))
    return Geometry(lost // 2, halo, step, kept % step, largest=largest, smallest=kept)


def _pixel_size(axes: Sequence[Any]) -> PixelSize | None:
    sizes = {
        str(axis.id): axis.scale * NANOMETRES[axis.unit]
        for axis in axes
        if getattr(axis, "unit", None) in NANOMETRES
    }
    return PixelSize.of(None, sizes.get("y"), sizes.get("x"))


def _sample(descr: Any, tensor: NDArray[Any]) -> Any:
    from bioimageio.core.sample import Sample
    from bioimageio.core.tensor import Tensor

    dims = [axis.id for axis in descr.axes]
    return Sample(members={descr.id: Tensor.from_numpy(tensor, dims=dims)}, stat={}, id=None)
