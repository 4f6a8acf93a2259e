"""What a prediction to Zarr takes above its network: reading, tiles, masks, chunks on the disk."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count, product
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from benchmarks.division import DIFFERENT, write_linked_zarr
from benchmarks.report import Settings, Table
from napari_unet.prediction.chunk_job import ChunkJob
from napari_unet.prediction.predictor import Predictor, load_predictor
from training.label_convention import LabelConvention
from training.model.stack_scale import StackScale
from training.model.starter_model import starter_path
from training.stacks.intensities import Membranes

SIZES = {1024: 160, 4096: 10}  # side to slices: of one chunk, and of sixteen
REPETITIONS = 5
_ALL = (0, None)  # of an axis


def run(settings: Settings) -> list[Table]:
    sizes = {1024: 4} if settings.is_quick else SIZES
    predictor = load_predictor(starter_path())
    rows = []
    for (side, slices), material in product(sizes.items(), ("noise", "tissue")):
        pages = None if material == "noise" else _read_tissue(settings.data, side)
        folder = settings.folder / f"{material}-{side}"
        folder.mkdir()
        raw = write_linked_zarr(folder / "raw.zarr", slices, side, pages)
        # None is deleted before the end: after that ext4 takes longer to make others.
        outputs = (folder / f"mask-{number}.zarr" for number in count())
        tiles = _record_tiles(predictor, raw, next(outputs))
        ways: dict[str, Callable[[], Any]] = {
            "the network's tiles alone": partial(_compute, predictor, tiles),
            "prediction to .zarr": partial(_predict_next, predictor, raw, outputs),
        }
        found = _measure_in_turn(ways, settings.repetitions(REPETITIONS))
        alone = found["the network's tiles alone"]
        for name, own in found.items():
            times = [f"{seconds:.2f}" for seconds in own]
            above = [f"{100 * (o / a - 1):.1f} %" for o, a in zip(own, alone, strict=True)]
            rows.append([f"{name}, {material}", f"{slices} x {side} x {side}", *times, *above])
    how = (
        "By the starter, chunks of 1024 x 1024 pixels, in one process and in turn: "
        "from opening the stack to the mask and its smaller sizes on the disk, and the same tiles "
        "by the network alone; medians. Noise has next to no membrane; tissue is that of DIR."
    )
    header = ["what", "pixels", "s", "s of the processor", "above the network", "of the processor"]
    return [Table("Overhead of chunks", how, header, rows)]


def _read_tissue(data: Path, side: int) -> NDArray[np.uint8]:
    """Read slices, and mirror them to the size of those that are predicted."""
    pages = tifffile.imread(data / "train-volume.tif")[:DIFFERENT]
    beyond = [(0, side - length) for length in pages.shape[1:]]
    return np.pad(pages, [(0, 0), *beyond], "reflect")


def _measure_in_turn(
    ways: dict[str, Callable[[], Any]], repetitions: int
) -> dict[str, list[float]]:
    """Give the medians of seconds, and of seconds of the processor."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(repetitions):
        for name, way in ways.items():
            found[name].append(_measure(way))
    return {
        name: [statistics.median(column) for column in zip(*pairs, strict=True)]
        for name, pairs in found.items()
    }


def _predict_next(predictor: Predictor, raw: Path, outputs: Iterator[Path]) -> None:
    _predict(predictor, raw, next(outputs))


def _predict(predictor: Predictor, raw: Path, output: Path) -> None:
    job = ChunkJob(
        model=Path("starter"),
        stack=raw,
        computed_by={},
        results={"mask": output},
        region=(_ALL, _ALL, _ALL),
        scale=StackScale(),
        membranes=Membranes.DARK,
        threshold=0.5,
        convention=LabelConvention.MEMBRANE,
        written={"compression": "zlib", "ome_zarr": "0.5", "overwrite": True},
        memory=None,
    )
    with job.open(predictor) as prediction:
        for _ in prediction:
            pass
        prediction.finish_if_whole()


def _record_tiles(predictor: Predictor, raw: Path, output: Path) -> list[Any]:
    """Predict once, and give the tiles that the network was given."""
    tiles = []
    forward = predictor.forward

    def record(tile: Any) -> Any:
        tiles.append(np.array(tile))
        return forward(tile)

    predictor.forward = record  # type: ignore[method-assign]
    try:
        _predict(predictor, raw, output)
    finally:
        del predictor.forward
    return tiles


def _compute(predictor: Predictor, tiles: list[Any]) -> None:
    with ThreadPoolExecutor(predictor.parallel) as executor:
        for _ in executor.map(predictor.forward, tiles):
            pass


def _measure(way: Callable[[], Any]) -> tuple[float, float]:
    """Seconds, and seconds of the processor."""
    start, processor = time.perf_counter(), time.process_time()
    way()
    return time.perf_counter() - start, time.process_time() - processor
