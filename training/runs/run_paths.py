"""The names of all files of a run, on this machine and on a server alike."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Generic, TypeVar

PathT = TypeVar("PathT", bound=PurePath)
_CHECKPOINT = re.compile(r"ckpt_.*-\d+_(\d+)\.safetensors")


class RunPaths(Generic[PathT]):
    """Names every path of a run, and touches no disk.

    Parameters
    ----------
    path : PurePath
        The run's directory: a ``Path`` on this machine, a ``PurePosixPath`` on a server. All
        other paths are of its type.
    """

    def __init__(self, path: PathT) -> None:
        self.path = path
        self.config = path / "config.json"
        self.label_meanings = path / "labels.json"
        """What the command that made the run found its labels to mean."""
        self.events = path / "events.jsonl"
        self.log = path / "train.log"
        self.checkpoints = path / "checkpoints"
        self.best = self.checkpoints / "best.safetensors"
        self.onnx = path / "model.onnx"
        self.merges = path / "merges.npz"
        """What was learned of this model's neurons: which regions to merge."""
        self.preview = path / "preview"
        self.evaluation_json = path / "evaluation.json"
        self.evaluation_csv = path / "evaluation.csv"
        self.data = path / "data"
        """Stacks that the window wrote for this run alone."""
        self.logs = path / "logs"
        """Logs of a run on several devices."""
        self.msrun_logs = self.logs / "msrun"
        """Where msrun writes; the logs of its workers are links to those of the devices."""
        self.plog = self.logs / "plog"
        """Where CANN writes its own logs."""
        self.stop_request = path / "stop"
        """Made by whoever asks the training to end."""
        self.accepted = path / "accepted"
        """Made when a person took this model for the one that it learned on from."""
        self.title = path / "title.txt"
        """What a person calls the run; at first the name of what it is trained on."""
        self.process = path / "process.json"
        """The process that trains, written by itself."""
        self.launch = path / "launch.json"
        """The processes of a run on several devices."""
        self.remote = path / "remote.json"
        """In the copy of a server's run: where it came from."""
        self.prediction = path / "prediction.json"
        """In the folder of a prediction on a server, which is no training: what is predicted."""
        self.lock = path / "lock"
        """Held by the process that trains."""
        self.launch_lock = path / "launch.lock"
        """Held by the run's launcher, which may pass it on; see :meth:`node_launch_lock`."""
        self.mirror_lock = path / "mirror.lock"
        """Held by the process that brings a copy up to date."""

    @property
    def name(self) -> str:
        return self.path.name

    def node_launch_lock(self, node_rank: int) -> PathT:
        """The launch lock of one node; nodes that share a disk have one each."""
        return self.path / f"launch{node_rank}.lock" if node_rank else self.launch_lock

    def device_log(self, rank: int) -> PathT:
        """What the process of one device printed, in a run of several."""
        return self.logs / f"device{rank}" / "log.log"

    def checkpoint(self, model: str, epoch: int, step: int) -> PathT:
        """The checkpoint after ``step`` steps, in the zoo's form of name."""
        return self.checkpoints / f"ckpt_{model}_adam-{epoch}_{step}.safetensors"

    def preview_image(self, step: int) -> PathT:
        """Probability of the previewed slice after a step: 8-bit PNG, 255 = membrane."""
        return self.preview / f"step-{step:06d}.png"

    def relative(self, path: PathT) -> str:
        """Return a path of the run, as its events give it."""
        return path.relative_to(self.path).as_posix()


def checkpoint_step(name: str) -> int | None:
    """Return the step in a checkpoint's file name; None for another file."""
    match = _CHECKPOINT.fullmatch(name)
    return int(match[1]) if match else None
