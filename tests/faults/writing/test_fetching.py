"""A server's run is fetched by a process that is killed, or to a disk that fails: nothing is lost,
and the next fetch completes the copy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.faults.scale import scaled
from tests.faults.writing.campaign import run_campaign
from tests.faults.writing.disk_faults import FAULTS, break_disk
from tests.napari_unet.launchers.servers.conftest import (  # noqa: F401  (fixtures)
    client_key,
    home,
    sshd,
    unknown_sshd,
)
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd


@pytest.fixture
def places(sshd: Sshd, tmp_path: Path) -> tuple[Path, Path]:  # noqa: F811
    """The server's profile, and the run on it."""
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps(sshd.profile().model_dump()))
    there = sshd.work / "runs" / "run"
    there.parent.mkdir(parents=True)
    return profile, there


@pytest.mark.parametrize("job", ["fetching", "adopting"])
def test_a_killed_fetch_leaves_whole_files_and_goes_on(
    job: str, places: tuple[Path, Path], tmp_path: Path
) -> None:
    run_campaign(job, tmp_path / "place", scaled(1), *places)


def test_a_disk_that_fails_is_reported_and_nothing_is_lost(
    places: tuple[Path, Path], disk: Path
) -> None:
    break_disk("fetching", disk, FAULTS, *places)
