"""Which NPUs a training takes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from training.devices.npu_choice import choose_npus, most_together
from training.devices.npus import Npu
from training.errors import UserError


def npus_of(chip: str, count: int = 8, busy: Sequence[int] = ()) -> list[Npu]:
    return [Npu(id, chip, id in busy, 0, 0, id) for id in range(count)]


@pytest.mark.parametrize(
    ("chip", "busy", "count", "chosen"),
    [
        ("910B3", [0, 2], 3, [1, 3, 4]),
        ("910A", [0], 1, [1]),
        ("910A", [0], 2, [1, 2]),
        ("910A", [0], 4, [4, 5, 6, 7]),
        ("910A", [0, 1, 2], 2, [4, 5]),
        ("910A", [], 8, list(range(8))),
    ],
)
def test_the_first_free_ones_that_can_train_together(
    chip: str, busy: list[int], count: int, chosen: list[int]
) -> None:
    assert [npu.id for npu in choose_npus(npus_of(chip, busy=busy), count)] == chosen


@pytest.mark.parametrize(
    ("chip", "busy", "count", "ids", "problem", "remedy"),
    [
        ("910B3", [0, 1], 8, [], "only 6 of 8 are free", "--devices 6"),
        ("910A", [0, 4, 5], 8, [], "only 5 of 8 are free", "--devices 2"),
        ("910A", [0], 8, [], "only 7 of 8 are free", "--devices 4"),
        ("910A", [0, 4], 4, [], "no group has them", "--devices 2"),
        ("910A", [], 3, [], "3 NPUs can't train together", "--devices 2"),
        ("910A", [], 6, [], "6 NPUs can't train together", "--devices 4"),
        ("910A", [], 4, [3, 4, 5, 6], "not joined", "0 to 3"),
        ("910A", [], 3, [0, 1, 2], "3 NPUs can't train together", "--devices 2"),
        ("310P3", [], 1, [], "310P3, which MindSpore does not compute on", "--device cpu"),
    ],
)
def test_what_can_not_be_had(
    chip: str, busy: list[int], count: int, ids: list[int], problem: str, remedy: str
) -> None:
    with pytest.raises(UserError) as raised:
        choose_npus(npus_of(chip, busy=busy), count, ids)
    assert problem in raised.value.problem
    assert remedy in raised.value.remedy


@pytest.mark.parametrize(("count", "ids"), [(3, []), (6, []), (4, [0, 1, 4, 5])])
def test_those_of_a_prediction_need_not_be_joined(count: int, ids: list[int]) -> None:
    chosen = choose_npus(npus_of("910A"), count, ids, together=False)
    assert [npu.id for npu in chosen] == (ids or list(range(count)))
    with pytest.raises(UserError, match=r"only 6 of 8 are free.*--devices 6"):
        choose_npus(npus_of("910A", busy=[0, 4]), 7, together=False)


def test_named_ones_come_in_canns_order() -> None:
    npus = [Npu(id, "910B3", False, 0, 0, number) for number, id in enumerate([4, 5, 6])]
    assert [npu.number for npu in choose_npus(npus, 2, [6, 4])] == [0, 2]
    assert [npu.number for npu in choose_npus(npus, 1, requested="ascend:6")] == [2]
    with pytest.raises(UserError, match="There is no NPU 0 that may be used"):
        choose_npus(npus, 1, requested="ascend:0")
    with pytest.raises(UserError, match="ascend:6 is a single NPU, but 2 are needed"):
        choose_npus(npus, 2, requested="ascend:6")


def test_the_advice_counts_the_devices_of_all_machines() -> None:
    with pytest.raises(UserError, match="--devices 12"):
        choose_npus(npus_of("910B3", busy=[0, 1]), 8, nodes=2)
    with pytest.raises(UserError, match="of a server: --devices 8"):
        choose_npus(npus_of("910A"), 6, nodes=2)


def test_how_many_can_train_together() -> None:
    assert most_together(npus_of("910B3", busy=[0])) == 7
    assert most_together(npus_of("910A", busy=[0])) == 4
    assert most_together(npus_of("910A", busy=[0, 1, 4])) == 2
    assert most_together(npus_of("310P3")) == 0
