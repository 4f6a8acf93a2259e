from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.profiles import (
    load_profiles,
    profiles_path,
    put_profile,
    remove_profile,
    save_profile,
)
from napari_unet.launchers.servers.record import (
    RemoteRecord,
    add_hash,
    read_record,
    update_record,
    write_record,
)
from training.errors import UserError
from training.runs.run_directory import RunDirectory

MANY = 16


def lab(index: int) -> Profile:
    return Profile(name=f"lab {index}", host="lab.example.org")


def test_profiles_that_are_changed_at_once_are_all_kept() -> None:
    with ThreadPoolExecutor(MANY) as pool:
        list(pool.map(save_profile, map(lab, range(MANY))))
        assert load_profiles().keys() == {lab(index).name for index in range(MANY)}
        list(pool.map(lambda index: put_profile(lab(-index), lab(index).name), range(1, MANY)))
        assert load_profiles().keys() == {lab(-index).name for index in range(MANY)}
        list(pool.map(lambda index: remove_profile(lab(-index).name), range(1, MANY)))
    assert load_profiles() == {"lab 0": lab(0)}


def test_a_new_profile_replaces_none_that_was_added_meanwhile() -> None:
    save_profile(lab(0))
    with pytest.raises(UserError, match="There is a server 'lab 0' already"):
        put_profile(lab(0))
    with pytest.raises(UserError, match="There is a server 'lab 0' already"):
        put_profile(lab(0), former="lab 1")


def test_a_record_that_is_changed_at_once_keeps_all_changes(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    write_record(run, RemoteRecord(profile=lab(0), run_id="1f", devices=8))

    def change(index: int) -> None:
        add_hash(run, f"file {index}", "0")
        if index == 0:
            update_record(run, devices=4)

    with ThreadPoolExecutor(MANY) as pool:
        list(pool.map(change, range(MANY)))
    record = read_record(run)
    assert record.hashes.keys() == {f"file {index}" for index in range(MANY)}
    assert record.devices == 4


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"port": 65536}, "port is 65536"),
        ({"port": "22"}, "port is '22'"),
        ({"devices": 0}, "devices is 0"),
        ({"device": "gpu"}, "device is 'gpu'"),
        ({"nodes": ["other", 3], "master_addr": "10.0.0.1"}, r"nodes\.1 is 3"),
        ({"nodes": ["other"]}, "the first one's address"),
        ({"nodes": ["other"], "master_addr": "a b"}, "not the address"),
        ({"nodes": ["other"], "master_addr": "10.0.0.1", "devices": 3}, "can't be divided"),
        ({"colour": 1}, "colour is 1"),
        ({"folder": ""}, "working folder has no name"),
        ({"name": "a\nb"}, "can't be called"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(changes: dict[str, object], problem: str) -> None:
    save_profile(lab(0))
    document = [{**lab(0).model_dump(), **changes}]
    profiles_path().write_text(json.dumps(document))
    with pytest.raises(UserError, match=problem) as refused:
        load_profiles()
    assert str(profiles_path()) in str(refused.value)
