"""One step of training, compiled to one graph."""

from __future__ import annotations

import math

import mindspore
import numpy as np
from mindspore import amp, nn, ops
from numpy.typing import NDArray

from training.config import TrainingConfig

WARM_UP = 0.25  # share of the steps in which one_cycle rises
# What did best for compact. A longer run ends better with less: five times the steps at half the
# rate gave a soft Dice of 0.9405 where the whole rate gave 0.9397 (fold 1 of ISBI).
USUAL_RATE, USUAL_STEPS = 1e-2, 576
COOLING = 0.1  # of the steps so far: how long the rate falls once a run no longer improves
FIRST_RATE, LAST_RATE = 0.1, 0.01  # of one_cycle, as shares of its highest


def learning_rates(config: TrainingConfig, total_steps: int) -> NDArray[np.float32]:
    """Compute the learning rate of every step, (total_steps,) of float32.

    ``one_cycle``: linear rise from a tenth, then half a cosine down to a hundredth (Smith and
    Topin 2018). Where the configuration gives no rate, the highest falls with the square root of
    a long run's steps.
    """
    highest = config.lr or USUAL_RATE * min(1.0, math.sqrt(USUAL_STEPS / max(total_steps, 1)))
    if config.lr_schedule == "constant":
        return np.full(total_steps, highest, dtype=np.float32)
    rise = max(1, round(WARM_UP * total_steps))
    up = np.linspace(FIRST_RATE, 1.0, rise, endpoint=False)
    progress = np.linspace(0.0, 1.0, total_steps - rise) if total_steps > rise else np.empty(0)
    return np.asarray(highest * np.concatenate([up, _fall(progress, LAST_RATE)]), np.float32)


def cool_down(rates: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Shorten a schedule of rates (N,), float32, whose steps after one, from 1, are not worth it.

    From there the rate falls to a hundredth of its highest, by half a cosine.
    """
    now = float(rates[step - 1])
    left = min(max(1, round(COOLING * step)), len(rates) - step)
    lowest = min(1.0, LAST_RATE * float(rates.max()) / now)
    down = now * _fall(np.arange(1, left + 1) / max(left, 1), lowest)
    return np.concatenate([rates[:step], down.astype(np.float32)])


def _fall(progress: NDArray[np.float64], lowest: float) -> NDArray[np.float64]:
    """Fall from 1 to ``lowest`` by half a cosine, at a progress (N,) from 0 to 1."""
    return np.asarray(lowest + (1 - lowest) * (1 + np.cos(math.pi * progress)) / 2)


def build_optimizer(
    network: nn.Cell, config: TrainingConfig, rates: NDArray[np.float32]
) -> nn.Optimizer:
    """Make the zoo's optimizer (``train.py``): Adam, with the weight decay in the gradient.

    Batch norms do not decay. ``rates`` is (total_steps,) of float32.
    """
    return nn.Adam(
        network.trainable_params(),
        learning_rate=mindspore.Tensor(rates),
        weight_decay=config.weight_decay,
        loss_scale=config.loss_scale,
    )


class TrainStep(nn.Cell):
    """Forward, loss, gradients, their mean over devices, and the optimizer's update.

    The update is skipped on all devices where a gradient is not finite on any.

    Called with images (N, 1, H, W) float32 in [-1, 1], the wanted probability of membrane
    (N, 1, h, w) or of C classes (N, C, h, w), the pixels' weights (N, 1, h, w), of mean 1, all
    float32, and this process's votes, (2,) float32 of 0 or 1: to stop, and that the run has
    converged. Returns (4,) float32: mean loss, share of the processes that have found a gradient
    that is not finite, and that of each vote.

    The loss is the zoo's (``src/loss.py``): see :class:`MembraneLogit`. Where the zoo sums the
    gradients of its eight devices (``train.py``), this takes their mean.
    """

    def __init__(
        self,
        loss: nn.Cell,
        optimizer: nn.Optimizer,
        loss_scale: float,
        world_size: int,
    ) -> None:
        super().__init__(auto_prefix=False)
        self.loss = loss
        self.optimizer = optimizer
        self.loss_scale = loss_scale
        self.is_distributed = world_size > 1
        self.world_size = world_size
        if self.is_distributed:
            self.mean_gradients = nn.DistributedGradReducer(
                optimizer.parameters, mean=True, degree=world_size
            )
            self.sum_over_devices = ops.AllReduce()
        self.value_and_grad = mindspore.value_and_grad(self.scaled_loss, None, optimizer.parameters)

    def scaled_loss(self, images, wanted, weights):  # type: ignore[no-untyped-def]
        return self.loss(images, wanted, weights) * self.loss_scale

    def construct(self, images, wanted, weights, votes):  # type: ignore[no-untyped-def]
        loss, gradients = self.value_and_grad(images, wanted, weights)
        if self.is_distributed:
            gradients = self.mean_gradients(gradients)
        is_finite = amp.all_finite(gradients)
        overflow = 1 - ops.cast(is_finite, mindspore.float32)
        report = ops.concat((ops.stack((loss / self.loss_scale, overflow)), votes))
        if self.is_distributed:
            report = self.sum_over_devices(report) / self.world_size
            is_finite = report[1] == 0
        if is_finite:
            report = ops.depend(report, self.optimizer(gradients))
        return report


class Meeting(nn.Cell):
    """Returns () float32, once every process of the run has called it with one."""

    def __init__(self) -> None:
        super().__init__()
        self.sum_over_devices = ops.AllReduce()

    def construct(self, x):  # type: ignore[no-untyped-def]
        return self.sum_over_devices(x)


def wait_for_all() -> None:
    """Wait until every process of the run has come here.

    A process that ends while another still computes would leave that one's collective
    communication without a partner.
    """
    Meeting()(mindspore.Tensor(0.0, mindspore.float32)).asnumpy()


class WeightAverage(nn.Cell):
    """Moves the weights of one network towards another's, whose moving average they become.

    Called with the share of the way to go, () float32; 1 copies the weights.
    """

    def __init__(self, source: nn.Cell, average: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.source = mindspore.ParameterTuple(source.get_parameters())
        self.average = mindspore.ParameterTuple(average.get_parameters())
        self.map = ops.HyperMap()

    def construct(self, share):  # type: ignore[no-untyped-def]
        return self.map(ops.partial(_move, share), self.source, self.average)


def averaging_share(before: int, step: int) -> float:
    """Return the share of the way that the average moves after a step.

    It spans about a ninth of the steps so far: quick at first, when the weights are fresh, and
    as good for a short run as for a long one. Where it was left alone since the step ``before``,
    it moves as far as it would have in all steps since.
    """
    return 1 - math.prod(1 - 9 / (10 + number) for number in range(before + 1, step + 1))


_move = ops.MultitypeFuncGraph("move")


@_move.register("Tensor", "Tensor", "Tensor")
def _move_tensor(share, source, average):  # type: ignore[no-untyped-def]
    return ops.assign(average, (1 - share) * average + share * source)
