"""A run goes on with its own data alone, wherever they are now."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result
from safetensors.numpy import save_file

from napari_unet.cli.train import command
from training.config import preset_config
from training.dataset.training_set import load_training_set
from training.errors import UserError
from training.model.card_of_training import describe_model
from training.model.saved_model import CARD_KEY
from training.runs.run_directory import RunDirectory

Resume = Callable[..., Result]


@pytest.fixture
def data(tmp_path: Path, images: np.ndarray, membrane: np.ndarray) -> Path:
    folder = tmp_path / "old"
    folder.mkdir()
    tifffile.imwrite(folder / "sections.tif", images)
    tifffile.imwrite(folder / "truth.tif", np.where(membrane, 0, 255).astype(np.uint8))
    return folder


@pytest.fixture
def run(tmp_path: Path, data: Path) -> RunDirectory:
    """A run that was stopped after its first checkpoint."""
    run = RunDirectory(tmp_path / "run")
    names = {"image": str(data / "sections.tif"), "labels": str(data / "truth.tif")}
    run.create(preset_config("compact", data_url=str(data), **names))
    card = describe_model(run.read_config(), load_training_set(run.read_config()))
    metadata = {CARD_KEY: card.to_json()}
    save_file({"weight": np.zeros(1)}, run.checkpoint("compact", 1, 9), metadata)
    return run


@pytest.fixture
def resume(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> Resume:
    monkeypatch.setattr("napari_unet.cli.train.train_here", lambda run, python: 0)

    def resume(*options: object) -> Result:
        arguments = ["--resume", str(run.path), *map(str, options)]
        return CliRunner().invoke(command, arguments, catch_exceptions=False)

    return resume


def test_a_run_goes_on_with_data_that_were_moved(
    run: RunDirectory, data: Path, tmp_path: Path, resume: Resume
) -> None:
    data.rename(tmp_path / "new")
    with pytest.raises(UserError, match=r"name it with --data"):
        resume()
    result = resume("--data", tmp_path / "new")
    assert "are those that the run was trained on" in result.output
    config = run.read_config()
    assert config.image == str(tmp_path / "new" / "sections.tif")
    assert config.labels == str(tmp_path / "new" / "truth.tif")
    assert resume().exit_code == 0


def erase(labels: np.ndarray, index: int) -> np.ndarray:
    """A stroke of membrane in a slice's corner, and nothing else, is inside now."""
    labels[index, 15, :9] = 255 - labels[index, 15, :9]
    return labels


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        ("sections.tif", lambda stack: stack[:, ::-1], "is not the stack that"),
        ("truth.tif", lambda stack: stack * (np.arange(7) > 1)[:, None, None], "labels of .* are"),
        ("truth.tif", lambda stack: erase(stack, 4), r"labels of .* not those that .*--weights"),
        ("truth.tif", lambda stack: stack[:5], "has the shape"),
    ],
)
def test_other_data_are_refused_and_the_run_stays(
    run: RunDirectory,
    data: Path,
    resume: Resume,
    name: str,
    change: Callable[[np.ndarray], np.ndarray],
    problem: str,
) -> None:
    before = run.config.read_text()
    stack = tifffile.imread(data / name)
    tifffile.imwrite(data / name, change(stack))
    with pytest.raises(UserError, match=problem):
        resume("--data", data)
    assert run.config.read_text() == before


def test_a_run_without_a_checkpoint_begins_with_what_is_given(
    run: RunDirectory, data: Path, tmp_path: Path, resume: Resume
) -> None:
    for checkpoint in run.list_checkpoints():
        checkpoint.unlink()
    data.rename(tmp_path / "new")
    assert "has no checkpoint yet" in resume("--data", tmp_path / "new").output


def test_data_of_a_run_on_a_server_stay_there(
    resume: Resume, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Elsewhere:
        name = "lab"

    monkeypatch.setattr("napari_unet.cli.train.launcher_for", lambda run: Elsewhere())
    with pytest.raises(UserError, match="are on its server"):
        resume("--data", data)
