"""compact: a U-Net of 0.4 million parameters, made for CPUs."""

from __future__ import annotations

from mindspore import nn, ops
from mindspore.common.initializer import Constant, HeNormal

from training.networks.batch_norm import BatchNorm
from training.networks.convolution import Conv3x3
from training.presets.compact import FOLD, WIDTHS

USUAL_LOGIT = -1.27  # of 22 % membrane: training need not find that out first


class Compact(nn.Cell):
    """U-Net at a quarter of the resolution: (N, 1, H, W) to logits (N, C, H, W).

    Thin layers at full resolution cost the most on a CPU and give the least, so the image is
    folded 4x4 into channels first, and the logits are unfolded last (pixel shuffle, Shi et
    al. 2016). Pixel shuffles are its up-convolutions too: they have no weights, make a step a
    fifth faster, and cost no quality. Padded convolutions with batch norm, two poolings. H
    and W are multiples of 16.
    """

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        first, second, third = WIDTHS
        self.fold = nn.PixelUnshuffle(FOLD)
        self.down0 = DoubleConv(FOLD**2, first)
        self.down1 = DoubleConv(first, second)
        self.down2 = DoubleConv(second, third)
        self.up = nn.PixelShuffle(2)
        self.merge1 = DoubleConv(third // 4 + second, second)
        self.merge0 = DoubleConv(second // 4 + first, first)
        self.logits = nn.Conv2d(
            first,
            outputs * FOLD**2,
            kernel_size=1,
            has_bias=True,
            weight_init=HeNormal(),
            bias_init=Constant(USUAL_LOGIT if outputs == 1 else 0.0),
        )
        self.unfold = nn.PixelShuffle(FOLD)
        self.pool = nn.MaxPool2d(kernel_size=2, stride=2)
        self.concat = ops.Concat(axis=1)

    def construct(self, image):  # type: ignore[no-untyped-def]
        level0 = self.down0(self.fold(image))  # (N, 32, H/4, W/4)
        level1 = self.down1(self.pool(level0))  # (N, 64, H/8, W/8)
        level2 = self.down2(self.pool(level1))  # (N, 128, H/16, W/16)
        level1 = self.merge1(self.concat((self.up(level2), level1)))
        level0 = self.merge0(self.concat((self.up(level1), level0)))
        return self.unfold(self.logits(level0))


class DoubleConv(nn.Cell):
    """Twice: padded 3x3 convolution, batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = _conv(in_channels, out_channels)
        self.norm1 = BatchNorm(out_channels)
        self.conv2 = _conv(out_channels, out_channels)
        self.norm2 = BatchNorm(out_channels)
        self.relu = nn.ReLU()

    def construct(self, x):  # type: ignore[no-untyped-def]
        x = self.relu(self.norm1(self.conv1(x)))
        return self.relu(self.norm2(self.conv2(x)))


def _conv(in_channels: int, out_channels: int) -> Conv3x3:
    return Conv3x3(
        in_channels, out_channels, pad_mode="same", weight_init=HeNormal(), has_bias=False
    )
