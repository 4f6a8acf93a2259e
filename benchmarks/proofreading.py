"""How long each operation on neurons takes on a volume of 50 x 2048 x 2048 pixels.

``python -m benchmarks.proofreading [--slices 50 --size 2048]``
"""

from __future__ import annotations

import argparse
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.proofreading.body_index import BodyIndex
from napari_unet.proofreading.history import History
from napari_unet.proofreading.neurons import Neurons
from napari_unet.proofreading.operations import Operation

CELL = 128  # pixels across of a neuron
REPEATS = 7


def volume(slices: int, size: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Neurons that wander by a sine along Z, and the probability of their membranes."""
    labels = np.zeros((slices, size, size), np.int32)
    membrane = np.zeros(labels.shape, np.float32)
    for index in range(slices):
        shift = round(20 * np.sin(index / 8))
        rows = (np.arange(size) + shift) // CELL + 1
        labels[index] = rows[:, None] * (size // CELL + 3) + rows[None]
        is_wall = (np.arange(size) + shift) % CELL < 4
        membrane[index] = np.maximum(is_wall[:, None], is_wall[None])
        labels[index][membrane[index] > 0] = 0
    return labels, membrane


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=50)
    parser.add_argument("--size", type=int, default=2048)
    options = parser.parse_args()
    labels, membrane = volume(options.slices, options.size)
    start = perf_counter()
    index = BodyIndex(labels)
    print(f"{len(index.ids)} neurons; index {perf_counter() - start:.1f} s")
    history = History(Neurons(labels, index, membrane))
    middle, deep = CELL * (options.size // CELL // 2) + CELL // 2, options.slices // 2
    points = [(deep, middle, middle + number * CELL) for number in range(3)]
    (z, y, x) = points[0]
    strokes = [tuple((z, y + d, x + e) for e in range(-20, 21)) for d in (-40, 40)]
    line = tuple((z, y + 10, x + e) for e in range(-CELL, CELL))
    merge = Operation(kind="merge", strokes=(tuple(points),))
    split = Operation(kind="split", strokes=tuple(strokes))
    for name, operation in {
        "merge of three": merge,
        "split": split,
        "cut": Operation(kind="cut", strokes=(line,)),
        "delete": Operation(kind="delete", strokes=((points[0],),)),
        "new": Operation(kind="new", strokes=(((z, y - CELL // 2 - 8, x),),)),
        "done": Operation(kind="done", strokes=((points[0],),)),
    }.items():
        print(f"{name}: {_times(history, operation)}")
    mask = (membrane > 0).astype(np.uint8)
    for name, operation in {"merge of three": merge, "split": split}.items():
        print(f"{name}, and walls in a mask: {_times(history, operation, ('mask', mask))}")


def _times(
    history: History, operation: Operation, mask: tuple[str, NDArray[np.uint8]] | None = None
) -> str:
    if operation.kind == "new":  # of the place that a deleted neuron leaves
        history.do(Operation(kind="delete", strokes=operation.strokes))
    doing, undoing = [], []
    for _ in range(REPEATS):
        start = perf_counter()
        history.take(history.plan(operation, mask))
        middle = perf_counter()
        history.undo()
        doing.append(middle - start)
        undoing.append(perf_counter() - middle)
    return f"{_median(doing)} ms, undo {_median(undoing)} ms"


def _median(seconds: list[float]) -> Any:
    return f"{1000 * np.median(seconds):.0f} ({1000 * max(seconds):.0f} at most)"


if __name__ == "__main__":
    main()
