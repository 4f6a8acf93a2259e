"""The wheel that people install, and the manifest that napari reads."""

import subprocess
import sys
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from npe2 import PluginManifest

from training import __version__

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    assert path.name == f"napari_unet_mindspore-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_wheel_holds_both_packages_and_the_manifest(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for name in (
        "napari_unet/__init__.py",
        "napari_unet_manifest/napari.yaml",
        "training/train.py",
        "training/scripts/run_standalone_train.sh",
        "training/scripts/run_standalone_eval.sh",
        "training/scripts/run_distribute_train.sh",
    ):
        assert name in names
    tops = {name.partition("/")[0] for name in names}
    assert tops == {
        "napari_unet",
        "napari_unet_manifest",
        f"napari_unet_mindspore-{__version__}.dist-info",
        "training",
    }


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
