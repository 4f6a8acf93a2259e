"""Trainings on data that are on the server already, as a person types them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.remote_launcher import RemoteLauncher
from tests.napari_unet.launchers.servers.loopback.quick_server import write_data
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from tests.napari_unet.launchers.servers.predictions.conftest import TypeIn
from training.config import preset_config
from training.errors import UserError
from training.label_convention import LabelConvention
from training.runs.run_directory import RunDirectory


@pytest.fixture
def there(sshd: Sshd) -> Path:
    """Data in the challenge's names, and labels that are ids, on the server."""
    there = write_data(sshd.folder / "their data")
    z, y, x = np.indices((10, 32, 32))
    ids = (16 * z + y // 8 * 4 + x // 8 + 1).astype(np.uint16)
    tifffile.imwrite(there / "ids.tif", ids)
    return there


@pytest.mark.parametrize(
    ("labels", "convention"),
    [((), LabelConvention.ISBI), (("--labels", "ids.tif"), LabelConvention.INSTANCES)],
)
def test_a_training_on_data_that_are_there(
    lab: Profile,
    sshd: Sshd,
    there: Path,
    folder: Path,
    type_in: TypeIn,
    labels: tuple[str, ...],
    convention: LabelConvention,
) -> None:
    command = ("train", "--data", f"lab:{there}", "--remote=lab", "--steps=10", "--out=runs/first")
    done = type_in(*command, *labels)
    assert done.code == 0, done
    assert "is finished" in done.output
    assert ("Each cell" in done.output or "id" in done.output) or not labels
    assert {path.name for path in (sshd.work / "store").iterdir()} == set()
    config = RunDirectory(sshd.work / "runs" / "first").read_config()
    assert config.image == str(there / "train-volume.tif")
    assert config.labels == str(there / (labels[-1] if labels else "train-labels.tif"))
    assert config.label_convention == convention
    copy = RunDirectory(folder / "runs" / "first").read_config()
    assert copy.image == f"lab:{config.image}"


def test_what_is_wrong_with_data_there_is_a_sentence(
    lab: Profile, there: Path, folder: Path, type_in: TypeIn
) -> None:
    tifffile.imwrite(there / "small.tif", np.zeros((10, 8, 8), np.uint8))
    local = write_data(folder / "data")
    for options, told in {
        ("--data=lab:/none",): "On lab: The data folder /none does not exist.",
        (f"--data=lab:{there}", "--labels=small.tif"): "On lab: ",
        (f"--image=lab:{there}/train-volume.tif", f"--labels={local}/train-labels.tif"): (
            "in several places: lab and this machine"
        ),
        ("--data=lab:data",): "lab:data is not an absolute path on lab.",
        ("--data=data", "--out=lab:/runs/b"): "lab:/runs/b is on a server, and a run, or its copy",
        ("--data=elsewhere:/data",): "The data are on elsewhere. Train there: --remote elsewhere.",
    }.items():
        refused = type_in("train", "--remote=lab", "--out=runs/first", *options)
        assert refused.code == 2 and told in refused.errors, refused
    here = type_in("train", f"--data=lab:{there}", "--out=runs/first")
    assert here.code == 2 and "The data are on lab. Train there: --remote lab." in here.errors
    assert not (folder / "runs").exists()


def test_a_stranger_s_run_names_no_file_of_my_server(
    lab: Profile, sshd: Sshd, there: Path, folder: Path
) -> None:
    """A run that never began is resumed with what lies in its folder alone."""
    launcher = RemoteLauncher(lab, folder / "runs")
    config = preset_config("compact", data_url=str(write_data(folder / "data")), steps=1)
    run = launcher.start(config, "first")
    launcher.cancel(run)
    shutil.rmtree(sshd.work)
    record = run.remote.read_text()
    run.remote.write_text(record.replace(f'"{sshd.work}/runs/first"', ""))
    data = f"lab:{there}"
    stolen = {"image": f"{data}/train-volume.tif", "labels": f"{data}/train-labels.tif"}
    for changes in ({"data_url": data}, {"data_url": "", **stolen}):
        run.config.write_text(config.replace(**changes).to_json())
        with pytest.raises(UserError, match=r"lab:.* is not in its folder"):
            launcher.resume(run)
    assert not (sshd.work / "runs").exists()
