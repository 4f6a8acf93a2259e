"""SIGKILL while a server's run is fetched: the copy is whole, and the next fetch completes it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from tests.faults.campaign import run_campaign
from tests.faults.scale import scaled
from tests.napari_unet.servers.conftest import (  # noqa: F401  (fixtures)
    client_key,
    home,
    sshd,
    unknown_sshd,
)
from tests.napari_unet.servers.sshd import Sshd


def test_a_killed_fetch_leaves_whole_files_and_goes_on(
    sshd: Sshd,  # noqa: F811
    tmp_path: Path,
) -> None:
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps(dataclasses.asdict(sshd.profile())))
    there = sshd.work / "runs" / "run"
    there.parent.mkdir(parents=True)
    run_campaign("fetching", tmp_path / "place", scaled(1), profile, there)
