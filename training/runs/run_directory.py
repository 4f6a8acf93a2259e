"""The run directory: all that passes between training and whoever watches it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

import psutil

from training.config import TrainingConfig
from training.errors import UserError
from training.files.append_files import open_to_append
from training.files.atomic_files import UnwritableError, remove_leftovers, write_atomically
from training.files.file_locks import NoLocksError, take_lock
from training.files.untrusted_files import is_inside, open_regular, read_document
from training.runs.process_record import ProcessRecord
from training.runs.run_paths import RunPaths, checkpoint_step


class RunDirectory(RunPaths[Path]):
    """A run's directory on this machine: made, read, marked as running.

    Parameters
    ----------
    path : str or Path
        The directory. It need not exist.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(Path(path))

    def __repr__(self) -> str:
        return f"RunDirectory({str(self.path)!r})"

    def create(self, config: TrainingConfig) -> None:
        """Make the directory of a new run and write its configuration.

        Raises
        ------
        UserError
            If there are other files than the run's data already, or it can't be made.
        """
        self.make_folders()
        try:
            write_atomically(self.config, config.to_json().encode(), overwrite=False)
        except UnwritableError as error:
            if isinstance(error.__cause__, FileExistsError):  # another process was quicker
                raise self._taken_error() from error
            raise

    def make_folders(self) -> None:
        """Make the folders of a new run, without its configuration.

        Raises
        ------
        UserError
            As :meth:`create`.
        """
        self.remove_leftovers()
        try:
            if not self._is_free():
                raise self._taken_error()
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            self.preview.mkdir(exist_ok=True)
        except OSError as error:
            raise UnwritableError(self.path, error) from error

    def _taken_error(self) -> UserError:
        return UserError(
            f"{self.path} exists and is not empty.",
            "Choose another folder for the run, or resume the run in it.",
        )

    def _is_free(self) -> bool:
        """Whether there is nothing yet, or what a killed process had begun."""
        own = {self.checkpoints, self.preview}
        found = {path for folder in (self.path, *own) for path in folder.glob("*")}
        return found <= own | {self.data, *self.path.glob("launch*.lock")}

    @property
    def model_file(self) -> Path:
        """What there is to predict with: the best weights, or a portable model without them."""
        return self.best if self.best.exists() else self.onnx

    @property
    def has_model(self) -> bool:
        """Whether there is something to predict with."""
        return self.model_file.exists()

    def read_config(self) -> TrainingConfig:
        """Read the run's configuration.

        Raises
        ------
        UserError
            If this is not a run, or as :meth:`TrainingConfig.from_json`.
        """
        try:
            text = read_document(self.config)
        except (OSError, ValueError) as error:
            raise UserError(
                f"{self.path} is not a run: it has no readable config.json.",
                "Give the folder that a training wrote.",
            ) from error
        return TrainingConfig.from_json(text, source=str(self.config))

    def list_checkpoints(self) -> list[Path]:
        """List the checkpoints that a run can be resumed from, oldest first."""
        found = {
            step: path
            for path in self.checkpoints.glob("ckpt_*.safetensors")
            if (step := checkpoint_step(path.name)) is not None
        }
        return [found[step] for step in sorted(found)]

    def check_links(self) -> None:
        """Refuse a run from someone else that would have files written outside its folder.

        Raises
        ------
        UserError
            If one of its files or folders is a link to somewhere else.
        """
        folders = (self.path, self.checkpoints, self.logs)
        for path in chain.from_iterable(folder.glob("*") for folder in folders):
            if path.is_symlink() and not is_inside(path, self.path):
                raise UserError(
                    f"{path} is a link to outside of the run.",
                    "Replace the link with the file it points to.",
                )

    def request_stop(self) -> None:
        """Ask the training to end after its current step, keeping the model."""
        self.check_links()
        open_to_append(self.stop_request).close()

    def withdraw_stop_request(self) -> None:
        """Withdraw the request; where the disk is read-only, the next start does."""
        with suppress(OSError):
            self.stop_request.unlink(missing_ok=True)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Mark the run as running for as long as this process lives.

        The operating system gives the lock back however the process ends.

        Raises
        ------
        UserError
            If another process is training in this directory, or it can't be written.
        """
        self.check_links()
        with open_to_append(self.lock) as lock:
            try:
                # A watcher's glance at it, in ``is_running``, is waited out.
                is_mine = take_lock(lock, patience=1.0, needs_locks=True)
            except NoLocksError:
                self._check_record()
                is_mine = True
            if not is_mine:
                raise UserError(f"Another process is training in {self.path}.", "Stop it first.")
            ProcessRecord.of(os.getpid()).write(self.process)
            try:
                yield
            finally:
                with suppress(OSError):  # the record of a process that has ended marks nothing
                    self.process.unlink()

    def _check_record(self) -> None:
        """Refuse a run that another process trains by its record, on a disk without locks."""
        holder = self._recorded_training()
        if holder is not None and not holder.is_this_process:
            raise UserError(
                f"Another process is training in {self.path}, on {holder.host}.",
                f"Stop it first; if it has ended, delete {self.process}.",
            )

    def _recorded_training(self) -> ProcessRecord | None:
        """The process that trains by its record; one on another machine may have ended."""
        record = ProcessRecord.read(self.process)
        is_here = record is not None and record.is_of_this_machine
        return None if is_here and self.find_training() is None else record

    def find_training(self) -> psutil.Process | None:
        """The process that trains in this directory on this machine, by its record.

        A record may be a stranger's: the process must name this directory in its command line,
        or have its lock open.
        """
        record = ProcessRecord.read(self.process)
        process = record.find() if record is not None else None
        return process if process is not None and self._is_used_by(process) else None

    def _is_used_by(self, process: psutil.Process) -> bool:
        try:
            arguments = [argument.rpartition("--run_dir=")[2] for argument in process.cmdline()]
            folder = process.cwd()
            named = {os.path.realpath(Path(folder, argument)) for argument in arguments}
            opened = {file.path for file in process.open_files()}
        except psutil.Error:  # it has ended, or is another person's
            return False
        return os.path.realpath(self.path) in named or os.path.realpath(self.lock) in opened

    def remove_leftovers(self) -> None:
        """Delete what a killed training had begun to write under temporary names."""
        for folder in (self.path, self.checkpoints, self.preview):
            remove_leftovers(folder)

    def is_running(self) -> bool:
        """Say whether a process is training in this directory now, or has been started to.

        One on another machine is seen where the disk's locks hold for all machines. Where it has
        no locks, it is taken to train until ``process.json`` is deleted.
        """
        with suppress(NoLocksError):
            if _is_locked(self.launch_lock):
                return True
        return self.is_training()

    def is_training(self) -> bool:
        """Say as :meth:`is_running` whether a process trains; one that starts does not yet."""
        try:
            return _is_locked(self.lock)
        except NoLocksError:
            return self._recorded_training() is not None


def _is_locked(path: Path) -> bool:
    """Whether a process has locked a file; a NoLocksError where the disk can't say."""
    try:
        lock = open_regular(path)
    except OSError:  # it is missing, or nothing that a training can have taken
        return False
    with lock:
        return not take_lock(lock, is_shared=True, needs_locks=True)
