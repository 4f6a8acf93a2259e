"""TIFs of every legal kind, damaged ones, and those that lie about what they hold."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from tests.faults.reading.hostile_tifs import (
    DTYPES,
    LEGAL,
    PHOTOMETRIC,
    Tif,
    fits,
    hostile,
    packed_page,
)
from tests.faults.reading.judging import read_all
from tests.faults.reading.mutations import mutated, truncated
from tests.faults.scale import scaled

SEED = 20120301
TARGETS = ("stack", "layers")


def write_stack(folder: Path, maker: str, dtype: str) -> Path:
    """A small stack of any type, made in one of the legal ways."""
    rng = np.random.default_rng(SEED)
    stack = rng.integers(0, 100, (5, 24, 20)).astype(dtype)
    path = folder / f"{maker} {dtype}.tif"
    LEGAL[maker](path, stack)
    np.save(f"{path}.npy", stack)
    return path


def write_all(folder: Path, contents: Iterable[tuple[str, bytes]]) -> list[Path]:
    """Files of some names and contents, numbered."""
    paths = []
    for index, (name, content) in enumerate(contents):
        slug = re.sub(r"[^\w.-]+", "-", name)[:60]
        paths.append(folder / f"{index:05}-{slug}.tif")
        paths[-1].write_bytes(content)
    return paths


@pytest.fixture(scope="module")
def legal(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("legal")
    return [write_stack(folder, maker, dtype) for maker in LEGAL for dtype in DTYPES
            if fits(maker, dtype)]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_every_legal_kind_is_read_as_it_was_written(legal: list[Path], target: str) -> None:
    assert read_all(target, legal) == {"read": len(legal)}


def test_bits_are_read_as_they_were_written(tmp_path: Path) -> None:
    paths = []
    for bits, white_is_zero in itertools.product((1, 2, 4, 10, 12), (False, True)):
        stack = np.random.default_rng(bits).integers(0, 2**bits, (5, 24, 21)).astype(np.uint16)
        path = tmp_path / f"{bits} {white_is_zero}.tif"
        pages = [packed_page(page, bits) for page in stack]
        for page in pages:
            page.tags[PHOTOMETRIC] = int(not white_is_zero)
        path.write_bytes(Tif(pages).content())
        np.save(f"{path}.npy", 2**bits - 1 - stack if white_is_zero else stack)
        paths.append(path)
    assert read_all("stack", paths) == {"read": len(paths)}


@pytest.mark.parametrize("target", TARGETS)
def test_files_that_lie_are_refused_or_read(tmp_path: Path, target: str) -> None:
    paths = write_all(tmp_path, hostile())
    outcomes = read_all(target, paths)
    assert outcomes["refused"] > len(paths) / 2


@pytest.mark.parametrize("target", TARGETS)
def test_mutated_files_are_refused_or_read(tmp_path: Path, legal: list[Path], target: str) -> None:
    rng = np.random.default_rng([SEED, TARGETS.index(target)])
    small = [path for path in legal if path.stem.endswith((" uint8", " float32"))]
    contents = [(path.stem, path.read_bytes()) for path in small]
    count = scaled(200 if target == "stack" else 60)
    picked = [contents[index] for index in rng.integers(len(contents), size=count)]
    paths = write_all(tmp_path, ((name, mutated(content, rng)) for name, content in picked))
    assert read_all(target, paths).total() == count


def test_truncated_files_are_refused_or_whole(tmp_path: Path, legal: list[Path]) -> None:
    """Where only metadata are cut off, the pixels must be those that were written."""
    kinds = [path for path in legal if path.stem.endswith(" uint16")]
    paths = []
    for path in kinds:
        content = path.read_bytes()
        cuts = ((path.stem, cut) for cut in truncated(content, scaled(8)))
        folder = tmp_path / path.stem
        folder.mkdir()
        paths += write_all(folder, cuts)
    outcomes = read_all("stack", paths)
    assert outcomes["refused"] > 0.9 * len(paths)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("make", [_pipe, _loop, _device, _folder])
@pytest.mark.parametrize("target", TARGETS)
def test_what_is_no_file_is_refused(
    tmp_path: Path, target: str, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "x.tif"
    make(path)
    assert read_all(target, [path]) == {"refused": 1}
