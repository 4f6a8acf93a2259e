"""Slices that are kept until a prediction is whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.errors import UserError
from training.masks.kept_slices import KeptSlices
from training.masks.result_files import SliceResult

pytestmark = pytest.mark.portable
RECORD = {"weights": "a", "stack": (3, 4, 5)}


def result(number: int) -> SliceResult:
    mask = np.full((4, 5), number, np.uint8)
    probability = np.full((4, 5), number / 7, np.float32)
    return SliceResult({"mask": mask, "probability": probability}, 10 * number)


def keep(folder: Path, count: int) -> None:
    with KeptSlices(folder, RECORD).hold() as kept:
        for index in range(count):
            kept.keep(index, result(index))


def test_slices_are_read_as_they_were_kept_until_they_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    keep(folder, 3)
    with KeptSlices(folder, RECORD).hold() as kept:
        assert kept.count == 3 and not kept.is_anew
        for index in range(3):
            found, expected = kept.read(index), result(index)
            assert found.membrane == expected.membrane and found.pages.keys() == {
                "mask",
                "probability",
            }
            for kind, page in expected.pages.items():
                np.testing.assert_array_equal(found.pages[kind], page)
                assert found.pages[kind].dtype == page.dtype
    kept.remove()
    assert not folder.exists()


def test_those_of_something_else_are_deleted_and_no_other_file_is(tmp_path: Path) -> None:
    keep(tmp_path, 3)
    (tmp_path / "notes.txt").write_text("mine")
    with KeptSlices(tmp_path, RECORD | {"weights": "b"}).hold() as kept:
        assert kept.count == 0 and kept.is_anew
        kept.keep(0, result(5))
    kept.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_stack_whose_files_have_changed_may_differ(tmp_path: Path) -> None:
    before, now = [1, 2000, 30], [1, 2000, 31]
    with KeptSlices(tmp_path, RECORD, before).hold() as kept:
        assert not kept.may_differ
    with KeptSlices(tmp_path, RECORD, now).hold() as kept:
        assert not kept.may_differ, "no slice was kept of the stack before"
        kept.keep(0, result(0))
    for files, expected in ((now, False), (before, True), (None, False)):
        with KeptSlices(tmp_path, RECORD, files).hold() as kept:
            assert kept.count == 1 and kept.may_differ == expected


def test_what_lacks_one_before_it_does_not_count(tmp_path: Path) -> None:
    keep(tmp_path, 3)
    (tmp_path / "1.npz").unlink()
    with KeptSlices(tmp_path, RECORD).hold() as kept:
        assert kept.count == 1


def test_two_processes_do_not_keep_in_one_folder(tmp_path: Path) -> None:
    with (
        KeptSlices(tmp_path, RECORD).hold(),
        pytest.raises(UserError, match="Another process keeps its slices in"),
        KeptSlices(tmp_path, RECORD).hold(),
    ):
        pass


def test_a_damaged_slice_is_a_sentence(tmp_path: Path) -> None:
    keep(tmp_path, 2)
    (tmp_path / "1.npz").write_bytes((tmp_path / "1.npz").read_bytes()[:-20])
    with (
        KeptSlices(tmp_path, RECORD).hold() as kept,
        pytest.raises(UserError, match=r"1\.npz can't be read: .* Delete .* to begin again\."),
    ):
        kept.read(1)
