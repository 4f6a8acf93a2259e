"""What is killed: training's writes, prediction, export, project saving and fetching.

Each job runs in processes forked from this one, which has imported what is slow to import::

    python -m tests.faults.writing.kill_jobs JOB PLACE COUNT [PROFILE.json SERVER'S-RUN]

It prints how many kills there were.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file, save

from napari_unet.projects.project import Project
from napari_unet.projects.records import LayerRecord, ProjectState
from napari_unet.settings import Settings, remember
from napari_unet.stacks import napari_writer as writer
from napari_unet.stacks.incremental_tif import SavedStack
from tests.faults.writing.campaign import Campaign, Job
from tests.napari_unet.conftest import dark_is_membrane
from training.config import preset_config
from training.devices.placement import Device
from training.learning.kept_files import KeptFiles
from training.learning.report import Report
from training.learning.step_outcome import StepOutcome
from training.model.model_card import ModelCard
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state
from training.stacks.scaling import Scaling

SHAPE = (3, 48, 40)
CARD = ModelCard("compact", Scaling("uint8", 0, 255))


def stack(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, SHAPE, dtype=np.uint8)


class Training:
    """A run directory as the training keeps it, with a formula in the network's place.

    The same formula for every step, from the weights of the checkpoint: as in a real run, the
    losses of a resumed run show whether anything was lost.
    """

    name = "training"
    between: tuple[str, ...] = (".jsonl", ".safetensors", ".csv", "evaluation.json", "process.json")
    timed: tuple[str, ...] = (".jsonl",)

    def __init__(self, steps: int = 8) -> None:
        self.steps = steps

    def prepare(self, folder: Path) -> None:
        run = RunDirectory(folder / "run")
        run.create(preset_config("compact", data_url=str(folder), steps=self.steps))

    def run(self, folder: Path) -> None:
        run = RunDirectory(folder / "run")
        with run.hold():
            run.remove_leftovers()
            report = Report(run, Device("CPU"))
            files = KeptFiles(run, report)
            done, weights = 0, np.linspace(0, 1, 2000)
            for checkpoint in run.list_checkpoints()[-1:]:
                weights = load_file(checkpoint)["weights"]
                done = int(_metadata(checkpoint)["steps"])
            report.start(
                {}, done, self.steps, preset="compact", total_epochs=1,
                train_slices=[0], valid_slices=[1], validation="",
            )  # fmt: skip
            best = float(_metadata(run.best)["soft_dice"]) if run.best.exists() else 0.0
            for step in range(done + 1, self.steps + 1):
                weights = np.cos(3 * weights + step)
                report.step(step, step, StepOutcome(float(np.mean(weights**2))), 1, 1.0, 1e-3)
                if step % 2 == 0:
                    best = self._keep(run, files, report, step, weights, best)
            files.write()
            files.check()
            for path in run.list_checkpoints()[:-2]:
                path.unlink()
            report.end("finished", self.steps)

    def _keep(
        self,
        run: RunDirectory,
        files: KeptFiles,
        report: Report,
        step: int,
        weights: np.ndarray,
        best: float,
    ) -> float:
        dice = float(np.abs(np.mean(weights)))
        if dice >= best:
            best = dice
            metadata = {"soft_dice": repr(dice)}
            files.put("best model", run.best, save({"weights": weights}, metadata))
            files.put("figures", run.evaluation_json, json.dumps({"step": step}).encode())
            files.put("table", run.evaluation_csv, f"{step}\n".encode())
        content = save({"weights": weights}, {"steps": str(step)})
        files.put("checkpoint", run.checkpoint("unet", step, step), content)
        image = io.BytesIO()
        Image.new("L", (32, 32), step).save(image, "PNG")
        files.put("preview", run.preview_image(step), image.getvalue())
        figures = {"soft_dice": dice, "dice": dice}
        report.event("evaluated", step=step, epoch=step, slices=[], mean=figures)
        files.write()
        for path in run.list_checkpoints()[:-2]:
            path.unlink()
        return best

    def check(self, folder: Path, expected: Path) -> None:
        state, wanted = (load_state(place / "run" / "events.jsonl") for place in (folder, expected))
        assert state.status == "finished"
        assert [step["step"] for step in state.steps] == list(range(1, self.steps + 1))
        losses = [[step["loss"] for step in run.steps] for run in (state, wanted)]
        np.testing.assert_allclose(*losses, rtol=1e-4)
        dice = [[event["mean"] for event in run.evaluations] for run in (state, wanted)]
        assert dice[0] == dice[1]


class Prediction:
    """``napari-unet predict``, with a small network in OpenVINO, over results that exist."""

    name = "prediction"
    between: tuple[str, ...] = (".blob",)
    timed: tuple[str, ...] = (".blob",)

    def prepare(self, folder: Path) -> None:
        import openvino  # noqa: F401  (once, for all that are forked)

        from napari_unet.cli import predict  # noqa: F401

        (folder / "model.onnx").write_bytes(dark_is_membrane(CARD))
        tifffile.imwrite(folder / "stack.tif", stack(0) * 255, photometric="minisblack")
        for name in ("mask.tif", "probability.tif"):
            tifffile.imwrite(folder / name, stack(1))
        (folder / "unsure.csv").write_text("old\n")

    def run(self, folder: Path) -> None:
        from napari_unet.cli.predict import command

        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        arguments = [
            folder / "model.onnx", folder / "stack.tif", "--overwrite",
            "-o", folder / "mask.tif", "--probability", folder / "probability.tif",
            "--uncertainty", folder / "unsure.csv",
        ]  # fmt: skip
        command.main([str(argument) for argument in arguments], standalone_mode=False)

    def check(self, folder: Path, expected: Path) -> None:
        """Nothing differs by its nature."""


class Export:
    """Saving layers over files that exist, as napari's menu does."""

    name = "export"
    between: tuple[str, ...] = ()
    timed: tuple[str, ...] = ()

    def prepare(self, folder: Path) -> None:
        self._write(folder, 1)

    def run(self, folder: Path) -> None:
        self._write(folder, 2)

    def _write(self, folder: Path, seed: int) -> None:
        mask = stack(seed)
        place = {"scale": (50.0, 4.0, 4.0), "units": ("nm", "nm", "nm")}
        writer.write_labels(str(folder / "mask.tif"), mask, place)
        writer.write_labels(str(folder / "neurons.tif"), mask * np.uint8(7), place)
        writer.write_image(str(folder / "image.tif"), mask.astype(np.float32) / 3, place)
        writer.write_submission(str(folder / "challenge.tif"), mask / np.float32(4), place)

    def check(self, folder: Path, expected: Path) -> None:
        """Nothing differs by its nature."""


class ProjectSaving:
    """A project's save: two layers, the document, and the window's own settings."""

    name = "project"
    between: tuple[str, ...] = ()
    timed: tuple[str, ...] = ()

    def prepare(self, folder: Path) -> None:
        Project.create(folder / "project")
        self._save(folder, 1)

    def run(self, folder: Path) -> None:
        self._save(folder, 2)

    def _save(self, folder: Path, seed: int) -> None:
        os.environ["XDG_CONFIG_HOME"] = str(folder / "config")
        project = Project.open(folder / "project")
        project.prepare()
        project.read()
        records = []
        for kind, name in (("labels", "labels/mask.tif"), ("image", "images/sample.tif")):
            SavedStack(project.folder / name, SHAPE, np.uint8).save(stack(seed))
            records.append(LayerRecord(kind=kind, file=name, attributes={"name": kind}))
        project.write(ProjectState(layers=tuple(records), view={"step": [seed, 0, 0]}))
        remember(Settings(model=f"model {seed}"))

    def check(self, folder: Path, expected: Path) -> None:
        """The project opens."""
        assert len(Project.open(folder / "project").read().layers) == 2


class Fetching:
    """``napari-unet fetch`` of a run that has gone on since it was fetched last, over real SSH.

    Parameters
    ----------
    profile : Path
        The server's, as JSON.
    there : Path
        The run on the server.
    """

    name = "fetching"
    between: tuple[str, ...] = (".jsonl", "remote.json")
    timed: tuple[str, ...] = ()

    def __init__(self, profile: Path, there: Path) -> None:
        self._profile, self._there = profile, there

    def prepare(self, folder: Path) -> None:
        import asyncssh  # noqa: F401  (once, for all that are forked)

        from napari_unet.cli import fetch  # noqa: F401
        from napari_unet.launchers.servers import listing  # noqa: F401

        self._train(4)
        launch = {"id": "0123456789abcdef", "devices": 1, "boot_id": ""}
        (self._there / "launch.json").write_text(json.dumps(launch))
        child = os.fork()  # a connection's thread must not be in this process
        if child == 0:
            self._adopt(folder)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        self._train(8)

    def _train(self, steps: int) -> None:
        training = Training(steps)
        if not self._there.exists():
            training.prepare(self._there.parent)
        training.run(self._there.parent)

    def _adopt(self, folder: Path) -> None:
        from napari_unet.launchers.servers.listing import adopt_run
        from napari_unet.launchers.servers.profile.profile import Profile

        profile = Profile.model_validate(json.loads(self._profile.read_text()))
        adopt_run(profile, self._there.name, folder)
        self._fetch(folder)

    def run(self, folder: Path) -> None:
        self._fetch(folder)

    def _fetch(self, folder: Path) -> None:
        from napari_unet.cli.fetch import command

        command.main([str(folder / self._there.name)], standalone_mode=False)

    def check(self, folder: Path, expected: Path) -> None:
        """The copy is the server's run."""
        copy = RunDirectory(folder / self._there.name)
        there = RunDirectory(self._there)
        for name in ("events", "best", "evaluation_json", "evaluation_csv"):
            assert getattr(copy, name).read_bytes() == getattr(there, name).read_bytes(), name


class Adopting(Fetching):
    """``napari-unet fetch --remote`` of a run that this machine has no copy of."""

    name = "adopting"

    def prepare(self, folder: Path) -> None:
        super().prepare(folder)
        shutil.rmtree(folder / self._there.name)

    def run(self, folder: Path) -> None:
        self._adopt(folder)


def _metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="numpy") as file:
        return dict(file.metadata())


def job_of(name: str, *options: str) -> Job:
    """The job of a name; those of a server's run have options."""
    kinds: dict[str, Callable[..., Job]] = {
        "training": Training,
        "prediction": Prediction,
        "export": Export,
        "project": ProjectSaving,
        "fetching": Fetching,
        "adopting": Adopting,
    }
    return kinds[name](*map(Path, options))


def main(name: str, place: str, count: str, *options: str) -> None:
    counts = Campaign(job_of(name, *options), Path(place)).run(int(count))
    print(json.dumps(dataclasses.asdict(counts)))


if __name__ == "__main__":
    main(*sys.argv[1:])
