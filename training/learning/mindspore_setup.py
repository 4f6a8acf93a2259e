"""What a process of a run sets in MindSpore before it computes."""

from __future__ import annotations

from training.devices.placement import Device


def serve_as_scheduler(device: Device) -> None:
    """Bring the processes of a run together; this one ends when they have ended."""
    import mindspore
    from mindspore import communication

    mindspore.set_device(device.target, device.id)
    communication.init()


def set_up_mindspore(device: Device, seed: int) -> None:
    """Choose the device, join the other processes of the run, and seed the initial weights."""
    import mindspore
    from mindspore import communication

    mindspore.set_device(device.target, device.id)
    mindspore.set_context(mode=mindspore.GRAPH_MODE, jit_config={"jit_level": "O0"})
    if device.world_size > 1:
        communication.init()
        mindspore.set_auto_parallel_context(
            parallel_mode=mindspore.ParallelMode.DATA_PARALLEL, gradients_mean=True
        )
    mindspore.set_seed(seed)
