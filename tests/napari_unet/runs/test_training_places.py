from pathlib import Path

import pytest

from napari_unet.launchers.local_launcher import LocalLauncher
from napari_unet.launchers.servers.profiles import Profile, profiles_path, save_profile
from napari_unet.launchers.servers.remote_launcher import RemoteLauncher
from napari_unet.runs.training_places import THIS_COMPUTER, launcher_in, list_places
from training.errors import UserError


def ignore(_: object) -> None:
    pass


def test_this_computer_is_the_first_place() -> None:
    assert list_places() == [THIS_COMPUTER]
    save_profile(Profile(name="the lab", host="lab.example.org"))
    assert list_places() == [THIS_COMPUTER, "the lab"]


def test_every_place_has_its_launcher(tmp_path: Path) -> None:
    profile = Profile(name="the lab", host="lab.example.org")
    save_profile(profile)
    here, there = (launcher_in(place, tmp_path, ignore) for place in list_places())
    assert isinstance(here, LocalLauncher)
    assert isinstance(there, RemoteLauncher)
    assert there.profile == profile
    assert here.runs_folder == there.runs_folder == tmp_path


def test_a_place_that_is_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no server 'gone'"):
        launcher_in("gone", tmp_path, ignore)


def test_profiles_that_can_t_be_read_are_refused() -> None:
    profiles_path().parent.mkdir(parents=True)
    profiles_path().write_text("no JSON")
    with pytest.raises(UserError, match=r"servers\.json"):
        list_places()
