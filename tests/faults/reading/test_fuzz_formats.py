"""MRC, HDF5 and DM files and folders of slices, damaged: read, or refused in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import mrcfile
import numpy as np
from PIL import Image

from tests.faults.reading.judging import read_all
from tests.faults.reading.mutations import mutated, truncated
from tests.faults.scale import scaled
from tests.training.formats.dm_files import write_dm


def mrc(path: Path, stack: np.ndarray) -> None:
    with mrcfile.new(path) as file:
        file.set_data(stack.astype(np.int16))


def hdf5(path: Path, stack: np.ndarray) -> None:
    with h5py.File(path, "w") as file:
        data = file.create_dataset("volumes/raw", data=stack, chunks=(2, 16, 16), compression=1)
        data.attrs["resolution"] = (40.0, 4.0, 4.0)
        file["volumes/labels"] = h5py.SoftLink("/volumes/raw")


def dm(path: Path, stack: np.ndarray) -> None:
    write_dm(path, stack, (4.0, 4.0, 40.0), version=int(path.suffix[-1]))


def png(path: Path, stack: np.ndarray) -> None:
    Image.fromarray(stack[0]).save(path)


MAKERS: dict[str, Callable[[Path, np.ndarray], None]] = {
    ".mrc": mrc, ".h5": hdf5, ".dm3": dm, ".dm4": dm, ".png": png,
}  # fmt: skip


def damaged(path: Path, rng: np.random.Generator) -> Iterator[bytes]:
    """A small stack as its maker writes it, damaged in many ways."""
    MAKERS[path.suffix](path, rng.integers(0, 100, (5, 24, 20)).astype(np.uint8))
    content = path.read_bytes()
    yield from (mutated(content, rng) for _ in range(scaled(50)))
    yield from truncated(content, scaled(8))


def test_damaged_files_are_refused_or_read(tmp_path: Path) -> None:
    rng, paths = np.random.default_rng(20120302), []
    for ending in MAKERS:
        for index, content in enumerate(damaged(tmp_path / f"whole{ending}", rng)):
            path = tmp_path / f"{index:04}{ending}"
            if ending == ".png":
                path = path.with_suffix("") / "1.png"
                path.parent.mkdir()
            path.write_bytes(content)
            paths.append(path.parent if ending == ".png" else path)
    assert read_all("stack", paths).total() == len(paths)
