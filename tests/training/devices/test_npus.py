from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.devices.fake_npu_smi import install_npu_smi
from training.devices.npus import VISIBLE, find_npus, parse_table

A3_TABLE = """\
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip  Phy-ID              | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 0     Ascend910           | OK            | 178.5       36                0    / 0             |
| 0     0                   | 0000:9D:00.0  | 0           0    / 0          3416 / 65536         |
+------------------------------------------------------------------------------------------------+
| 0     Ascend910           | OK            | -           36                0    / 0             |
| 1     1                   | 0000:9F:00.0  | 0           0    / 0          3195 / 65536         |
+===========================+===============+====================================================+
| 1     Ascend910           | OK            | 186.3       36                0    / 0             |
| 0     2                   | 0000:99:00.0  | 0           0    / 0          31877/ 65536         |
+------------------------------------------------------------------------------------------------+
| 1     Ascend910           | OK            | -           36                0    / 0             |
| 1     3                   | 0000:9B:00.0  | 97          0    / 0          3193 / 65536         |
+===========================+===============+====================================================+
| NPU     Chip              | Process id    | Process name             | Process memory(MB)      |
+===========================+===============+====================================================+
| 0       1                 | 632268        | python3.1                | 197                     |
| No running processes found in NPU 1                                                            |
"""


@pytest.fixture
def path_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is first on PATH."""
    folder = tmp_path / "bin of a person's"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def test_eight_idle_npus(path_folder: Path) -> None:
    install_npu_smi(path_folder, ids=range(8))
    npus = find_npus()
    assert [npu.id for npu in npus] == list(range(8))
    assert not any(npu.is_busy for npu in npus)
    assert {(npu.name, npu.memory_used, npu.memory_total) for npu in npus} == {
        ("910B3", 3318, 65536)
    }


def test_four_of_eight_are_busy(path_folder: Path) -> None:
    install_npu_smi(path_folder, ids=range(8), busy=[0, 2, 5, 7])
    assert [npu.id for npu in find_npus() if npu.is_busy] == [0, 2, 5, 7]


def test_ids_need_not_start_at_zero(path_folder: Path) -> None:
    install_npu_smi(path_folder, ids=[4, 5, 6, 7, 12], busy=[12])
    npus = find_npus()
    assert [npu.id for npu in npus] == [4, 5, 6, 7, 12]
    assert [npu.id for npu in npus if npu.is_busy] == [12]


def test_no_npus(path_folder: Path, tmp_path: Path) -> None:
    install_npu_smi(path_folder, ids=[])
    assert find_npus(device_folder=tmp_path) == []


def test_list_is_used_where_the_table_tells_nothing(path_folder: Path) -> None:
    install_npu_smi(path_folder, ids=[1, 3], has_table=False)
    assert [npu.id for npu in find_npus()] == [1, 3]


def test_device_files_are_used_without_npu_smi(path_folder: Path, tmp_path: Path) -> None:
    for name in ("davinci10", "davinci2", "davinci_manager"):
        (tmp_path / name).touch()
    assert [npu.id for npu in find_npus(device_folder=tmp_path)] == [2, 10]


def test_npu_smi_that_fails_tells_nothing(path_folder: Path, tmp_path: Path) -> None:
    command = path_folder / "npu-smi"
    command.write_text("#!/bin/sh\necho 'dcmi module initialize failed. ret is -8005'\nexit 1\n")
    command.chmod(0o755)
    assert find_npus(device_folder=tmp_path) == []


def test_two_chips_a_card_have_their_physical_ids() -> None:
    npus = parse_table(A3_TABLE)
    assert [npu.id for npu in npus] == [0, 1, 2, 3]
    assert [npu.id for npu in npus if npu.is_busy] == [1, 2, 3]  # a process, memory, load


@pytest.mark.parametrize(
    ("visible", "ids"),
    [("4,5,6,7", [4, 5, 6, 7]), ("1, 2", [1]), ("1,3,8,2", [1, 3]), ("", []), ("none", [])],
)
def test_only_visible_npus_are_found_as_cann_reads_their_numbers(
    visible: str, ids: list[int], path_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_npu_smi(path_folder, ids=range(8))
    monkeypatch.setenv(VISIBLE, visible)
    assert [npu.id for npu in find_npus()] == ids
    assert [npu.number for npu in find_npus()] == ids


def test_cann_numbers_the_npus_of_a_container_from_zero(
    path_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_npu_smi(path_folder, ids=[4, 5, 6, 7])
    monkeypatch.setenv(VISIBLE, "1,2")
    assert [(npu.id, npu.number) for npu in find_npus()] == [(5, 1), (6, 2)]


@pytest.mark.parametrize(
    ("chip", "can_train", "is_in_fours"),
    [
        ("910A", True, True),
        ("Ascend910ProB", True, True),
        ("910B", True, True),  # of the first generation
        ("910B3", True, False),
        ("Ascend910", True, False),  # an A3
        ("310P3", False, False),
        ("Ascend 310", False, False),
    ],
)
def test_chips_are_told_apart(
    chip: str, can_train: bool, is_in_fours: bool, path_folder: Path
) -> None:
    install_npu_smi(path_folder, ids=[0], chip=chip)
    (npu,) = find_npus()
    assert (npu.can_train, npu.is_in_fours) == (can_train, is_in_fours)
