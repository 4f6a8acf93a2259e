"""Which NPUs a run on several devices takes."""

from __future__ import annotations

from collections.abc import Sequence

from training.errors import UserError
from training.npus import Npu


def choose_npus(
    npus: Sequence[Npu], count: int, ids: Sequence[int] = (), requested: str = "auto"
) -> list[int]:
    """Places in ``npus`` of those to use, which are their numbers to MindSpore.

    Parameters
    ----------
    npus : sequence of Npu
        All that the machine has.
    count : int
        How many are needed.
    ids : sequence of int
        The ones wanted, by their ids in ``npu-smi``; empty: the first free ones.
    requested : str
        A configuration's ``device``; ``ascend:N`` asks for the one that MindSpore calls N.

    Raises
    ------
    UserError
        If there are not so many, or they are busy.
    """
    if not npus:
        raise UserError(
            "No Ascend NPU is found on this machine.",
            "Check the driver with npu-smi info, or train with --device cpu.",
        )
    _, _, place = requested.partition(":")
    if place and (count > 1 or int(place) >= len(npus)):
        raise UserError(
            f"{requested} is no choice for {count} of {len(npus)} NPUs.",
            "Use --device ascend, and choose with --device_ids.",
        )
    wanted = [npus[int(place)].id] if place else list(ids)
    if wanted:
        return _named(npus, count, wanted)
    free = [index for index, npu in enumerate(npus) if not npu.is_busy]
    if len(free) < count:
        busy = ", ".join(str(npu.id) for npu in npus if npu.is_busy)
        raise UserError(
            f"{count} NPUs are needed, but only {len(free)} of {len(npus)} are free"
            + (f" ({busy} busy)." if busy else "."),
            f"Wait, or train on fewer: --devices {len(free)}." if free else "Wait for them.",
        )
    return free[:count]


def _named(npus: Sequence[Npu], count: int, wanted: list[int]) -> list[int]:
    index_of = {npu.id: index for index, npu in enumerate(npus)}
    missing = [str(id) for id in wanted if id not in index_of]
    if missing:
        raise UserError(
            f"There is no NPU {', '.join(missing)}.",
            f"There are: {', '.join(str(npu.id) for npu in npus)}.",
        )
    busy = [str(id) for id in wanted if npus[index_of[id]].is_busy]
    if busy:
        raise UserError(
            f"NPU {', '.join(busy)} is busy.", "Choose others, or wait; npu-smi info tells who."
        )
    if len(set(wanted)) != count:
        raise UserError(
            f"{count} NPUs are needed, but {len(set(wanted))} are named.",
            "Name as many as --devices says.",
        )
    return [index_of[id] for id in wanted]
