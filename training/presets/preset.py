"""All in which one network differs from another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from training.presets.geometry import Geometry
from training.presets.onnx_nodes import OnnxNodes, ParameterShapes
from training.sampling.displacement import Displacement
from training.sampling.sample import Sample
from training.sampling.samplers import Sampler


@dataclass(frozen=True)
class Preset:
    """A network with its samples, its defaults and its portable form.

    Parameters
    ----------
    name : str
        As options, files and model cards name it.
    help : str
        What it is for, in a few words.
    network : str
        ``module:class`` of the MindSpore network, which is made with the number of its outputs.
        It maps images (N, 1, H, W) float32 in [-1, 1] to logits: of 1 output (N, 1, h, w), of
        membrane, or (N, 2, h, w), of membrane and of inside; of C classes (N, C, h, w).
    has_two_channels : bool
        Whether it gives two logits for one output.
    geometry : Geometry
        How its output lies in its input.
    make_sampler : callable
        From the training slices of a volume, scaled, image and labels of one shape (Y, X), the
        displacement of their labels in pixels (y, x), the shorter side of a slice of the run's
        largest volume in pixels, and whether the labels are the places of classes, to a sampler.
        The samplers of all volumes give one shape.
    build_graph : callable
        Adds the nodes of the network with a number of outputs to an ONNX graph that has the input
        ``image``, and gives the name of the logit of membrane (N, 1, h, w), or those of C
        classes (N, C, h, w).
    head : str
        Beginning of the names of the parameters whose shapes depend on the number of outputs.
    checkpoint_name : str
        In the file names of its checkpoints.
    defaults : mapping
        Options of :class:`~training.config.TrainingConfig` in which it differs from the zoo.
    sparse_recipe : mapping
        Options that do best where few pixels are labelled.
    learn_on_recipe : mapping
        Options for a run that begins from a trained model, which must not forget what it knows.
    cpu_seconds : float
        What a training on two cores of a CPU takes for a sample, to estimate it by.
    crop : int or None
        A sample is a crop of this many pixels a side; None: a whole slice.
    slice_length : int or None
        A slice is resized to this many pixels a side; None: it keeps its size.
    measures_displacement : bool
        Whether the labels' displacement is measured and allowed for.
    has_half_precision : bool
        Whether it is trained in half precision on Ascend.
    has_starter : bool
        Whether the model that comes with this package is one of this network.
    """

    name: str
    help: str
    network: str
    geometry: Geometry
    make_sampler: Callable[[Sequence[Sample], Displacement, int, bool], Sampler]
    build_graph: Callable[[OnnxNodes, int], str]
    head: str
    checkpoint_name: str
    has_two_channels: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)
    sparse_recipe: Mapping[str, Any] = field(default_factory=dict)
    learn_on_recipe: Mapping[str, Any] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    crop: int | None = None
    slice_length: int | None = None
    measures_displacement: bool = True
    has_half_precision: bool = False
    has_starter: bool = False

    def parameter_shapes(self, outputs: int = 1) -> dict[str, tuple[int, ...]]:
        """List the shapes of the network's parameters by MindSpore's names."""
        found = ParameterShapes()
        self.build_graph(found, outputs)
        return found.shapes

    def zoom(self, shape: tuple[int, int]) -> tuple[float, float]:
        """Return the factors (Y, X) to resize slices by, from a training slice's shape (Y, X)."""
        if self.slice_length is None:
            return 1.0, 1.0
        return self.slice_length / shape[0], self.slice_length / shape[1]
