"""CANN's set_env.sh: found, sourced, or asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.training.devices.fake_npu_smi import install_npu_smi
from training.devices.cann import find_cann, has_cann, with_cann
from training.errors import UserError


@pytest.mark.parametrize("place", ["cann/set_env.sh", "ascend-toolkit/set_env.sh"])
def test_cann_is_found_for_all_users_and_for_one(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, root = tmp_path / "home", tmp_path / "Ascend"
    monkeypatch.setenv("HOME", str(home))
    assert find_cann(root) is None
    for folder in (home / "Ascend", root):
        script = folder / place
        script.parent.mkdir(parents=True)
        script.touch()
        assert find_cann(root) == script


def test_cann_of_a_conda_environment_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "conda" / "Ascend" / "cann" / "set_env.sh"
    script.parent.mkdir(parents=True)
    script.touch()
    monkeypatch.setenv("CONDA_PREFIX", str(tmp_path / "conda"))
    assert find_cann(tmp_path / "none") == script


@pytest.fixture
def set_env(home: Path) -> Path:
    script = home / "Ascend" / "cann" / "set_env.sh"
    script.parent.mkdir(parents=True)
    script.write_text("""\
echo hello
export ASCEND_HOME_PATH="$HOME/Ascend/cann"
export PYTHONPATH="$ASCEND_HOME_PATH/python/site-packages:$PYTHONPATH"
export ODD='two
lines'
""")
    return script


def test_cann_is_sourced_for_what_trains_on_an_npu(
    set_env: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("PYTHONPATH", "/mine")
    assert "ODD" not in with_cann(os.environ, "auto")  # no NPU is here
    install_npu_smi(tmp_path, ids=[0])
    assert "ODD" not in with_cann(os.environ, "cpu")
    sourced = with_cann(os.environ, "auto")
    assert has_cann(sourced)
    assert sourced["PYTHONPATH"] == f"{set_env.parent}/python/site-packages:/mine"
    assert sourced["ODD"] == "two\nlines"
    assert with_cann({**sourced, "ODD": "mine"}, "ascend")["ODD"] == "mine"  # once is enough


def test_a_cann_that_can_not_be_sourced_is_named(
    set_env: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_npu_smi(tmp_path, ids=[0])
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    set_env.write_text("exit 3\n")
    with pytest.raises(UserError, match=f"{set_env} can't be sourced"):
        with_cann(os.environ, "auto")
