"""Folders of arrays whose metadata or chunks are damaged: read, or refused in a sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.faults.reading.judging import read_all
from tests.faults.reading.mutations import mutated, truncated
from tests.faults.reading.test_fuzz_files import TEXTS, as_bytes, with_values
from tests.faults.scale import scaled
from tests.training.formats.array_folders import (
    write_array,
    write_n5,
    write_ome,
    write_precomputed,
)

SEED = 20151117
STACK = np.random.default_rng(SEED).integers(0, 100, (5, 24, 20), dtype=np.uint8)


def sharded(path: Path) -> None:
    write_array(path, STACK, shards=(4, 16, 16), chunks=(2, 8, 8))


# A folder's name, and how it is made.
MAKERS: dict[str, Callable[[Path], None]] = {
    "plain.zarr": lambda path: write_array(path, STACK, 2),
    "sharded.zarr": sharded,
    "ome4.zarr": lambda path: write_ome(path, [STACK, STACK[:, ::2, ::2]], "0.4"),
    "ome5.zarr": lambda path: write_ome(path, [STACK, STACK[:, ::2, ::2]], "0.5"),
    "dataset.n5": lambda path: write_n5(path, STACK, {"resolution": [4, 4, 50]}),
    "scales": lambda path: write_precomputed(path, [STACK, STACK[:, ::2, ::2]]),
}


def damaged(path: Path, rng: np.random.Generator) -> Iterator[bytes]:
    """A file's content, damaged in many ways; a document's also by odd values."""
    content = path.read_bytes()
    yield from (mutated(content, rng) for _ in range(scaled(8)))
    yield from truncated(content, scaled(2))
    if content.startswith(b"{"):
        document: Any = json.loads(content)
        odd = list(map(as_bytes, with_values(document)))
        yield from (odd[index] for index in rng.permutation(len(odd))[: scaled(15)])
        yield from (TEXTS[index] for index in rng.permutation(len(TEXTS))[: scaled(4)])


@pytest.mark.parametrize("name", MAKERS)
def test_damaged_folders_are_refused_or_read(tmp_path: Path, name: str) -> None:
    rng, whole = np.random.default_rng([SEED, len(name)]), tmp_path / name
    MAKERS[name](whole)
    files = sorted(path for path in whole.rglob("*") if path.is_file())
    documents = [path for path in files if path.read_bytes().startswith(b"{")]
    chunk = next(path for path in files if path not in documents)
    folders = []
    for path in (*documents, chunk):
        for content in damaged(path, rng):
            folder = tmp_path / f"{len(folders):05}" / name
            shutil.copytree(whole, folder)
            (folder / path.relative_to(whole)).write_bytes(content)
            folders.append(folder)
    outcomes = read_all("stack", [whole, *folders])
    assert outcomes["read"] > 0
    assert outcomes["refused"] > len(folders) / 4
