"""The floating-point type that a network computes in; its weights stay float32."""

from __future__ import annotations

import mindspore
from mindspore import nn

from training.config import TrainingConfig
from training.devices.placement import Device
from training.errors import UserError
from training.networks.batch_norm import BatchNorm
from training.presets.registry import find_preset


def choose_precision(config: TrainingConfig, device: Device) -> str:
    """Return ``float16``, ``bfloat16`` or ``float32``: what the configuration means on a device.

    Raises
    ------
    UserError
        If the device can't compute in what is asked for.
    """
    if config.precision == "bfloat16" and device.target == "CPU":
        raise UserError(
            "MindSpore can't compute in bfloat16 on a CPU.", "Choose float32, or an Ascend NPU."
        )
    if config.precision != "auto":
        return config.precision
    is_half = device.target == "Ascend" and find_preset(config.preset).has_half_precision
    return "float16" if is_half else "float32"


def set_precision(network: nn.Cell, config: TrainingConfig, device: Device) -> None:
    """Let a network compute in its precision, batch norm's statistics in float32.

    Raises
    ------
    UserError
        If the device can't.
    """
    precision = choose_precision(config, device)
    if precision == "float32":
        return
    network.to_float(getattr(mindspore, precision))
    for _, cell in network.cells_and_names():
        if isinstance(cell, BatchNorm):
            cell.to_float(mindspore.float32)
