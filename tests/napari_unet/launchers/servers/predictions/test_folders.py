"""Listing a server's folders over OpenSSH, whatever is in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from napari_unet.launchers.servers.opening import ConnectionLostError
from napari_unet.launchers.servers.predictions import folders
from napari_unet.launchers.servers.predictions.folders import FolderBrowser
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from training.errors import UserError


@pytest.fixture
def there(sshd: Sshd) -> Path:
    """A folder on the server, with names that a stranger chose."""
    there = sshd.folder / "their data"
    for name in ("stack.zarr", "Sub", ".hidden folder", "<b>bold"):
        (there / name).mkdir(parents=True)
    for name in ("b.TIF", "a's.tif", "notes.txt", ".hidden", "two\nlines.tif", "bell\a.tif"):
        (there / name).touch()
    (there / "raw").symlink_to(there / "Sub")
    (there / "gone.tif").symlink_to(there / "nowhere")
    (Path(os.fsdecode(os.fsencode(there) + b"/\xff.tif"))).touch()
    return there


@pytest.fixture
def browser(sshd: Sshd) -> Iterator[FolderBrowser]:
    with closing(FolderBrowser(sshd.profile(name="lab"))) as browser:
        yield browser


def test_a_folder_is_listed(browser: FolderBrowser, there: Path) -> None:
    folder = browser.list(f"{there}/Sub/..")
    assert folder.path == str(there) and folder.parent == str(there.parent)
    assert [(entry.name, entry.is_folder, entry.is_stack) for entry in folder.entries] == [
        ("<b>bold", True, False),
        ("raw", True, False),
        ("stack.zarr", True, True),
        ("Sub", True, False),
        ("a's.tif", False, True),
        ("b.TIF", False, True),
        ("gone.tif", False, True),
        ("notes.txt", False, False),
    ]
    assert folder.note == "3 names that can't be shown are left out."
    assert browser.list(folder.entries[1].path).path == str(there / "Sub")
    assert browser.list("").path.startswith("/")
    assert browser.list("/").parent == "/"


def test_a_large_folder_is_cut_off(
    browser: FolderBrowser, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "MOST_SHOWN", 3)
    folder = browser.list(str(there))
    assert len(folder.entries) <= 3
    assert "There are more than 3 names; the first are shown." in folder.note


def test_what_keeps_from_listing_is_a_sentence(
    browser: FolderBrowser, there: Path, sshd: Sshd
) -> None:
    with pytest.raises(UserError, match=r"on lab can't be used"):
        browser.list(f"{there}/none")
    with pytest.raises(UserError, match=r"on lab can't be used"):
        browser.list(f"{there}/notes.txt")
    sshd.stop()
    with pytest.raises(ConnectionLostError, match=r"lab"):
        browser.list(str(there))
    sshd.start()
    assert browser.list(str(there)).entries
