"""Any preset's network, and what all of them are used for: the probability of membrane."""

from __future__ import annotations

from importlib import import_module

import mindspore
from mindspore import nn, ops

from training.presets.registry import find_preset


def build_network(preset: str) -> nn.Cell:
    """Make the network of a preset with fresh weights; see :class:`Preset` for its shapes.

    Raises
    ------
    UserError
        If there is no such preset.
    """
    module, _, name = find_preset(preset).network.partition(":")
    network: nn.Cell = getattr(import_module(module), name)()
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
