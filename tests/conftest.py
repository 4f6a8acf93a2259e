"""What all tests share."""

import gc
import os
import signal
from pathlib import Path

import numpy as np
import pytest

ISBI_FILES = ("train-volume.tif", "train-labels.tif", "test-volume.tif")


def pytest_configure() -> None:
    """Let tests of signals work where a shell or ``nohup`` has what it starts ignore them."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave alone what ``-m portable`` does not run: it may need what this system lacks."""
    if config.option.markexpr != "portable" or not collection_path.match("test_*.py"):
        return None
    return "pytest.mark.portable" not in collection_path.read_text(encoding="utf-8") or None


_modules_begun: set[str] = set()


def pytest_runtest_logfinish(nodeid: str) -> None:
    """Leave what a module's first test has imported out of the collections that napari forces."""
    module, _, _ = nodeid.partition("::")
    if module not in _modules_begun:
        _modules_begun.add(module)
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def isbi() -> Path:
    """Folder of the real ISBI stacks, which are not ours to pass on."""
    beside = Path(__file__).parents[2] / "shared" / "isbi"
    folder = Path(os.environ.get("NAPARI_UNET_ISBI", beside))
    if not all((folder / name).is_file() for name in ISBI_FILES):
        pytest.skip(f"the ISBI stacks are not in {folder}: NAPARI_UNET_ISBI can name their folder")
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for every test: none reads or writes the user's."""
    home = tmp_path_factory.mktemp("home")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    for name, folder in (("CONFIG", ".config"), ("CACHE", ".cache"), ("DATA", ".local/share")):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / folder))
    return home


@pytest.fixture
def images() -> np.ndarray:
    """Seven slices (Z, Y, X) of 8 bit: dark lines, as membranes, on a noisy bright ground."""
    random = np.random.default_rng(0)
    stack = random.integers(150, 256, (7, 61, 83), dtype=np.uint8)
    for index, page in enumerate(stack):
        page[10 + index : 20 + index] = random.integers(0, 60, (10, 83))
        page[:, 40:48] = random.integers(0, 60, (61, 8))
    return stack


@pytest.fixture
def membrane(images: np.ndarray) -> np.ndarray:
    return images < 100
