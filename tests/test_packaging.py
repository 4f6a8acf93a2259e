"""The manifest that napari reads, and the command, as installed from the source tree."""

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from npe2 import PluginManifest

from training import __version__

ROOT = Path(__file__).parents[1]


def test_the_manifest_is_valid_and_its_commands_exist() -> None:
    manifest = PluginManifest.from_file(ROOT / "napari.yaml")
    assert manifest.name == "napari-unet-mindspore"
    manifest.validate_imports()


def test_napari_finds_the_manifest() -> None:
    (point,) = [
        point
        for point in entry_points(group="napari.manifest")
        if point.name == "napari-unet-mindspore"
    ]
    manifest = PluginManifest._from_entrypoint(point, point.dist)
    assert manifest is not None
    assert manifest.display_name


@pytest.mark.parametrize(
    ("package", "mended"), [("pillow", "10.3"), ("tqdm", "4.66.3"), ("onnx", "1.18")]
)
def test_the_lowest_versions_have_no_known_weakness(package: str, mended: str) -> None:
    """Of Pillow CVE-2023-50447 and 2024-28219, of tqdm 2024-34062, of onnx 2025-51480."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    floors = re.findall(rf'"{package}>=([\d.]+)', text)
    assert floors and min(map(numbers, floors)) >= numbers(mended)


def numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def test_the_console_script_runs() -> None:
    script = Path(sys.executable).parent / "napari-unet"
    result = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert __version__ in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [["train", "--data", "nowhere"], ["train", "--resume", "nowhere"], ["predict", "no", "no"]],
)
def test_bad_input_gives_one_sentence_and_exit_code_2(arguments: list[str], tmp_path: Path) -> None:
    script = Path(sys.executable).parent / "napari-unet"
    result = subprocess.run([script, *arguments], capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert "Error: " in result.stderr
