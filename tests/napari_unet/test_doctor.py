import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from napari_unet.cli.doctor import command
from tests.training.fake_npu_smi import install_npu_smi

VARIABLES = ("ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME", "DISPLAY", "WAYLAND_DISPLAY")


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No NPU, CANN or display, and a MindSpore that imports at once."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    make_mindspore(tmp_path, monkeypatch, "")


def make_mindspore(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    (folder / "mindspore.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(folder))


def set_version(monkeypatch: pytest.MonkeyPatch, package: str, version: str | None) -> None:
    real = importlib.metadata.version

    def answer(name: str) -> str:
        if name != package:
            return real(name)
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(importlib.metadata, "version", answer)


def run_doctor() -> Result:
    return CliRunner().invoke(command, catch_exceptions=False)


def line_of(result: Result, topic: str) -> str:
    (line,) = [line for line in result.output.splitlines() if f"  {topic} " in line]
    return line


def test_this_environment_is_well_in_a_real_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH")
    script = Path(sys.executable).parent / "napari-unet"
    done = subprocess.run([script, "doctor"], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MISSING" not in done.stdout
    for name in ("mindspore", "openvino", "napari"):
        assert importlib.metadata.version(name) in done.stdout


def test_neither_npu_nor_display_is_needed() -> None:
    result = run_doctor()
    assert result.exit_code == 0
    assert "none; training uses the CPU" in line_of(result, "Ascend NPUs")
    assert "none" in line_of(result, "Display")
    assert "xvfb-run napari" in result.output


def test_the_display_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":7")
    assert ":7" in line_of(run_doctor(), "Display")


def test_npus_without_cann_are_told(tmp_path: Path) -> None:
    install_npu_smi(tmp_path, [0, 3], busy=[3])
    result = run_doctor()
    assert "3 910B3 (busy)" in line_of(result, "Ascend NPUs")
    assert "MISSING" in line_of(result, "CANN")
    assert "--device cpu" in result.output
    assert result.exit_code == 1


def test_cann_is_to_be_sourced(tmp_path: Path) -> None:
    install_npu_smi(tmp_path, [0])
    script = Path.home() / "Ascend/cann/set_env.sh"
    script.parent.mkdir(parents=True)
    script.touch()
    result = run_doctor()
    assert "MISSING" in line_of(result, "CANN")
    assert f"source {script}" in result.output


def test_cann_is_well_when_its_environment_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_npu_smi(tmp_path, [0])
    monkeypatch.setenv("ASCEND_HOME_PATH", "/opt/cann")
    result = run_doctor()
    assert result.exit_code == 0
    assert "/opt/cann" in line_of(result, "CANN")


def test_no_mindspore(monkeypatch: pytest.MonkeyPatch) -> None:
    set_version(monkeypatch, "mindspore", None)
    result = run_doctor()
    assert result.exit_code == 1
    assert "MISSING" in line_of(result, "MindSpore")
    assert "[mindspore]" in result.output


def test_mindspore_that_can_not_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_mindspore(tmp_path, monkeypatch, "raise ImportError('libgomp is gone')")
    result = run_doctor()
    assert result.exit_code == 1
    assert "libgomp is gone" in line_of(result, "MindSpore")


def test_mindspore_that_crashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_mindspore(tmp_path, monkeypatch, "import os; os.abort()")
    result = run_doctor()
    assert result.exit_code == 1
    assert "can't be imported" in line_of(result, "MindSpore")


def test_numpy_2_is_too_new_for_mindspore(monkeypatch: pytest.MonkeyPatch) -> None:
    set_version(monkeypatch, "numpy", "2.1.0")
    result = run_doctor()
    assert result.exit_code == 1
    assert "2.1.0" in line_of(result, "MindSpore")
    assert "'numpy<2'" in result.output


@pytest.mark.parametrize(("package", "exit_code"), [("openvino", 1), ("napari", 0)])
def test_a_missing_package_is_told_with_its_remedy(
    package: str, exit_code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_version(monkeypatch, package, None)
    result = run_doctor()
    assert result.exit_code == exit_code
    assert "not installed" in line_of(result, package)
    assert f"pip install {package}" in result.output


def test_no_qt_binding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_unet.doctor.QT_BINDINGS", ("PyQt4",))
    result = run_doctor()
    assert result.exit_code == 0
    assert "[pyqt5]" in result.output
