"""Which NPUs a training takes, of those that are there and free."""

from __future__ import annotations

import os
from collections.abc import Sequence

from training.console import say
from training.devices.cann import find_cann, has_cann
from training.devices.npus import VISIBLE, Npu, find_npus
from training.errors import UserError

GROUP = 4  # NPUs that are joined with each other on a server with 910A
TOGETHER = (1, 2, 4, 8)  # how many of these can train together


def choose_npus(
    npus: Sequence[Npu],
    count: int,
    ids: Sequence[int] = (),
    requested: str = "auto",
    *,
    nodes: int = 1,
    together: bool = True,
) -> list[Npu]:
    """Choose the NPUs of a job on this machine.

    Parameters
    ----------
    npus : sequence of Npu
        All that may be used.
    count : int
        How many are needed.
    ids : sequence of int
        The ones wanted, by their ids in ``npu-smi``; empty: the first free ones.
    requested : str
        A configuration's ``device``; ``ascend:ID`` asks for one by its id, too.
    nodes : int
        How many machines give as many, for the advice where these can't be had.
    together : bool
        Whether they train together; a prediction's need not be joined.

    Returns
    -------
    list of Npu
        In the order of CANN's numbers, as it wants them in ``ASCEND_RT_VISIBLE_DEVICES``.

    Raises
    ------
    UserError
        If there are not so many, they are busy, or can't train together.
    """
    able = [npu for npu in npus if npu.can_train]
    if not able:
        raise UserError(explain_none(npus), "Take --device cpu, or see docs/ascend.md.")
    _, _, named = requested.partition(":")
    if named and (count > 1 or (ids and list(ids) != [int(named)])):
        raise UserError(
            f"{requested} is a single NPU, but {count} are needed.",
            "Use --device ascend, and choose with --device_ids.",
        )
    wanted = [int(named)] if named else list(ids)
    in_fours = together and _are_in_fours(able)
    if in_fours:
        _check_count(able, count, nodes)
    if wanted:
        chosen = _find_named(able, count, wanted, in_fours)
    else:
        chosen = _first_free(able, count, nodes, in_fours)
    return sorted(chosen, key=lambda npu: npu.number)


def choose_for_job(
    requested: str,
    count: int,
    ids: Sequence[int] = (),
    nodes: int = 1,
    *,
    together: bool = True,
) -> tuple[int, ...] | None:
    """Choose the NPUs of this machine's part of a job, by CANN's numbers; None: CPU workers.

    Parameters as :func:`choose_npus`.

    Raises
    ------
    UserError
        If they can't be had, or ``auto`` finds none on a machine that has CANN, whose driver
        may just not answer: a CPU would train there for days without a word.
    """
    if requested == "cpu":
        return None
    found = find_npus()
    if requested != "auto" or any(npu.can_train for npu in found):
        chosen = choose_npus(found, count, ids, requested, nodes=nodes, together=together)
        return tuple(npu.number for npu in chosen)
    if found or has_cann(os.environ) or find_cann() is not None:
        raise UserError(
            explain_none(found),
            "Check the driver with npu-smi info, or take the CPU: --device cpu.",
        )
    say(f"No Ascend NPU is found: {count} workers on the CPU.")
    return None


def explain_none(npus: Sequence[Npu]) -> str:
    """Say why none of this machine's NPUs can be used."""
    if not npus:
        named = f"No NPU is named by {VISIBLE}."
        return named if VISIBLE in os.environ else "No Ascend NPU is found on this machine."
    chips = ", ".join(sorted({npu.chip for npu in npus}))
    return f"The NPUs of this machine are {chips}, which MindSpore does not compute on."


def most_together(npus: Sequence[Npu]) -> int:
    """Count how many of the free NPUs can train together now."""
    return _most(_free(npus), _are_in_fours(npus))


def _are_in_fours(npus: Sequence[Npu]) -> bool:
    return any(npu.is_in_fours for npu in npus)


def _most(free: Sequence[Npu], in_fours: bool) -> int:
    if not in_fours:
        return len(free)
    return max((count for count in TOGETHER if _find_fitting(free, count, in_fours)), default=0)


def _free(npus: Sequence[Npu]) -> list[Npu]:
    return [npu for npu in npus if npu.can_train and not npu.is_busy]


def _find_fitting(free: Sequence[Npu], count: int, in_fours: bool) -> list[Npu]:
    """The first free NPUs that fit together; fewer where there are none."""
    if not in_fours:
        return list(free[:count])
    groups: dict[int, list[Npu]] = {}
    for npu in free:
        groups.setdefault(npu.id // GROUP if count <= GROUP else 0, []).append(npu)
    return next((group[:count] for group in groups.values() if len(group) >= count), [])


def _first_free(npus: Sequence[Npu], count: int, nodes: int, in_fours: bool) -> list[Npu]:
    free = _free(npus)
    fitting = _find_fitting(free, count, in_fours)
    if len(fitting) == count:
        return fitting
    busy = ", ".join(str(npu.id) for npu in npus if npu.is_busy)
    few = _most(free, in_fours)
    needed = f"{count} NPUs are needed, but only {len(free)} of {len(npus)} are free"
    if len(free) >= count:
        needed = f"{count} NPUs of one group (0 to 3, or 4 to 7) are needed, but no group has them"
    raise UserError(
        needed + (f" ({busy} busy)." if busy else "."),
        f"Wait, or take fewer: --devices {few * nodes}." if few else "Wait for them.",
    )


def _find_named(npus: Sequence[Npu], count: int, wanted: list[int], in_fours: bool) -> list[Npu]:
    by_id = {npu.id: npu for npu in npus}
    missing = [str(id) for id in wanted if id not in by_id]
    if missing:
        raise UserError(
            f"There is no NPU {', '.join(missing)} that may be used.",
            f"There are: {', '.join(str(npu.id) for npu in npus)}.",
        )
    busy = [str(id) for id in wanted if by_id[id].is_busy]
    if busy:
        raise UserError(
            f"NPU {', '.join(busy)} is busy.", "Choose others, or wait; npu-smi info shows by what."
        )
    if len(set(wanted)) != count:
        raise UserError(
            f"{count} NPUs are needed, but {len(set(wanted))} are named.",
            "Name as many as --devices says.",
        )
    chosen = [by_id[id] for id in sorted(set(wanted))]
    if len(_find_fitting(chosen, count, in_fours)) < count:
        raise UserError(
            f"The NPUs {', '.join(str(npu.id) for npu in chosen)} of this {chosen[0].chip} are not "
            "joined with each other.",
            "Name some of 0 to 3, or some of 4 to 7, or all eight.",
        )
    return chosen


def _check_count(npus: Sequence[Npu], count: int, nodes: int) -> None:
    if count not in TOGETHER:
        fewer = max(number for number in TOGETHER if number < max(count, 2))
        raise UserError(
            f"{count} NPUs can't train together on a server with {npus[0].chip}.",
            f"Take 1, 2, 4 or 8 of a server: --devices {fewer * nodes}.",
        )
