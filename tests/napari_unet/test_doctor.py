import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from napari_unet import doctor
from napari_unet.doctor import Finding, can_run, examine, format_report
from napari_unet.training_python import places
from napari_unet.training_python.choice import write_choice
from napari_unet.training_python.requirements import look_at
from tests.control_groups import control_group
from tests.training.devices.fake_npu_smi import install_npu_smi


def examined(name: str) -> Finding:
    [found] = [finding for finding in examine() if finding.name == name]
    return found


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """Versions of packages to be told instead of the real ones; None: not installed."""
    told: dict[str, str | None] = {}

    def pretended(name: str) -> str:
        found = told.get(name, "") if name in told else version(name)
        if found is None:
            raise PackageNotFoundError(name)
        return found

    monkeypatch.setattr(doctor, "version", pretended)
    return told


@pytest.fixture
def without_mindspore(monkeypatch: pytest.MonkeyPatch) -> None:
    """Saves the seconds that MindSpore takes to be looked at."""
    monkeypatch.setitem(sys.modules, "mindspore", None)


def test_command() -> None:
    program = Path(sys.executable).with_name("napari-unet")
    done = subprocess.run([program, "doctor"], capture_output=True, text=True, check=False)
    has_mindspore = "Training and prediction can run here." in done.stdout
    assert done.returncode == (0 if has_mindspore else 1), done.stderr
    for name in ("napari-unet-mindspore", "MindSpore", "openvino", "CANN", "Qt binding"):
        assert name in done.stdout


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="there is one core")
def test_limits_below_what_the_machine_has_are_told() -> None:
    code = (
        "import sys; sys.modules['mindspore'] = None\n"
        "from napari_unet.doctor import examine\n"
        "for finding in examine():\n"
        "    print(finding.name, finding.text, sep=': ')\n"
        "    if finding.name == 'CPU': break"
    )
    with control_group(memory=2**29, cores=1) as words:
        done = subprocess.run(
            [*words, sys.executable, "-c", code], stdout=subprocess.PIPE, check=True
        )
    told = dict(line.split(": ", 1) for line in done.stdout.decode().splitlines())
    assert re.fullmatch(
        r"\d+\.\d GiB, of which 0\.5 GiB may be used, 0\.[1-5] GiB available", told["Memory"]
    )
    assert told["CPU"].startswith(f"1 of {os.cpu_count()} cores, ")


@pytest.mark.usefixtures("without_mindspore")
def test_without_mindspore() -> None:
    findings = list(examine())
    assert not can_run(findings)
    [mindspore] = [finding for finding in findings if finding.name == "MindSpore"]
    assert "napari-unet setup" in mindspore.remedy


@pytest.mark.usefixtures("without_mindspore")
def test_a_python_that_was_set_up(python: Path) -> None:
    places.home().mkdir(parents=True)
    write_choice(look_at(python))
    findings = {finding.name: finding for finding in examine()}
    assert findings["MindSpore"].text == f"{version('mindspore')}, with NumPy {version('numpy')}"
    assert findings["Its Python"].text == str(python)


def test_numpy_too_new_for_mindspore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = tmp_path / "numpy-2.3.1.dist-info" / "METADATA"
    about.parent.mkdir()
    about.write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 2.3.1\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    mindspore = examined("MindSpore")
    assert mindspore.state == "missing"
    assert "lacks numpy<2" in mindspore.text and 'pip install "numpy<2"' in mindspore.remedy


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("raise ImportError('libascend.so: no such file')", "libascend.so"),
        ("import os; os.abort()", "exit code -6"),
    ],
)
def test_mindspore_that_does_not_work(
    content: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mindspore.py").write_text(content)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    mindspore = examined("MindSpore")
    assert mindspore.state == "missing"
    assert told in mindspore.text


@pytest.mark.usefixtures("without_mindspore")
def test_npus_without_cann(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_npu_smi(tmp_path, ids=[0, 1], busy=[1])
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    findings = {finding.name: finding for finding in examine()}
    assert "idle" in findings["ascend:0"].text
    assert "busy" in findings["ascend:1"].text
    assert findings["CANN"].state == "missing" and findings["CANN"].remedy
    assert not findings["CANN"].is_needed


@pytest.mark.usefixtures("without_mindspore")
def test_cann_is_found_in_the_users_folder(home: Path) -> None:
    set_env = home / "Ascend" / "ascend-toolkit" / "set_env.sh"
    set_env.parent.mkdir(parents=True)
    set_env.touch()
    assert examined("CANN").text == str(set_env.parent)


@pytest.mark.usefixtures("without_mindspore")
def test_no_qt_and_no_screen(
    pretend: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend |= dict.fromkeys(doctor.QT_BINDINGS)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    findings = {finding.name: finding for finding in examine()}
    assert "pyqt5" in findings["Qt binding"].remedy
    assert not findings["Qt binding"].is_needed
    if sys.platform == "linux":
        assert "xvfb" in findings["Screen"].remedy


@pytest.mark.usefixtures("without_mindspore")
def test_a_screen_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":987")
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    screen = examined("Screen")
    assert screen.state == "note"
    assert "libxcb" in screen.remedy


def test_report_is_aligned() -> None:
    findings = [
        Finding("First", "a", "1.0"),
        Finding("First", "longer", "none", "missing", "pip install longer", is_needed=True),
        Finding("Second", "b", "2.0"),
    ]
    lines = format_report(findings).splitlines()
    assert lines == [
        "First",
        "  ok       a       1.0",
        "  MISSING  longer  none",
        "                   pip install longer",
        "",
        "Second",
        "  ok       b       2.0",
    ]
    assert not can_run(findings)
    assert can_run(findings[:1])
