"""The networks, by preset. All map a scaled image to the logit of membrane."""

from __future__ import annotations

from mindspore import nn, ops

from training.networks.compact import Compact
from training.networks.medical import UNetMedical

MODEL_NAMES = {"compact": "unet_compact", "medical": "unet_medical"}


def build_network(preset: str) -> nn.Cell:
    """The network of a preset with fresh weights.

    compact : (N, 1, H, W) float32 to (N, 1, H, W); H and W are multiples of 16.
    medical : (N, 1, H, W) float32 to (N, 2, H - 184, W - 184); channels membrane, inside.
    """
    return UNetMedical() if preset == "medical" else Compact()


class MembraneLogit(nn.Cell):
    """Logit of membrane (N, 1, h, w) of either network.

    The softmax cross entropy over two channels is the binary one on their difference, so that
    one loss and one activation serve both networks.
    """

    def __init__(self, network: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.network = network
        self.has_two_channels = isinstance(network, UNetMedical)

    def construct(self, image):  # type: ignore[no-untyped-def]
        logits = self.network(image)
        if self.has_two_channels:
            logits = logits[:, 0:1] - logits[:, 1:2]
        return logits


class MembraneProbability(nn.Cell):
    """Probability of membrane (N, 1, h, w), for evaluation."""

    def __init__(self, network: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.logit = MembraneLogit(network)

    def construct(self, image):  # type: ignore[no-untyped-def]
        return ops.sigmoid(self.logit(image))
