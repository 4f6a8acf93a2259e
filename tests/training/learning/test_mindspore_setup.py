"""What MindSpore is told of a device, by options and by default."""

import pytest

from training.config import preset_config
from training.devices.placement import Device
from training.learning.mindspore_setup import compilation

NPU, CPU = Device("Ascend"), Device("CPU")


@pytest.mark.parametrize(
    ("device", "jit_level", "expected"),
    [
        (NPU, "auto", {}),  # the chip's own: O2 on a 910A
        (NPU, "O1", {"jit_config": {"jit_level": "O1"}}),
        (CPU, "auto", {"jit_config": {"jit_level": "O0"}}),
        (CPU, "O1", {"jit_config": {"jit_level": "O1"}}),
    ],
)
def test_a_chip_compiles_in_its_own_way_by_default(
    device: Device, jit_level: str, expected: dict[str, object]
) -> None:
    config = preset_config("medical", jit_level=jit_level)
    assert compilation(device, config.jit_level) == expected
