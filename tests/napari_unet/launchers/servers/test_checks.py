from __future__ import annotations

import sys
from pathlib import Path

import pytest

from napari_unet.launchers.servers.checks import check_server, compare_nodes, judge
from napari_unet.launchers.servers.endings import ending_event
from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.needed_packages import needed_packages
from napari_unet.launchers.servers.profile.profile import Profile
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from tests.training.devices.fake_npu_smi import table_of
from training.devices.cann import KERNEL_PACKAGES
from training.devices.check import Check

NOW = 1_800_000_000.0
PROFILE = Profile(name="lab", host="host")
GOOD = {
    "clock": "1800000003",
    "disk": "/dev/sda1 9 9 99999999 9% /",
    "npus": table_of(range(4, 12)),
    "npu-list": "",
    "npu-files": "",
    "activation": "",
    "cann": "/usr/local/Ascend/cann/set_env.sh",
    "python": "3.11.9",
    **{
        f"package-{name}": "version 2.7.1"
        for name in [*needed_packages().values(), *KERNEL_PACKAGES.values()]
    },
}


def facts(**changes: str) -> str:
    return "".join(f"@@{name}\n{text}\n" for name, text in {**GOOD, **changes}.items())


def failing(text: str, devices: int = 8) -> list[Check]:
    return [check for check in judge(PROFILE, text, devices, NOW) if not check.is_ok]


def test_a_good_server_passes_all() -> None:
    assert failing(facts()) == []


@pytest.mark.parametrize(
    ("changes", "name", "found", "remedy"),
    [
        ({"clock": "1799990000"}, "clock", "differs by 10000 s", "NTP"),
        ({"disk": "/dev/sda1 9 9 1048576 9% /"}, "disk", "1.0 GiB free", "Free some"),
        ({"python": "3.9.1"}, "Python", "3.9.1", "3.11 or newer"),
        ({"package-mindspore": "ModuleNotFoundError: No module named 'mindspore'"},
         "MindSpore", "it is missing", "Install"),
        ({"package-mindspore": "ImportError: libascendcl.so: cannot open"},
         "MindSpore", "libascendcl", ""),
        ({"package-PIL": "ModuleNotFoundError: No module named 'PIL'"},
         "pillow", "it is missing", "python -m pip install pillow"),
        ({"package-scipy": "a warning\nImportError: numpy.core failed"}, "scipy", "numpy.core", ""),
        ({"package-mindspore": ""}, "MindSpore", "does not answer", ""),
        ({"cann": ""}, "CANN", "no set_env.sh", "Name CANN's"),
        ({"package-hccl": "ModuleNotFoundError: No module named 'hccl'"},
         "hccl", "it is missing", "keep it there"),
        ({"package-attr": "ModuleNotFoundError: No module named 'attr'"},
         "attrs", "it is missing", "python -m pip install attrs"),
        ({"package-te": "ImportError: No module named 'decorator'"},
         "te", "decorator", "PYTHONPATH"),
        ({"npus": table_of(range(8), [0, 4], "910A")},
         "NPUs", "busy: 0, 4", "--devices 2"),
        ({"npus": table_of(range(8), [0, 2, 4, 6])},
         "NPUs", "8 found; free: 1, 3, 5, 7; busy: 0, 2, 4, 6", "--devices 4"),
        ({"npus": table_of(range(8), range(8))}, "NPUs", "free: none", "Wait until some"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_reported_with_what_to_do(
    changes: dict[str, str], name: str, found: str, remedy: str
) -> None:
    (check,) = failing(facts(**changes))
    assert check.name == name
    assert found in check.text
    assert remedy in check.remedy
    assert str(check).startswith("PROBLEM")


@pytest.mark.parametrize("number", ["", "nan", "1e999", "²", "9" * 5000, "\x1b[31m7"])
def test_numbers_that_are_none_are_problems_or_passed_over(number: str) -> None:
    text = facts(clock=number, disk=f"/dev/sda1 9 9 {number} 9% /", python=number)
    assert {check.name for check in failing(text)} >= {"clock", "disk"}
    failing(facts(npus="", **{"npu-files": f"davinci{number}"}))


def test_libraries_of_other_formats_than_tif_are_not_needed() -> None:
    packages = ["numpy", "pillow", "psutil", "safetensors", "scipy", "mindspore"]
    assert list(needed_packages()) == packages


def test_an_activation_that_fails_is_reported() -> None:
    text = facts(activation="bash: line 9: conda: command not found").split("@@cann")[0]
    python, *others = failing(text)
    assert python.text == "bash: line 9: conda: command not found."
    assert [check.name for check in others] == ["CANN"]


def test_what_an_activation_says_is_told_where_packages_are_missing() -> None:
    said = {"activation": "Welcome\nbash: line 9: ms/bin/activate: No such file or directory"}
    assert failing(facts(**said)) == []
    missing = {"package-scipy": "ModuleNotFoundError: No module named 'scipy'"}
    activation, scipy = failing(facts(**said, **missing))
    assert "it says: bash: line 9: ms/bin/activate: No such file" in activation.text
    assert scipy.name == "scipy"


def test_no_npus_means_the_cpu_unless_ascend_is_asked_for() -> None:
    assert failing(facts(npus="", cann="")) == []
    ascend = Profile(name="lab", host="host", device="ascend")
    failed = [check for check in judge(ascend, facts(npus=""), 8, NOW) if not check.is_ok]
    assert [check.name for check in failed] == ["NPUs"]


def test_every_line_of_a_real_server(sshd: Sshd) -> None:
    profile = sshd.profile(activate="no_such_command_of_mine")
    checks = {check.name: check for check in wait_for(check_server(profile))}
    assert checks["connection"].is_ok and checks["host key"].is_ok and checks["disk"].is_ok
    assert checks["clock"].is_ok
    sshd.stop()
    (check,) = wait_for(check_server(profile))
    sshd.start()
    assert check.name == "connection" and not check.is_ok


def test_a_python_without_packages_is_told_what_to_install(sshd: Sshd, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec '{sys.executable}' -S \"$@\"\n")
    python.chmod(0o755)
    profile = sshd.profile(activate=f"export PATH='{tmp_path}':$PATH")
    lines = [str(check) for check in wait_for(check_server(profile))]
    for package in ("numpy", "pillow", "psutil", "safetensors", "scipy"):
        remedy = f"Install it in that environment: python -m pip install {package}."
        assert f"PROBLEM  {package}: it is missing. {remedy}" in lines
    assert any(line.startswith("PROBLEM  MindSpore: it is missing. Install") for line in lines)
    assert any(line.startswith("ok       Python") for line in lines)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ("boot a\nstarted-at b\nfree 99\n", "was rebooted"),
        ("boot a\nstarted-at a\nfree 0\nstep: 3", "training on lab ended. The disk is full"),
        ("boot a\nstarted-at a\nfree 9\nOSError: [Errno 28] No space left on device", "is full"),
        ("boot a\nstarted-at \nfree 9\nbash: There is no python on the PATH", "could not start"),
        ("boot a\nstarted-at \nfree 9\nPython 3.9.2 is older than 3.11, or can't be run", "3.9.2"),
        ("boot a\nstarted-at a\nfree 9\nError: NPU 3 is busy. Wait.", "NPU 3 is busy. Wait."),
        ("boot a\nstarted-at a\nfree 9\nstep: 3", "were killed"),
    ],
)
def test_a_silent_end_is_explained(facts: str, sentence: str) -> None:
    event = ending_event(f"time 9\n{facts}", "lab")
    assert event["kind"] == "failed"
    assert sentence in event["message"]
    assert event["remedy"]


def test_a_run_of_which_nothing_is_known_did_not_begin() -> None:
    event = ending_event("time 9\nboot a\nstarted-at \nfree 9\n", "lab", has_begun=False)
    assert event["kind"] == "failed" and "The run did not begin on lab." in event["message"]


PAIR = {
    "hostname": "node0",
    "ports": "22,60000-60031",
    "interfaces": "docker0 eth0 lo",
    "addresses": "ipaddr:192.168.100.100\nnetmask:255.255.255.0\nipaddr:192.168.100.101",
    "variables": "",
}


@pytest.mark.parametrize(
    ("changes", "name", "found", "remedy"),
    [
        ({}, "", "", ""),
        ({"ports": ""}, "HCCL's ports", "60000-60015", "ip_local_reserved_ports=60000-60031"),
        ({"ports": "60000-60009"}, "HCCL's ports", "60000-60015 are not", "sysctl"),
        ({"variables": "HCCL_IF_BASE_PORT=50000"}, "HCCL's ports", "50000-50015", "50000-50031"),
        ({"interfaces": "eth0 ib0 lo"}, "HCCL's interface", "any of eth0, ib0", "--variable HCCL_"),
        ({"interfaces": "eth0 ib0", "variables": "HCCL_SOCKET_IFNAME=ib0"}, "", "", ""),
        ({"addresses": ""}, "addresses of NPUs", "none", "hccn_tool"),
    ],
)
def test_what_several_servers_need_of_each(
    changes: dict[str, str], name: str, found: str, remedy: str
) -> None:
    text = facts(**{**PAIR, **changes})
    wrong = [check for check in judge(PROFILE, text, 8, NOW, nodes=2) if not check.is_ok]
    assert [check.name for check in wrong] == ([name] if name else [])
    assert all(found in check.text and remedy in check.remedy for check in wrong)
    assert failing(text) == []  # a server alone needs none of it


def test_the_advice_counts_the_devices_of_all_servers() -> None:
    text = facts(**PAIR, npus=table_of(range(8), [0, 4], "910A"))
    (npus,) = (check for check in judge(PROFILE, text, 8, NOW, nodes=2) if check.name == "NPUs")
    assert npus.remedy.endswith("train on fewer: --devices 4.")


def test_servers_of_a_job_must_differ() -> None:
    others = {"hostname": "node1", "addresses": "ipaddr:192.168.100.102"}
    assert all(check.is_ok for check in compare_nodes({"a": facts(**PAIR), "b": facts(**others)}))
    twins = compare_nodes({"a": facts(**PAIR), "b": facts(**PAIR)})
    assert [check.name for check in twins if not check.is_ok] == [
        "all servers, host names",
        "all servers, addresses of NPUs",
    ]
    assert "node0 is there more than once" in twins[0].text
    assert "hostnamectl" in twins[0].remedy
