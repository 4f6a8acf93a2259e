"""The 3x3 convolution that the networks are made of."""

from __future__ import annotations

import mindspore
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import Initializer, initializer
from mindspore.ops.operations._grad_ops import Conv2DBackpropFilter


class Conv3x3(nn.Cell):
    """3x3 convolution (N, C, H, W) to (N, C', H, W), or (N, C', H - 2, W - 2) if unpadded.

    Parameters
    ----------
    in_channels, out_channels : int
    pad_mode : str
        ``same`` (a border of zeros) or ``valid`` (unpadded).
    weight_init : Initializer
    has_bias : bool
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        pad_mode: str,
        weight_init: Initializer,
        has_bias: bool,
    ) -> None:
        super().__init__()
        shape = (out_channels, in_channels, 3, 3)
        self.weight = Parameter(initializer(weight_init, shape), name="weight")
        self.has_bias = has_bias
        if has_bias:
            self.bias = Parameter(initializer("zeros", (out_channels,)), name="bias")
            self.add_bias = ops.BiasAdd()
        if mindspore.get_context("device_target") == "CPU" and pad_mode == "same":
            self.convolve = _CpuConvolution(in_channels, out_channels)
        else:
            self.convolve = ops.Conv2D(out_channels, 3, pad_mode=pad_mode)

    def construct(self, x):  # type: ignore[no-untyped-def]
        y = self.convolve(x, self.weight)
        if self.has_bias:
            y = self.add_bias(y, self.bias)
        return y


class _CpuConvolution(nn.Cell):
    """Padded convolution that computes its input's gradient as a forward convolution.

    The input gradient is the convolution of the output gradient with the flipped, transposed
    weights. oneDNN's forward kernel does that in half the time of its backward-data kernel
    in MindSpore's plain layout; a whole training step of compact takes a fifth less.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.forward = ops.Conv2D(out_channels, 3, pad_mode="same")
        self.input_gradient = ops.Conv2D(in_channels, 3, pad_mode="same")
        self.weight_gradient = Conv2DBackpropFilter(out_channels, 3, pad_mode="same")
        # The 9 points of a kernel, flipped.
        self.backwards = Tensor(list(range(9))[::-1], mindspore.int32)
        self.gather = ops.Gather()
        self.transpose = ops.Transpose()
        self.shape = ops.Shape()

    def construct(self, x, weight):  # type: ignore[no-untyped-def]
        return self.forward(x, weight)

    def bprop(self, x, weight, out, dout):  # type: ignore[no-untyped-def]
        shape = self.shape(weight)
        # Several times as fast as MindSpore's ReverseV2.
        flipped = self.gather(weight.reshape((shape[0], shape[1], 9)), self.backwards, 2)
        dx = self.input_gradient(dout, self.transpose(flipped.reshape(shape), (1, 0, 2, 3)))
        dweight = self.weight_gradient(dout, x, shape)
        return dx, ops.cast(dweight, mindspore.float32)  # as the weights are, in any precision
