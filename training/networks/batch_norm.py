"""Batch norm over the batches of all devices of a run."""

from __future__ import annotations

from mindspore import nn, ops

from training.devices.placement import place_in_run


class BatchNorm(nn.BatchNorm2d):
    """Batch norm whose statistics in training are those of the global batch, (N, C, H, W).

    On one device MindSpore's own. On several, the mean and the variance of every channel are
    averaged over the devices, all of which have the same number of samples; so an equal global
    batch learns the same on any number of devices, and all have the same running statistics.
    MindSpore's ``nn.SyncBatchNorm`` does this on Ascend alone; all-reduces, whose gradient
    MindSpore knows, do it everywhere.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        _, self.world_size = place_in_run()
        self.is_shared = self.world_size > 1
        if self.is_shared:
            self.sum_over_devices = ops.AllReduce()

    def construct(self, x):  # type: ignore[no-untyped-def]
        if not self.training or not self.is_shared:
            return super().construct(x)
        mean = x.mean((0, 2, 3))
        power = (x * x).mean((0, 2, 3))
        sums = self.sum_over_devices(ops.stack((mean, power))) / self.world_size
        mean, variance = sums[0], ops.relu(sums[1] - sums[0] * sums[0])
        scale = self.gamma * ops.rsqrt(variance + self.eps)
        shift = self.beta - mean * scale
        mean, variance = ops.stop_gradient(mean), ops.stop_gradient(variance)
        update = self._follow(mean, variance)  # type: ignore[no-untyped-call]
        y = x * scale.reshape((1, -1, 1, 1)) + shift.reshape((1, -1, 1, 1))
        return ops.depend(y, update)

    def _follow(self, mean, variance):  # type: ignore[no-untyped-def]
        """Move the running statistics towards those of a batch; ``momentum`` is the step."""
        rest = 1 - self.momentum
        return (
            ops.assign(self.moving_mean, rest * self.moving_mean + self.momentum * mean),
            ops.assign(
                self.moving_variance, rest * self.moving_variance + self.momentum * variance
            ),
        )
