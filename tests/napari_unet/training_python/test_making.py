"""The command ``napari-unet setup``, with a real uv and stand-ins for what it loads."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from napari_unet.training_python import places
from napari_unet.training_python.choice import read_choice
from napari_unet.training_python.making import set_up
from napari_unet.training_python.requirements import VERSIONS
from tests.napari_unet.training_python.stand_ins import (
    WITHOUT_MINDSPORE,
    Index,
    napari_unet,
    run,
)
from training.errors import UserError

pytestmark = pytest.mark.skipif(
    sys.version_info[:2] not in VERSIONS, reason="what stands in is of this Python"
)
PATIENCE = 60  # seconds


@pytest.mark.usefixtures("no_internet")
def test_wheels_from_a_folder(wheels: Path) -> None:
    code, output, errors = run("setup", "--find-links", wheels)
    assert code == 0, errors
    assert "MindSpore 2.10.0, NumPy 1.26.4" in output
    assert read_choice() == places.environment_python()
    assert not places.cache().exists()
    again = run("setup")
    assert again[0] == 0 and "Installing" not in again[1]
    assert "It is removed." in run("setup", "--remove")[1]
    assert not places.home().exists()
    assert "nothing to remove" in run("setup", "--remove")[1]


def test_a_lost_connection(index: Index) -> None:
    index.cuts = 2
    code, output, errors = run("setup")
    assert code == 0, errors
    assert "Trainings run in" in output
    first, second, third = index.begins
    assert first == 0 < second < third
    assert not places.wheels().exists()


@pytest.mark.parametrize(
    ("variable", "password"),
    [
        ("PIP_INDEX_URL", "secret"),
        ("PIP_INDEX_URL", "wrong-secret"),
        ("UV_INDEX", "secret"),
        ("UV_EXTRA_INDEX_URL", "secret"),
        ("UV_INDEX_LAB_PASSWORD", "secret"),
    ],
)
def test_an_index_with_a_password(
    variable: str, password: str, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given to uv alone, and neither said nor kept."""
    index.login = "me:secret"
    if variable == "UV_INDEX_LAB_PASSWORD":
        monkeypatch.setenv("UV_INDEX", f"lab={index.url}")
        monkeypatch.setenv("UV_INDEX_LAB_USERNAME", "me")
        monkeypatch.setenv(variable, password)
    else:
        monkeypatch.setenv(variable, index.url.replace("//", f"//me:{password}@"))
    code, output, errors = run("setup")
    assert code == (0 if password == "secret" else 2), errors
    assert "secret" not in output + errors
    kept = [path for path in places.home().rglob("*") if path.is_file()]
    assert not [path for path in kept if b"wrong-secret" in path.read_bytes()]
    assert not [path for path in kept if b"me:secret" in path.read_bytes()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_setup_that_was_ended_is_gone_on_with(number: signal.Signals, index: Index) -> None:
    """And while it is going on, there is no second."""
    index.is_open.clear()
    process = napari_unet("setup")
    deadline = time.monotonic() + PATIENCE
    while not any(path.stat().st_size > 10**6 for path in places.wheels().glob("mindspore*.part")):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.05)
    code, _, errors = run("setup")
    assert code == 2 and "Another setup" in errors
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    assert ("goes on where it was" in errors) == (number == signal.SIGINT)
    assert read_choice() is None
    index.is_open.set()
    code, _, errors = run("setup")
    assert code == 0, errors
    assert index.begins[-1] > 10**6


def test_what_a_server_may_answer(index: Index) -> None:
    index.status = 403
    code, _, errors = run("setup")
    assert code == 2 and "403" in errors and "--find-links" in errors
    index.status, index.is_damaging = 200, True
    code, _, errors = run("setup")
    assert code == 2 and "was damaged on its way" in errors
    assert read_choice() is None


def test_no_room(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**6))
    with pytest.raises(UserError, match="free, and this takes"):
        list(set_up())


@pytest.mark.usefixtures("no_internet")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--python", "nowhere"], "No such file"),
        (["--python", sys._base_executable], "lacks mindspore"),
        (["--python", "/bin/true"], "does not answer as a Python does"),
        (["--find-links", "."], "has no wheels"),
        (["--remove", "--find-links", "."], "exclude each other"),
        ([], "Connection refused"),
    ],
)
def test_bad_input(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, errors = run("setup", *arguments)
    assert code == 2
    assert told in errors and errors.startswith("Error: ") and errors.count("\n") == 1
    assert read_choice() is None


def test_no_uv() -> None:
    code, _, errors = run("setup", code="import sys; sys.modules['uv'] = None" + WITHOUT_MINDSPORE)
    assert code == 2 and "pip install uv" in errors


def test_a_folder_that_can_not_be_written() -> None:
    folder = places.home().parent
    folder.parent.mkdir(parents=True)
    folder.touch()
    code, _, errors = run("setup")
    assert code == 2 and "can't be written" in errors
