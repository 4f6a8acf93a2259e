"""Any preset's network, and what all are used for: probabilities of membrane or of classes."""

from __future__ import annotations

from importlib import import_module

import mindspore
from mindspore import nn, ops

from training.presets.registry import find_preset


def build_network(preset: str, outputs: int = 1) -> nn.Cell:
    """Make the network of a preset with fresh weights; see :class:`Preset` for its shapes.

    ``outputs`` is 1, of membrane, or the number of classes.

    Raises
    ------
    UserError
        If there is no such preset.
    """
    module, _, name = find_preset(preset).network.partition(":")
    network: nn.Cell = getattr(import_module(module), name)(outputs)
    return network


class MembraneLogit(nn.Cell):
    """The logit of membrane (N, 1, h, w) of images (N, 1, H, W), both float32.

    The softmax cross entropy over two channels is the binary one on their difference, so that
    one loss and one activation serve all networks. The difference is taken in float32 whatever
    the network computes in, as in the zoo's ``src/loss.py``.
    """

    def __init__(self, network: nn.Cell, preset: str) -> None:
        super().__init__(auto_prefix=False)
        self.network = network
        self.has_two_channels = find_preset(preset).has_two_channels

    def construct(self, image):  # type: ignore[no-untyped-def]
        logits = ops.cast(self.network(image), mindspore.float32)
        if self.has_two_channels:
            logits = logits[:, 0:1] - logits[:, 1:2]
        return logits


class MembraneProbability(nn.Cell):
    """The probability of membrane (N, 1, h, w) of images (N, 1, H, W), for evaluation."""

    def __init__(self, network: nn.Cell, preset: str) -> None:
        super().__init__(auto_prefix=False)
        self.logit = MembraneLogit(network, preset)

    def construct(self, image):  # type: ignore[no-untyped-def]
        return ops.sigmoid(self.logit(image))


class MembraneLoss(nn.Cell):
    """The binary cross entropy of the logit of membrane, () float32: see :class:`MembraneLogit`.

    Called with images (N, 1, H, W), the wanted probability of membrane and the pixels' weights,
    both (N, 1, h, w), all float32.
    """

    def __init__(self, network: nn.Cell, preset: str) -> None:
        super().__init__(auto_prefix=False)
        self.logit = MembraneLogit(network, preset)
        self.cross_entropy = ops.BCEWithLogitsLoss(reduction="mean")

    def construct(self, images, membrane, weights):  # type: ignore[no-untyped-def]
        logit = self.logit(images)
        alike = ops.ones_like(membrane)  # both classes count the same
        return self.cross_entropy(logit, membrane, weights, alike)


class ClassProbability(nn.Cell):
    """The probabilities of classes (N, C, h, w) of images (N, 1, H, W): their softmax."""

    def __init__(self, network: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.network = network

    def construct(self, image):  # type: ignore[no-untyped-def]
        return ops.softmax(ops.cast(self.network(image), mindspore.float32), axis=1)


class ClassLoss(nn.Cell):
    """The softmax cross entropy of classes, () float32, in float32 as :class:`MembraneLoss`.

    Called with images (N, 1, H, W), the wanted probabilities (N, C, h, w) and the pixels' weights
    (N, 1, h, w), all float32.
    """

    def __init__(self, network: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.network = network
        self.log_softmax = ops.LogSoftmax(axis=1)

    def construct(self, images, wanted, weights):  # type: ignore[no-untyped-def]
        logits = ops.cast(self.network(images), mindspore.float32)
        loss = -(wanted * self.log_softmax(logits)).sum(axis=1, keepdims=True)
        return (loss * weights).mean()


def build_loss(network: nn.Cell, preset: str, outputs: int) -> nn.Cell:
    """Choose the loss of a network: :class:`MembraneLoss` of one output, else ClassLoss."""
    return MembraneLoss(network, preset) if outputs == 1 else ClassLoss(network)


def build_probability(network: nn.Cell, preset: str, outputs: int) -> nn.Cell:
    """Make a network's probabilities (N, C, h, w) of images (N, 1, H, W), for evaluation."""
    return MembraneProbability(network, preset) if outputs == 1 else ClassProbability(network)
