"""What a process of a run sets in MindSpore before it computes."""

from __future__ import annotations

from training.devices.placement import Device


def serve_as_scheduler(device: Device) -> None:
    """Bring the processes of a run together; this one ends when they have ended."""
    import mindspore
    from mindspore import communication

    mindspore.set_device(device.target, device.id)
    communication.init()


def set_up_mindspore(device: Device, seed: int, jit_level: str = "auto") -> None:
    """Choose the device, join the other processes of the run, and seed the initial weights.

    Parameters
    ----------
    device : Device
    seed : int
    jit_level : str
        As in :class:`~training.config.TrainingConfig`.
    """
    import mindspore
    from mindspore import communication

    mindspore.set_device(device.target, device.id)
    mindspore.set_context(mode=mindspore.GRAPH_MODE, **compilation(device, jit_level))
    if device.world_size > 1:
        communication.init()
        mindspore.set_auto_parallel_context(
            parallel_mode=mindspore.ParallelMode.DATA_PARALLEL, gradients_mean=True
        )
    mindspore.set_seed(seed)


def compilation(device: Device, jit_level: str) -> dict[str, dict[str, str]]:
    """Return what ``mindspore.set_context`` is given for a configuration's ``jit_level``.

    The chips of Ascend have defaults of their own in MindSpore, O2 on a 910A and O0 on the others:
    nothing is set there unless a person does.
    """
    if jit_level == "auto":
        if device.target == "Ascend":
            return {}
        jit_level = "O0"
    return {"jit_config": {"jit_level": jit_level}}
