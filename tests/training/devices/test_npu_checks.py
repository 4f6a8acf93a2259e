"""What a machine says of its NPUs; stand-ins for them, and workers on the CPU in their place."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.training.devices.fake_npu_smi import install_npu_smi
from tests.training.devices.stub_mindspore import StubMindSpore, install_cann, path_with
from training.devices.check import Check
from training.devices.npu_checks import MARK, check_versions, examine_npus, parse_checks
from training.devices.npus import VISIBLE
from training.errors import UserError


@pytest.mark.parametrize(
    ("chip", "driver", "cann", "mindspore", "python", "name", "found"),
    [
        ("910B3", "25.5.0", "8.5.0", "2.10.0", (3, 11), "", ""),
        ("Ascend910", "26.0.rc1", "9.0.0", "2.9.0", (3, 12), "", ""),
        ("910A", "25.2.0", "8.2.RC1", "2.7.0", (3, 11), "", ""),
        ("910B3", "25.5.0", "8.0.RC3", "2.10.0", (3, 11), "CANN", "8.2, 8.3, 8.5, 9.0, 9.1"),
        ("910B3", "26.0.0", "9.0.0", "2.7.1", (3, 11), "CANN", "MindSpore 2.7 goes with CANN 8.2"),
        ("910B3", "24.1.rc3", "8.5.0", "2.10.0", (3, 11), "driver", "older than the 25.5"),
        ("910B3", "25.5.0", "8.5.0", "2.10.0", (3, 12), "Python", "up to 3.11"),
        ("910A", "25.5.0", "8.5.0", "2.10.0", (3, 11), "MindSpore", "not made for the 910A"),
        ("910B3", "25.5.0", "8.5.0", "", (3, 11), "MindSpore", "not installed"),
        ("910B3", "25.5.0", "", "2.10.0", (3, 11), "CANN", "not found"),
    ],
)
def test_what_does_not_go_together_is_found(
    chip: str,
    driver: str,
    cann: str,
    mindspore: str,
    python: tuple[int, int],
    name: str,
    found: str,
) -> None:
    checks = list(check_versions(chip, driver, cann, mindspore, python))
    assert [check.name for check in checks] == ["MindSpore", "CANN", "driver", "Python"]
    wrong = [check for check in checks if not check.is_ok]
    assert [check.name for check in wrong] == ([name] if name else [])
    assert all(found in check.text and check.remedy for check in wrong)


@pytest.fixture
def stub(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> StubMindSpore:
    """A machine with 910A, of which the first is busy, and CANN in the person's folder."""
    install_npu_smi(tmp_path, range(8), [0], chip="910A")
    set_env = install_cann(home)
    (set_env.parent / "compiler").mkdir()
    (set_env.parent / "compiler" / "version.info").write_text("Version=8.2.RC1\n")
    stub = StubMindSpore(tmp_path)
    for name, value in {**stub.environment, "PATH": path_with(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    return stub


def test_every_free_npu_is_tried_and_as_many_together_as_can_be(
    stub: StubMindSpore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAY", "EL0004: Failed to allocate memory.")
    monkeypatch.setenv("RANK_SIZE", "8")
    for name in ("davinci0", "davinci_manager", "devmm_svm", "hisi_hdc"):
        (tmp_path / name).touch()
    checks = examine_npus(device_folder=tmp_path)
    assert [check.is_ok for check in checks] == sorted(check.is_ok for check in checks)
    by_name = {check.name: check for check in checks}
    assert "8 of 910A; busy: 0; joined in fours" in by_name["chips"].text
    assert by_name["CANN"].text.startswith("8.2.RC1")
    assert "RANK_SIZE are set; a launcher ignores them" in by_name["leftovers of a rank table"].text
    assert "--device=" in by_name["device files"].remedy
    assert "davinci1, " in by_name["device files"].text
    assert "hccl (ModuleNotFoundError" in by_name["CANN's packages"].text
    tried = [f"NPU {id}" for id in range(1, 8)] + ["2 NPUs together", "4 NPUs together"]
    for name in tried:
        assert by_name[name].text.startswith("The memory of an NPU is used up"), name
    seen = [(process["environment"][VISIBLE], process["id"]) for process in stub.seen()]
    alone = [(str(id), 0) for id in range(1, 8)]
    pair = [("1,2", id) for id in range(2)]
    four = [("4,5,6,7", id) for id in range(4)]
    assert sorted(seen) == sorted([*alone, *pair, *four])
    environments = [process["environment"] for process in stub.seen()]
    assert all("MS_ROLE" in variables for variables in environments if "RANK_SIZE" in variables)


@pytest.mark.parametrize("output", ["", "Killed", f"{MARK}[1", f"{MARK}[1]", f'{MARK}[{{"a": 1}}]'])
def test_what_is_no_answer_is_a_sentence(output: str) -> None:
    with pytest.raises(UserError, match="The test of the NPUs did not end"):
        parse_checks(output)


def test_an_answer_is_read_after_whatever_a_login_prints() -> None:
    checks = [Check("chips", True, "8 of 910B3"), Check("CANN", False, "none.", "Install it.")]
    text = json.dumps([asdict(check) for check in checks])
    assert parse_checks(f"Welcome!\n{MARK}{text}\nBye") == checks


def doctor(*options: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("napari-unet")
    return subprocess.run([program, "doctor", *options], capture_output=True, text=True)


@pytest.mark.heavy
def test_workers_on_the_cpu_show_that_the_try_itself_works(tmp_path: Path) -> None:
    report = tmp_path / "npus.txt"
    done = doctor("--npu", "--workers=2", f"--report={report}")
    if "Try again" in done.stdout:  # beside other work MindSpore's workers may miss each other
        done = doctor("--npu", "--workers=2", f"--report={report}", "--overwrite")
    lines = done.stdout.splitlines()
    assert any(line.startswith("ok       CPU: convolves, ") for line in lines), done.stdout
    assert any(line.startswith("ok       2 workers together: add up, ") for line in lines), (
        done.stdout
    )
    is_wrong = [line.startswith("PROBLEM") for line in lines if line[:7] in ("PROBLEM", "ok     ")]
    assert is_wrong == sorted(is_wrong, reverse=True)
    assert "2 workers together: add up, " in report.read_text()
    assert done.returncode == 1  # no NPU is here
    assert any("chips: No Ascend NPU is found on this machine." in line for line in lines)


@pytest.mark.parametrize("options", [["--workers=2"], ["--report=npus.txt"]])
def test_options_of_the_npus_are_refused_without_them(options: Sequence[str]) -> None:
    done = doctor(*options)
    assert done.returncode == 2
    assert "Give --npu as well" in done.stderr


def test_a_report_takes_the_place_of_no_other_file(tmp_path: Path) -> None:
    """And that is said before the NPUs are tried, which takes minutes."""
    report = tmp_path / "npus.txt"
    report.write_text("mine")
    done = doctor("--npu", f"--report={report}")
    assert done.returncode == 2
    assert f"{report} exists already. Choose another name, or use --overwrite." in done.stderr
    assert done.stdout == ""
    assert report.read_text() == "mine"
