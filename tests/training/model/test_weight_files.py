"""Reading checkpoints: what the system says is not taken for bad content."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from training.errors import UserError
from training.model.weight_files import (
    check_checkpoint,
    load_weights,
    pack_weights,
    read_metadata,
)

NOBODY = 65534
SUFFIXES = pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])


@contextmanager
def rights_of_a_stranger() -> Iterator[None]:
    """Root may read every file, so that it must be another user for a while."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if user == 0:
            os.seteuid(0)


@SUFFIXES
def test_a_file_of_someone_else_is_not_called_bad(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(pack_weights({}, {}))
    path.chmod(0)
    with (
        rights_of_a_stranger(),
        pytest.raises(UserError, match=f"{re.escape(str(path))} can't be read: Permission denied"),
    ):
        load_weights(path)


@SUFFIXES
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_not_a_file_is_named_as_such(tmp_path: Path, suffix: str, make: object) -> None:
    path = tmp_path / f"weights{suffix}"
    assert callable(make)
    make(path)
    with pytest.raises(UserError, match="can't be read: Not a regular file"):
        load_weights(path)


@SUFFIXES
@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"\n \n no checkpoint"])
def test_bad_content_is_not_a_checkpoint(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    for read in (load_weights, check_checkpoint):
        with pytest.raises(UserError, match="is not a checkpoint that can be read"):
            read(path)


def test_numbers_that_numpy_lacks_are_not_a_checkpoint(tmp_path: Path) -> None:
    header = b'{"weight":{"dtype":"F8_E8M0","shape":[1],"data_offsets":[0,1]}}'
    path = tmp_path / "weights.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"0")
    with pytest.raises(UserError, match="is not a checkpoint that can be read"):
        load_weights(path)


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    for read in (load_weights, read_metadata):
        with pytest.raises(UserError, match="There is no checkpoint"):
            read(tmp_path / "weights.safetensors")
