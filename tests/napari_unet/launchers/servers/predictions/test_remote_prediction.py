"""Predictions on a server as a person types them, over OpenSSH."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_unet.cli.remote_prediction import follow_prediction
from napari_unet.launchers.servers.connection import Server
from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.predictions.prediction_launcher import PredictionLauncher
from napari_unet.launchers.servers.predictions.record import parse_prediction, result_path
from napari_unet.launchers.servers.predictions.request import PredictionRequest
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.profiles import remove_profile
from napari_unet.neurons.linking import StackLinker
from napari_unet.neurons.segmentation import Segmentation, find_neurons
from tests.napari_unet.launchers.servers.loopback.begun_command import PROGRAM, begun, read_until
from tests.napari_unet.launchers.servers.loopback.small_disk import small_disk
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from tests.napari_unet.launchers.servers.predictions.conftest import TypeIn
from tests.stack_files import read_pixel_size
from tests.terminal import on_terminal
from training.devices.run_processes import kill_processes
from training.errors import UserError
from training.formats.pixel_size import PixelSize
from training.masks.writer_choice import write_stack
from training.model.starter_model import starter_path
from training.opening import open_stack, read_stack

pytestmark = pytest.mark.usefixtures("lab")


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def name_there(sshd: Sshd) -> str:
    (path,) = (sshd.work / "runs").iterdir()
    return path.name


def processes_of(lab: Profile, name: str) -> list[str]:
    """What works on the server in a prediction's folder, by ``ps``."""
    listed = wait_for(Server(lab).run("ps -eo args ww"))
    return [line for line in listed.splitlines() if f"{lab.folder}/runs/{name}" in line]


def test_a_prediction_goes_on_without_this_machine_and_comes_home_whole(
    sshd: Sshd, folder: Path, type_in: TypeIn
) -> None:
    hold = sshd.work.with_name("hold-slice")
    hold.write_text("3")
    results = ("-o", "mask.tif", "--probability", "probability.zarr")
    command = ("predict", "starter", "stack.tif", "--remote=lab", "--threshold=0.25", *results)
    with begun(folder, *command) as process:
        lines = read_until(process, "3 of 6 slices")
        sshd.stop()
        read_until(process, "Trying again in")
        sshd.start()
    name = name_there(sshd)
    assert f"The prediction is {name}, on lab.\n" in lines
    assert "Uploading stack.tif: 100 %\n" in lines
    assert type_in("runs").output.split() == [name, "running", "3/6", "lab"]
    assert type_in("runs", "--remote=lab").output.split()[:3] == [name, "running", "3/6"]
    running = type_in("fetch", name)
    assert running.code == 2 and f"{name} is running, 3/6 slices" in running.errors
    assert not (folder / "mask.tif").exists()

    hold.unlink()
    again = type_in(*command)
    assert again.code == 0, again
    assert f"Going on: the prediction is {name}, on lab." in again.output
    assert "Uploading" not in again.errors
    assert again.output.endswith("mask: mask.tif\nprobability: probability.zarr\n")
    expected = tifffile.imread(folder / "stack.tif") / np.float32(255)
    np.testing.assert_array_equal(tifffile.imread(folder / "mask.tif") == 0, expected >= 0.25)
    np.testing.assert_array_equal(read_stack(folder / "probability.zarr"), expected)
    assert read_pixel_size(folder / "mask.tif") == PixelSize(50, 4, 4)
    assert files_below(sshd.work / "runs") == files_below(folder / "runs") == []


def test_a_prediction_is_stopped_and_asked_for_again(
    sshd: Sshd, folder: Path, type_in: TypeIn, lab: Profile
) -> None:
    sshd.work.with_name("hold-slice").write_text("2")
    command = ("predict", "starter", "stack.tif", "--remote=lab", "-o", "mask.tif")
    with begun(folder, *command) as process:
        read_until(process, "2 of 6 slices")
        name = name_there(sshd)
        stopped = type_in("stop", name)
        assert stopped.output == f"{name} ends now, and keeps nothing.\n"
        read_until(process, f"The prediction {name} is stopped.")
        assert process.wait() == 1
    assert processes_of(lab, name) == []
    left = {path.name for path in (sshd.work / "runs" / name).iterdir()}
    assert "predict.log" in left and not {"slices", "mask.tif"} & left
    assert not any("mask" in each for each in left)  # nor what was half written
    assert type_in("runs").output.split() == [name, "stopped", "2/6", "lab"]
    with begun(folder, *command) as process:
        read_until(process, "2 of 6 slices")
        (second,) = {path.name for path in (sshd.work / "runs").iterdir()} - {name}
        assert type_in("stop", second, "--now").output == f"No process of {second} is left.\n"
        read_until(process, f"The prediction {second} is interrupted.")
    assert processes_of(lab, second) == []
    assert not (folder / "mask.tif").exists()


def test_a_killed_prediction_goes_on_where_it_was(
    sshd: Sshd, folder: Path, type_in: TypeIn, lab: Profile
) -> None:
    """No slice is predicted twice; with results there and here."""
    there = sshd.folder / "their data"
    there.mkdir()
    probability = f"lab:{there}/probability.zarr"
    results = ("-o", "mask.tif", "--probability", probability, "--threshold=0.25")
    command = ("predict", "starter", "stack.tif", "--remote=lab", *results)
    deadly = sshd.work.with_name("die-at-slice")
    deadly.write_text("4")
    killed = type_in(*command)
    assert killed.code == 1 and "is interrupted." in killed.output, killed
    assert "predict again: it goes on after the slices that are done." in killed.errors
    name = name_there(sshd)
    assert not (folder / "mask.tif").exists() and not list(there.glob("probability*"))
    # As one leaves it that is killed after its results have their names, and before it says so.
    (sshd.work / "runs" / name / "mask.tif").write_text("a mask")
    hold = sshd.work.with_name("hold-slice")
    deadly.unlink()
    hold.write_text("5")
    with begun(folder, *command) as process:
        lines = read_until(process, "Note: Slices done before: 4")
        assert f"Going on: the prediction is {name}, on lab.\n" in lines
        log = sshd.work / "runs" / name / "predict.log"
        begun_slices = [line for line in log.read_text().split("\n") if "predicting" in line]
        assert begun_slices == sorted(set(begun_slices))
        hold.unlink()
        read_until(process, "mask: mask.tif")
        assert process.wait() == 0
    expected = tifffile.imread(folder / "stack.tif") / np.float32(255)
    np.testing.assert_array_equal(tifffile.imread(folder / "mask.tif") == 0, expected >= 0.25)
    np.testing.assert_array_equal(read_stack(there / "probability.zarr"), expected)
    assert files_below(sshd.work / "runs") == files_below(folder / "runs") == []


def test_a_killed_prediction_is_resumed_by_its_name(
    sshd: Sshd, folder: Path, type_in: TypeIn
) -> None:
    """Without the stack and the model, which are on the server; only where that can be."""
    deadly = sshd.work.with_name("die-at-slice")
    deadly.write_text("4")
    results = ("-o", "mask.tif", "--threshold=0.25", "--convention=membrane")
    assert type_in("predict", "starter", "stack.tif", "--remote=lab", *results).code == 1
    deadly.unlink()
    name = name_there(sshd)
    expected = tifffile.imread(folder / "stack.tif") / np.float32(255) >= 0.25
    (folder / "stack.tif").unlink()
    there = sshd.work / "runs" / name
    options = there / "options.txt"
    lost = options.rename(there / "lost")
    refused = type_in("predict", "--resume", name)
    assert refused.code == 2 and f"lab no longer has {options}" in refused.errors
    lost.rename(options)

    hold = sshd.work.with_name("hold-slice")
    hold.write_text("5")
    with begun(folder, "predict", "--resume", name) as process:
        read_until(process, "Note: Slices done before: 4")
        running = type_in("predict", "--resume", name)
        assert running.code == 2 and running.errors.endswith("is not resumed. It goes on.\n")
        hold.unlink()
        mask = folder / "runs" / name / "mask.tif"
        read_until(process, f"mask: {mask}")
        assert process.wait() == 0
    np.testing.assert_array_equal(tifffile.imread(mask) == 255, expected)
    printed = (there / "predict.log").read_text().splitlines()
    predicted = [line for line in printed if line.startswith("predicting")]
    assert predicted == [f"predicting slice {index}" for index in range(6)]
    assert "It has finished." in type_in("predict", "--resume", name).errors
    assert type_in("stop", name).output == f"{name} has ended before: it is finished.\n"
    assert "Give no other option" in type_in("predict", "--resume", name, "--tta").errors
    trained = type_in("train", "--resume", f"runs/{name}").errors
    assert f"napari-unet predict --resume {name}" in trained


def test_a_prediction_does_not_go_on_where_its_log_can_not_be_written(
    sshd: Sshd, folder: Path, type_in: TypeIn
) -> None:
    with small_disk(sshd.work, "size=20m"):
        deadly = sshd.work.with_name("die-at-slice")
        deadly.write_text("4")
        predict = ("predict", "starter", "stack.tif", "--remote=lab", "-o", "mask.tif")
        assert type_in(*predict).code == 1
        deadly.unlink()
        subprocess.run(["mount", "-o", "remount,ro", sshd.work], check=True)
        refused = type_in("predict", "--resume", name_there(sshd))
        assert refused.code == 2 and "predict.log: Read-only file system" in refused.errors


def test_a_prediction_whose_files_are_gone_or_damaged_is_resumed_once_they_are_back(
    sshd: Sshd, folder: Path, type_in: TypeIn
) -> None:
    """What is gone is told before it begins, and a failed one keeps the slices that are done."""
    there = sshd.folder / "their data"
    there.mkdir()
    pages = tifffile.imread(folder / "stack.tif")
    stack = there / "stack.h5"
    write_stack(stack / "raw", pages, "uint8", is_label=False)
    (folder / "model.safetensors").write_bytes(starter_path().read_bytes())
    sshd.work.with_name("die-at-slice").write_text("4")
    command = ("predict", "model.safetensors", f"lab:{stack}/raw", "--remote=lab", "-o", "mask.tif")
    assert type_in(*command).code == 1
    sshd.work.with_name("die-at-slice").unlink()
    name = name_there(sshd)
    (model,) = (sshd.work / "store").iterdir()
    for gone, shown, remedy in (
        (stack, f"{stack}/raw, the stack", f"Put it there again and resume {name}"),
        (model, f"{model}, the model", f"Give the command that began {name} again"),
    ):
        gone.rename(sshd.folder / "elsewhere")
        refused = type_in("predict", "--resume", name)
        told = f"lab no longer has {shown} of {name}, which stays as it was. {remedy}"
        assert refused.code == 2 and told in refused.errors, refused
        assert type_in("runs").output.split()[:2] == [name, "interrupted"]
        (sshd.folder / "elsewhere").rename(gone)

    model.write_text("damaged")
    for _ in range(2):
        failed = type_in("predict", "--resume", name)
        assert failed.code == 1 and f"{name} is failed." in failed.output, failed
    done = type_in(*command)
    assert done.code == 0 and f"Going on: the prediction is {name}, on lab." in done.output, done
    assert "Slices done before: 4" in done.output + done.errors
    mask = tifffile.imread(folder / "mask.tif")
    np.testing.assert_array_equal(mask == 0, pages / np.float32(255) >= 0.5)


def test_one_command_waits_for_a_prediction(sshd: Sshd, folder: Path, type_in: TypeIn) -> None:
    """The first that has its results deletes it, and the other would find half of them."""
    hold = sshd.work.with_name("hold-slice")
    hold.write_text("2")
    command = ("predict", "starter", "stack.tif", "--remote=lab", "-o")
    with begun(folder, *command, "mask.tif") as process:
        read_until(process, "2 of 6 slices")
        refused = type_in(*command, "other.tif")
        told = f"Another command is waiting for the results of {name_there(sshd)}."
        assert refused.code == 2 and told in refused.errors, refused
        hold.unlink()
        assert process.wait() == 0
    assert tifffile.imread(folder / "mask.tif").shape == (6, 20, 30)
    assert files_below(sshd.work / "runs") == files_below(folder / "runs") == []


def test_predictions_that_begin_in_the_same_second_are_two(
    sshd: Sshd, lab: Profile, folder: Path, tmp_path: Path
) -> None:
    """Of one computer, or of two whose person has one account on the server."""
    sshd.work.with_name("hold-slice").write_text("2")
    stacks = [folder / f"{value}.tif" for value in (10, 220, 120)]
    computers = [PredictionLauncher(lab, tmp_path / name / "runs") for name in "aab"]
    requests = []
    for stack in stacks:
        page = np.full((20, 30), int(stack.stem), np.uint8)
        tifffile.imwrite(stack, np.stack([page] * 4), photometric="minisblack")
        requests.append(PredictionRequest(starter_path(), stack, {"probability": ""}))
    runs = [
        launcher.predict(request, "now").run
        for launcher, request in zip(computers, requests, strict=True)
    ]
    assert [run.name for run in runs] == ["now", "now-2", "now-3"]
    sshd.work.with_name("hold-slice").unlink()
    for launcher, run, stack in zip(computers, runs, stacks, strict=True):
        assert follow_prediction(run, launcher, "")
        launcher.fetch(run)
        found = tifffile.imread(result_path(run, "probability"))
        np.testing.assert_array_equal(found, np.float32(int(stack.stem)) / np.float32(255))
        launcher.close()


def test_why_a_prediction_failed_is_told(sshd: Sshd, folder: Path, type_in: TypeIn) -> None:
    pages = tifffile.imread(folder / "stack.tif").astype(np.float32)
    pages[3, 4, 5] = np.nan
    tifffile.imwrite(folder / "bad.tif", pages)
    failed = type_in("predict", "starter", "bad.tif", "--remote=lab", "-o", "mask.tif")
    name = name_there(sshd)
    assert failed.code == 1
    assert f"The prediction {name} is failed." in failed.output
    assert "Error: On lab: Slice 3 of " in failed.errors and "has NaN" in failed.errors
    assert "Slice 3 of " in type_in("fetch", name, "--log=0").output
    assert "has NaN" in type_in("fetch", name).errors
    assert not (folder / "mask.tif").exists()


def test_another_computer_brings_a_prediction_home(
    sshd: Sshd, folder: Path, tmp_path: Path, type_in: TypeIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = sshd.work.with_name("hold-slice")
    hold.write_text("2")
    command = ("predict", "starter", "stack.tif", "--remote=lab", "-o", "mask.tif")
    with begun(folder, *command) as process:
        read_until(process, "2 of 6 slices")
    name = name_there(sshd)
    elsewhere = tmp_path / "another computer"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert "is running" in type_in("fetch", name, "--remote=lab").errors
    hold.unlink()
    mask = elsewhere / "runs" / name / "mask.tif"
    followed = type_in("follow", name)
    assert followed.code == 0 and followed.output.endswith(f"mask: {mask}\n")
    assert tifffile.imread(mask).shape == (6, 20, 30)
    assert type_in("runs", "--remote=lab").output.split()[:3] == [name, "finished", "6/6"]


def test_a_stack_of_another_format_and_a_model_are_sent(
    sshd: Sshd, folder: Path, type_in: TypeIn, write_model: object, tmp_path: Path
) -> None:
    """Where it begins is kept, though TIFs can't say it; many stacks go one by one."""
    pages = tifffile.imread(folder / "stack.tif")
    where = {"pixel_size": PixelSize(30, 5, 5), "offset": (60.0, 10.0, 15.0)}
    write_stack(folder / "away.zarr", pages, "uint8", is_label=False, **where)
    command = ("predict", "starter", "away.zarr", "stack.tif", "--remote=lab", "--format=zarr")
    done = type_in(*command, "-o", "masks")
    assert done.code == 0, done
    with open_stack(folder / "masks" / "away.zarr") as mask:
        assert mask.pixel_size == where["pixel_size"] and mask.offset == where["offset"]
    with open_stack(folder / "masks" / "stack.zarr") as mask:
        assert mask.shape == (6, 20, 30)
    part = ("predict", "starter", "away.zarr", "--remote=lab", "--region=2:5,4:,:7")
    done = type_in(*part, "-o", "part.zarr", "--pixel-size=40,5,5")
    assert done.code == 0, done
    with open_stack(folder / "part.zarr") as mask:
        assert mask.pixel_size == PixelSize(40, 5, 5) and mask.offset == (140.0, 30.0, 15.0)
        expected = pages[2:5, 4:, :7] / np.float32(255) >= 0.5
        np.testing.assert_array_equal(np.stack([*mask]) == 0, expected)
    outside = type_in(*part[:-1], "--region=2:9", "-o", "outside.tif")
    assert outside.code == 2 and "The region reaches to 9 along Z" in outside.errors
    assert {path.suffix for path in (sshd.work / "store").iterdir()} == {".tif"}
    assert not list((folder / "runs").iterdir())


@pytest.mark.parametrize("gone", ["", "mask.tif"])
def test_what_was_deleted_on_the_server_is_predicted_anew(
    sshd: Sshd, folder: Path, type_in: TypeIn, lab: Profile, gone: str
) -> None:
    request = PredictionRequest(starter_path(), folder / "stack.tif", {"mask": ""})
    launcher = PredictionLauncher(lab, folder / "runs")
    first = launcher.predict(request, "first").run
    while launcher.state(first).status != "finished":
        launcher.refresh(first)
    launcher.close()
    there = sshd.work / "runs" / "first" / gone
    there.rename(sshd.folder / "deleted")
    lost = type_in("fetch", "first")
    assert lost.code == 2 and "lab no longer has the mask of first. Predict again." in lost.errors
    done = type_in("predict", "starter", "stack.tif", "--remote=lab", "-o", "mask.tif")
    assert done.code == 0 and "Going on" not in done.output, done
    assert (folder / "mask.tif").exists()


def test_a_folder_that_vanishes_from_the_server_is_told(
    sshd: Sshd, folder: Path, type_in: TypeIn, lab: Profile
) -> None:
    """As where another computer brings the results home, which removes it."""
    sshd.work.with_name("hold-slice").write_text("2")
    with begun(folder, "predict", "starter", "stack.tif", "--remote=lab", "-o", "m.tif") as process:
        read_until(process, "2 of 6 slices")
        name = name_there(sshd)
        (sshd.work / "runs" / name).rename(sshd.folder / "elsewhere")
        kill_processes(json.loads((sshd.folder / "elsewhere" / "launch.json").read_text())["id"])
        read_until(process, "Error: On lab: Its folder on lab is gone: another computer has")
        assert process.wait() == 1
    assert type_in("runs").output.split() == [name, "interrupted", "2/6", "lab"]


def test_all_results_come_home_or_none(sshd: Sshd, folder: Path, type_in: TypeIn) -> None:
    """The same command goes on where there is room for all of them."""
    command = ("predict", "starter", "stack.tif", "--remote=lab", "-o", "small/mask.tif")
    command += ("--probability", "small/probability.tif")
    with small_disk(folder / "small", "size=12k"):
        full = type_in(*command)
        assert full.code == 2 and "probability.tif can't be written: No space" in full.errors
        assert not list((folder / "small").iterdir())
    name = name_there(sshd)
    done = type_in(*command)
    assert done.code == 0 and f"Going on: the prediction is {name}" in done.output
    assert len(list((folder / "small").iterdir())) == 2


def test_neurons_are_found_here(folder: Path, type_in: TypeIn) -> None:
    done = type_in("segment", "starter", "stack.tif", "--remote=lab", "-o", "neurons.tif", "--link")
    assert done.code == 0, done
    probability = tifffile.imread(folder / "stack.tif") / np.float32(255)
    linker = StackLinker()
    expected = np.stack(list(find_neurons(probability, Segmentation(), linker)))
    linker.renumber(expected)
    np.testing.assert_array_equal(tifffile.imread(folder / "neurons.tif"), expected)
    assert expected.max() > 6


def test_a_terminal_shows_a_bar(folder: Path) -> None:
    command = (PROGRAM, "predict", "starter", "stack.tif", "--remote=lab", "-o", "mask.tif")
    shown = on_terminal(folder, *command)
    assert "Predicting: 100%" in shown and "6/6" in shown
    assert shown.rstrip().endswith("mask: mask.tif")


def test_what_is_on_the_server_stays_there(sshd: Sshd, folder: Path, type_in: TypeIn) -> None:
    there = sshd.folder / "their data"
    there.mkdir()
    pages = tifffile.imread(folder / "stack.tif")
    write_stack(there / "stack.zarr", pages, "uint8", is_label=False)
    command = ("predict", "starter", f"lab:{there}/stack.zarr", "--remote=lab")
    result = ("-o", f"lab:{there}/it's.tif")
    done = type_in(*command, *result, "--convention=membrane")
    assert done.code == 0, done
    assert done.output.endswith(f"mask: lab:{there}/it's.tif\n")
    assert "Uploading stack" not in done.errors
    mask = tifffile.imread(there / "it's.tif")
    np.testing.assert_array_equal(mask == 255, pages / np.float32(255) >= 0.5)
    assert type_in(*command, "-o", f"lab:{there}/mask.zarr").code == 0
    np.testing.assert_array_equal(read_stack(there / "mask.zarr") == 255, mask == 0)
    assert not files_below(sshd.work / "store") and not files_below(sshd.work / "runs")

    refused = type_in(*command, *result)
    assert refused.code == 2 and "On lab: " in refused.errors
    assert "it's.tif exists already. Choose another name, or use --overwrite." in refused.errors
    assert type_in(*command, *result, "--overwrite").code == 0
    (there / "stack.zarr" / "zarr.json").write_text("{")
    (there / "text.tif").write_text("text")
    for name in ("none.tif", "stack.zarr", "text.tif"):
        bad = type_in("predict", "starter", f"lab:{there}/{name}", "--remote=lab", "-o", "mask.tif")
        assert bad.code == 2 and "On lab: " in bad.errors and f"{there}/{name}" in bad.errors
    assert not files_below(sshd.work / "runs")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("lab:/data/a.tif", "-o", "m.tif"), "lab:/data/a.tif is on a server. Give --remote lab."),
        (("stack.tif", "-o", "lab:/data/m.tif"), "lab:/data/m.tif is on a server."),
        (("other:/a.tif", "--remote=lab", "-o", "m.tif"), "other:/a.tif is not on lab"),
        (("stack.tif", "--devices=2", "-o", "m.tif"), "--devices is for a server."),
        (("stack.tif", "--remote=none", "-o", "m.tif"), "There is no server 'none'"),
        (("stack.tif", "--remote=lab", "-o", "m.tif", "--memory=1"), "--memory is not for what"),
        (("stack.tif", "--remote=lab", "-o", "stack.tif"), "stack.tif exists already"),
        (
            ("stack.tif", "--remote=lab", "-o", "m.tif", "--resample"),
            "does not know the pixel size",
        ),
        (
            ("stack.tif", "--remote=lab", "-o", "lab:/m.zarr", "--ome-zarr=0.4"),
            "--ome-zarr is not for what a server writes",
        ),
        (
            ("stack.tif", "lab:/a.tif", "--remote=lab", "-o", "lab:/masks"),
            "Results of many stacks can't stay on a server.",
        ),
        (("stack.tif", "--remote=lab", "-o", "lab:/masks"), "lab:/masks does not name the file"),
        (
            ("stack.tif", "--remote=lab", "-o", "lab:m.tif"),
            "lab:m.tif is not an absolute path on lab",
        ),
        (
            ("lab:~/a.tif", "-o", "m.tif"),
            "lab:~/a.tif is not an absolute path on lab. Give the whole",
        ),
        (("C:\\data\\a.tif", "--remote=lab", "-o", "m.tif"), "C:\\data\\a.tif"),
    ],
)
def test_what_does_not_go_together_is_a_sentence(
    type_in: TypeIn, arguments: tuple[str, ...], told: str, sshd: Sshd
) -> None:
    refused = type_in("predict", "starter", *arguments)
    assert refused.code == 2 and told in refused.errors, refused
    assert not sshd.work.exists()


def test_models_that_mindspore_does_not_predict_with(
    folder: Path, type_in: TypeIn, sshd: Sshd
) -> None:
    for name in ("model.onnx", "model.zip", "secret.safetensors"):
        (folder / name).write_text("-----BEGIN OPENSSH PRIVATE KEY-----")
        refused = type_in("predict", name, "stack.tif", "--remote=lab", "-o", "mask.tif")
        assert refused.code == 2 and name in refused.errors
    assert not sshd.work.exists()


def test_a_stranger_s_prediction_changes_nothing(sshd: Sshd, folder: Path, type_in: TypeIn) -> None:
    """It is shown; its server, which is none of the person's, is asked for nothing more."""
    sshd.work.with_name("hold-slice").write_text("2")
    with begun(folder, "predict", "starter", "stack.tif", "--remote=lab", "-o", "m.tif") as process:
        read_until(process, "2 of 6 slices")
    name = name_there(sshd)
    remove_profile("lab")
    for arguments in (("stop", name), ("stop", name, "--now"), ("predict", "--resume", name)):
        refused = type_in(*arguments)
        assert refused.code == 2 and "not one of your servers" in refused.errors
    assert type_in("runs").output.split()[:2] == [name, "running"]
    record = folder / "runs" / name / "prediction.json"
    whole = record.read_text()
    record.write_text(whole.replace('"mask": ""', '"../../mask": ""'))
    assert "unreadable" in type_in("runs").output
    for change in ('"results": {"neurons": ""}', '"results": 3', '"more": 1, "results": {}'):
        with pytest.raises(UserError, match=r"there is damaged"):
            parse_prediction(whole.replace('"results": {\n    "mask": ""\n  }', change), "there")
