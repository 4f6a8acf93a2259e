"""The network of one layer, of medical's geometry."""

from mindspore import nn


class OneLayer(nn.Cell):  # type: ignore[misc]
    """Images (N, 1, H, W) to logits (N, 2, H - 184, W - 184), by a 1x1 convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, kernel_size=1, has_bias=True)

    def construct(self, image):  # type: ignore[no-untyped-def]
        return self.conv(image[:, :, 92:-92, 92:-92])
