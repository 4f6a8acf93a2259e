"""What people install: the wheel and the sdist, their contents, and both used from elsewhere."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.napari_unet.conftest import UINT8, dark_is_membrane
from training import __version__
from training.model.model_card import ModelCard

ROOT = Path(__file__).parents[2]
NAME = f"napari_unet_mindspore-{__version__}"
PACKAGES = ("napari_unet", "training")
MANIFEST = "napari_unet_manifest/napari.yaml"
LARGEST = 1_000_000  # bytes
Run = Callable[..., str]


def build(source: Path, target: str, folder: Path) -> Path:
    """Build a wheel or an sdist of a source tree into a folder."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def run(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """``run(program, *arguments)`` in an environment that has the wheel and what it depends on.

    All packages of these tests' own environment except ours are linked into it, because tests
    don't download; the working directory has none of our files either.
    """
    folder = tmp_path_factory.mktemp("clean")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = folder / "env" / "lib" / version / "site-packages"
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "napari_unet" not in entry.name:
            (site / entry.name).symlink_to(entry)
    programs = folder / "env" / "bin"
    pip = [sys.executable, "-m", "pip", "--python", programs / "python", "install", "--quiet"]
    subprocess.run([*pip, "--no-index", "--no-deps", wheel], check=True)

    def call(program: str, *arguments: object) -> str:
        command = [programs / program, *map(str, arguments)]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        result = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    return call


def test_the_wheel_holds_our_packages_and_nothing_else(wheel: Path) -> None:
    ours = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    about = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    assert wheel.name == f"{NAME}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        infos = archive.infolist()
        manifest = archive.read(MANIFEST)
    assert {info.filename for info in infos} == (
        ours | {MANIFEST} | {f"{NAME}.dist-info/{name}" for name in about}
    )
    assert {Path(name).suffix for name in ours} == {".py", ".svg", ".sh", ".json", ".safetensors"}
    assert max(info.file_size for info in infos) < LARGEST
    assert manifest == (ROOT / "napari.yaml").read_bytes()


def test_scripts_in_the_wheel_may_be_run(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        scripts = [info for info in archive.infolist() if info.filename.endswith(".sh")]
    assert scripts
    assert all(info.external_attr >> 16 & 0o111 == 0o111 for info in scripts)


def test_the_sdist_holds_what_the_wheel_is_made_of(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    tops = {Path(member.name).relative_to(NAME).parts[0] for member in members if member.isfile()}
    assert tops - {".gitignore"} == {
        *PACKAGES,
        "CHANGELOG.md",
        "LICENSE",
        "PKG-INFO",
        "README.md",
        "napari.yaml",
        "pyproject.toml",
    }
    assert not [file.name for file in members if "__pycache__" in file.name or file.size > LARGEST]


def test_the_sdist_builds_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    subprocess.run(["tar", "-xf", sdist, "-C", tmp_path], check=True)
    again = build(tmp_path / NAME, "wheel", tmp_path / "wheel")
    assert checksums(again) == checksums(wheel)


def checksums(wheel: Path) -> dict[str, int]:
    with zipfile.ZipFile(wheel) as archive:
        return {info.filename: info.CRC for info in archive.infolist()}


def test_the_installed_wheel_is_what_napari_finds(run: Run) -> None:
    assert "napari-unet-mindspore" in run("python", "-m", "npe2", "list", "--fields", "name")
    assert "valid!" in run("python", "-m", "npe2", "validate", "napari-unet-mindspore")
    code = "import napari_unet, training; print(napari_unet.__file__, training.__file__)"
    assert run("python", "-c", code).count("site-packages") == 2


def test_the_installed_command_predicts(run: Run, tmp_path: Path) -> None:
    assert "predict" in run("napari-unet", "--help")
    model, stack, mask = (tmp_path / name for name in ("model.onnx", "stack.tif", "mask.tif"))
    model.write_bytes(dark_is_membrane(ModelCard("compact", UINT8)))
    images = np.random.default_rng(0).integers(0, 256, (2, 40, 50), dtype=np.uint8)
    tifffile.imwrite(stack, images, photometric="minisblack")
    run("napari-unet", "predict", model, stack, "-o", mask)
    assert tifffile.imread(mask).shape == images.shape
