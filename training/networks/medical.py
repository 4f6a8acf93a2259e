"""medical: the model zoo's UNetMedical, with its parameter names, shapes and initial weights.

It follows ``src/unet_medical/unet_model.py`` and ``unet_parts.py`` of the zoo; see
:mod:`training.presets.medical`.
"""

from __future__ import annotations

from mindspore import nn, ops
from mindspore.common.initializer import TruncatedNormal

from training.networks.convolution import Conv3x3
from training.presets.medical import WIDTHS


class UNetMedical(nn.Cell):
    """U-Net of Ronneberger et al. 2015: images (N, 1, H, W) to logits (N, C, H - 184, W - 184).

    Unpadded convolutions, centre-cropped skips, 31 M parameters; 572 gives 388. Channels of
    the output: membrane, inside; or the classes. Attribute names make the zoo's parameter names,
    so that its checkpoints load.
    """

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.inc = DoubleConv(1, WIDTHS[0])
        self.down1 = Down(WIDTHS[0], WIDTHS[1])
        self.down2 = Down(WIDTHS[1], WIDTHS[2])
        self.down3 = Down(WIDTHS[2], WIDTHS[3])
        self.down4 = Down(WIDTHS[3], WIDTHS[4])
        self.up1 = Up(WIDTHS[4], WIDTHS[3])
        self.up2 = Up(WIDTHS[3], WIDTHS[2])
        self.up3 = Up(WIDTHS[2], WIDTHS[1])
        self.up4 = Up(WIDTHS[1], WIDTHS[0])
        self.outc = OutConv(WIDTHS[0], max(outputs, 2))

    def construct(self, image):  # type: ignore[no-untyped-def]
        level0 = self.inc(image)  # (N, 64, 568, 568) for an input of 572
        level1 = self.down1(level0)  # (N, 128, 280, 280)
        level2 = self.down2(level1)  # (N, 256, 136, 136)
        level3 = self.down3(level2)  # (N, 512, 64, 64)
        level4 = self.down4(level3)  # (N, 1024, 28, 28)
        x = self.up1(level4, level3)  # (N, 512, 52, 52)
        x = self.up2(x, level2)  # (N, 256, 100, 100)
        x = self.up3(x, level1)  # (N, 128, 196, 196)
        x = self.up4(x, level0)  # (N, 64, 388, 388)
        return self.outc(x)


class DoubleConv(nn.Cell):
    """Twice: unpadded 3x3 convolution with bias, ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.double_conv = nn.SequentialCell(
            [
                _conv(in_channels, out_channels),
                nn.ReLU(),
                _conv(out_channels, out_channels),
                nn.ReLU(),
            ]
        )

    def construct(self, x):  # type: ignore[no-untyped-def]
        return self.double_conv(x)


class Down(nn.Cell):
    """Max pooling, then a double convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.maxpool_conv = nn.SequentialCell(
            [nn.MaxPool2d(kernel_size=2, stride=2), DoubleConv(in_channels, out_channels)]
        )

    def construct(self, x):  # type: ignore[no-untyped-def]
        return self.maxpool_conv(x)


class Up(nn.Cell):
    """Up-convolution with ReLU, then a double convolution of it and the cropped skip."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.up = nn.Conv2dTranspose(
            in_channels, out_channels, kernel_size=2, stride=2, weight_init="normal"
        )
        self.conv = DoubleConv(in_channels, out_channels)
        self.relu = nn.ReLU()
        self.concat = ops.Concat(axis=1)

    def construct(self, x, skip):  # type: ignore[no-untyped-def]
        x = self.relu(self.up(x))
        height, width = x.shape[2], x.shape[3]
        top, left = (skip.shape[2] - height) // 2, (skip.shape[3] - width) // 2
        cropped = skip[:, :, top : top + height, left : left + width]
        return self.conv(self.concat((x, cropped)))


class OutConv(nn.Cell):
    """1x1 convolution to the logits."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size=1,
            has_bias=True,
            weight_init=TruncatedNormal(0.06),
            bias_init="zeros",
        )

    def construct(self, x):  # type: ignore[no-untyped-def]
        return self.conv(x)


def _conv(in_channels: int, out_channels: int) -> Conv3x3:
    return Conv3x3(
        in_channels,
        out_channels,
        pad_mode="valid",
        weight_init=TruncatedNormal(0.06),
        has_bias=True,
    )
