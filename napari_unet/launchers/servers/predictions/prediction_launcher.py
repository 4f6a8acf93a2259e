"""Predicts on a server: what is started there needs this machine only to bring results home."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from napari_unet.launchers.launcher import check_run_name
from napari_unet.launchers.server_path import ServerPath
from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.inputs import write_tif
from napari_unet.launchers.servers.mirror import Mirror
from napari_unet.launchers.servers.opening import ConnectionLostError
from napari_unet.launchers.servers.predictions import scripts
from napari_unet.launchers.servers.predictions.data_there import StackThere, describe_stack
from napari_unet.launchers.servers.predictions.options_there import check_options, write_options
from napari_unet.launchers.servers.predictions.record import (
    CAN_GO_ON,
    Outcome,
    PredictionRecord,
    PredictionState,
    exit_code_path,
    is_prediction,
    kept_path,
    list_predictions,
    log_path,
    options_path,
    read_prediction,
    read_state,
    result_path,
    resume_problem,
    write_prediction,
)
from napari_unet.launchers.servers.predictions.request import PredictionRequest
from napari_unet.launchers.servers.predictions.sending import sending_folder
from napari_unet.launchers.servers.profiles import own_profile
from napari_unet.launchers.servers.record import (
    RemoteRecord,
    read_record,
    update_record,
    write_record,
)
from napari_unet.launchers.servers.remote_launcher import RemoteLauncher
from napari_unet.launchers.servers.store import Store
from napari_unet.launchers.servers.working_folder import RunFolder
from napari_unet.text import as_argument
from training.config import STARTER, TrainingConfig, parse_numbers
from training.dataset.found_meanings import FoundMeaning
from training.errors import UserError
from training.files.atomic_files import UnwritableError
from training.files.file_locks import hold_lock
from training.files.open_elsewhere import remove_folder
from training.formats.pixel_size import Offset
from training.formats.tif_stack import TifStack
from training.opening import open_stack
from training.runs.run_directory import RunDirectory

_MOST_NAMES = 100  # that are tried


class Begun(NamedTuple):
    """A prediction that goes on on the server, or went on there already.

    Parameters
    ----------
    run : RunDirectory
        Its copy here: what is known of it.
    offset : Offset
        Where its stack begins, in nm, which the TIFs that come home can't say.
    is_new : bool
        Whether it was started just now.
    """

    run: RunDirectory
    offset: Offset
    is_new: bool


class PredictionLauncher(RemoteLauncher):
    """Starts, follows and ends predictions on the server, or the first server, of a profile.

    A prediction's folder lies among the runs, here and there, and is ended and removed as those
    are. Parameters are those of :class:`RemoteLauncher`.
    """

    @classmethod
    def list_places(cls) -> list[str]:
        """Places to train in: none of its own."""
        return []

    @classmethod
    def of_run(cls, run: RunDirectory) -> Self | None:
        return super().of_run(run) if is_prediction(run) else None

    def predict(self, request: PredictionRequest, name: str) -> Begun:
        """Start a prediction and return at once; or find the same one.

        That goes on, has finished, or was killed or failed: then it is started again where it was.

        Parameters
        ----------
        request : PredictionRequest
        name : str
            Name of a new folder for it; where it is taken, here or there, a number is added.

        Raises
        ------
        UserError
            If the model, the stack or a result can't be used, here or there.
        """
        weights = request.weights()
        run = RunDirectory(self.runs_folder.absolute() / check_run_name(name))
        with self._sendable(request.stack) as (path, offset):
            return wait_for(self._predict(run, request, weights, path, offset))

    def start(
        self, config: TrainingConfig, name: str, known: Sequence[FoundMeaning] = ()
    ) -> RunDirectory:
        raise UserError("A prediction's launcher trains nothing.", "Train on its server.")

    def resume(self, run: RunDirectory, devices: int = 0, device_ids: str = "") -> None:
        """Go on after the slices that are done, on other devices if some are given.

        The server reads from the prediction's folder there what it was asked for.

        Raises
        ------
        UserError
            If it goes on, has finished or was stopped; if its folder, its stack or its model is
            gone there, or it is on none of the person's servers. It stays as it was.
        """
        parse_numbers(device_ids, "device_ids")
        others = [f"--devices={devices}", f"--device_ids={device_ids}"]
        with hold_lock(run.prediction):  # asked for twice it is started once
            wait_for(self._resume(run, others if devices or device_ids else []))

    def fetch(self, run: RunDirectory) -> dict[str, str]:
        """Bring results home into the prediction's folder here; SHA-256 of files by their name.

        Raises
        ------
        UserError
            If it has not finished, or a file can't be brought.
        """
        self.refresh(run)
        state = self.state(run)
        if state.status != "finished":
            progress = f", {state.progress} slices" if state.total else ""
            raise UserError(
                f"The prediction {run.name} is {state.status}{progress}, so it has no results.",
                state.problem or f"Wait for its end: napari-unet follow {as_argument(run.name)}.",
            )
        wait_for(self._fetch_results(run))
        return read_record(run).hashes

    def state(self, run: RunDirectory) -> PredictionState:
        """Tell how far a prediction was when :meth:`refresh` last looked."""
        return read_state(run, is_running=self.is_running(run), standing=self.standing(run))

    def count_device_logs(self, run: RunDirectory) -> int:
        return 1

    def fetch_device_log(self, run: RunDirectory, rank: int) -> Path:
        """Bring the log up to date: all devices have one, which its first process writes."""
        folder = self._nodes_to_read(read_record(run))[0]
        return wait_for(Mirror(run, folder).copy_log(log_path(run)))

    @contextmanager
    def _sendable(self, stack: Path | ServerPath) -> Iterator[tuple[Path | str, Offset | None]]:
        """Give a file that a server opens, a TIF, or the path that it has there; and the offset."""
        if isinstance(stack, ServerPath):
            yield stack.on(self.name), None
            return
        with open_stack(stack) as opened:
            offset = opened.offset
            if isinstance(opened, TifStack):
                yield opened.path, offset
                return
            with sending_folder(self.runs_folder) as folder:
                yield write_tif(opened, folder, False, self._on_progress), offset

    async def _predict(
        self,
        run: RunDirectory,
        request: PredictionRequest,
        weights: Path | None,
        stack: Path | str,
        offset: Offset | None,
    ) -> Begun:
        profile = own_profile(self.profile).node_profiles()[0]
        store = await Store.open(self._server(profile), self._on_progress)
        path_there = stack if isinstance(stack, str) else ""
        there: StackThere | None = None
        if path_there or request.left_there:
            about = path_there, request.left_there, request.overwrite
            there = await describe_stack(store, *about)
        weights_there = STARTER if weights is None else await store.put_data(weights)
        stack_there = stack if isinstance(stack, str) else await store.put_data(stack)
        state = there.state if there else ""
        wanted = request.hash(profile, weights_there, stack_there, state)
        found_offset = (there.offset if there else None) or offset or (0.0, 0.0, 0.0)
        same = await self._find_same(wanted)
        if same is not None and read_prediction(same).outcome not in CAN_GO_ON:
            return Begun(same, found_offset, is_new=False)
        if same is None:
            record = PredictionRecord(
                model=request.model_name,
                stack=request.called,
                results=dict(request.results),
                request=wanted,
                started=time.time(),
                convention=request.convention,
                threshold=request.threshold,
                class_thresholds=request.class_thresholds,
                corner=request.corner,
            )
            run, folder = await self._make_folders(run, store, record)
        else:
            run, (folder,) = same, self._nodes_to_change(same)
        arguments = request.arguments(
            profile,
            max(1, self.devices // self.profile.node_count),
            self._device_ids,
            weights_there,
            stack_there,
            str(folder.path),
            str(kept_path(folder)),
        )
        try:
            await write_options(folder, arguments)
            await self._begin_there(run, folder)
        except ConnectionLostError as error:
            remedy = f"{run.name} may have begun: predict again, which goes on with it."
            raise ConnectionLostError(error.problem, remedy) from error
        except UserError:
            if same is None:
                await folder.give_up(read_record(run).run_id)
                remove_folder(run.path)
            raise
        return Begun(run, found_offset, is_new=same is None)

    async def _resume(self, run: RunDirectory, others: Sequence[str]) -> None:
        (folder,) = self._nodes_to_change(run)
        await folder.check_owner(read_record(run).run_id)
        await self._look(run, again=True)
        state = self.state(run)
        problem = resume_problem("running" if self.is_running(run) else state.status)
        if problem:
            raise UserError(f"The prediction {run.name} is not resumed.", problem)
        await check_options(folder)
        await self._begin_there(run, folder, others)

    async def _begin_there(
        self, run: RunDirectory, folder: RunFolder, others: Sequence[str] = ()
    ) -> None:
        """Predict by the options that are in the folder on the server, changed by the others."""
        profile = folder.server.profile
        source = await (await Store.open(folder.server, self._on_progress)).put_source()
        begin = scripts.submit if profile.slurm else scripts.start
        arguments = [f"@{options_path(folder)}", *others]
        script = begin(profile, source, folder, read_record(run).run_id, arguments)
        await folder.server.run(script)
        write_prediction(run, read_prediction(run).replace(outcome="", problem=""))
        update_record(run, is_running=True)
        self._queued.pop(run.path, None)

    async def _find_same(self, wanted: str) -> RunDirectory | None:
        """Find a prediction that was asked for in the same way, and goes on, or can, or is done."""
        can_go_on = None
        for run in list_predictions(self.runs_folder.absolute()):
            try:
                remote, known = read_record(run), read_prediction(run)
            except UserError:  # a damaged one
                continue
            if remote.profile.address != self.profile.address or known.request != wanted:
                continue
            if known.outcome == "stopped":
                continue
            (folder,) = self._nodes_to_change(run)
            if not await folder.belongs_to(remote.run_id):
                continue
            await self._look(run, again=True)  # killed or resumed since it was last asked for
            known = read_prediction(run)
            if known.outcome == "finished" and not await _has_results(run, folder):
                continue
            if known.outcome in ("", "finished"):
                return run
            can_go_on = run if known.outcome in CAN_GO_ON else can_go_on
        return can_go_on

    async def _make_folders(
        self, run: RunDirectory, store: Store, record: PredictionRecord
    ) -> tuple[RunDirectory, RunFolder]:
        """Make a prediction's folders, here and there, by another name where that is taken.

        Several that begin in the same second have the same name at first.
        """
        for name in (run.name, *(f"{run.name}-{number}" for number in range(2, _MOST_NAMES))):
            named = RunDirectory(run.path.with_name(name))
            folder = RunFolder(store.server, store.folder.runs / name)
            try:
                named.path.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise UnwritableError(named.path, error) from error
            run_id = secrets.token_hex(16)
            try:
                if await folder.claim(run_id, 1):
                    await self._write_records(named, folder, run_id, record)
                    return named, folder
            except BaseException:
                await folder.give_up(run_id)
                remove_folder(named.path)
                raise
            remove_folder(named.path)
        raise UserError(f"{self.name} has a run {run.name} already.", "Predict again.")

    async def _write_records(
        self, run: RunDirectory, folder: RunFolder, run_id: str, record: PredictionRecord
    ) -> None:
        """Write what is known of a prediction into its new folders."""
        await folder.write(folder.prediction, record.to_json())
        profile = folder.server.profile.replace(devices=1, job_nodes=1)
        remote = RemoteRecord(profile=profile, run_id=run_id, devices=1, paths=(str(folder.path),))
        write_record(run, remote)
        write_prediction(run, record)

    async def _stop(self, run: RunDirectory) -> None:
        record = read_record(run)
        end = scripts.end_job if record.profile.slurm else scripts.ask_to_end
        for folder in self._nodes_to_change(run):
            await folder.check_owner(record.run_id)
            await folder.server.run(end(folder, record.run_id))

    async def _refresh(self, run: RunDirectory) -> None:
        await self._look(run)

    async def _look(self, run: RunDirectory, *, again: bool = False) -> None:
        """Bring what is known up to date; ``again`` asks also for one that was seen to end."""
        record, known = read_record(run), read_prediction(run)
        mirror = self._mirror(run, record)
        # Asked first: what ends meanwhile has then written all its log.
        is_asked = again or not known.outcome or record.is_running
        is_running = is_asked and await self._goes_on(run, record, mirror)
        self._asked.add(run.path)
        await mirror.copy_log(log_path(run))
        if again or not known.outcome:
            outcome, problem = ("", "") if is_running else await self._find_outcome(run, record)
            write_prediction(run, known.replace(outcome=outcome, problem=problem))
        if record.is_running != is_running:
            update_record(run, is_running=is_running)

    async def _goes_on(self, run: RunDirectory, record: RemoteRecord, mirror: Mirror) -> bool:
        async with mirror.server.files(is_patient=True) as files:
            has_ended = await files.exists(exit_code_path(mirror.folder))
        if record.profile.slurm:  # a job that has ended may be queued again
            return await self._is_queued(run, record, mirror, has_ended=has_ended)
        return not has_ended and await self._is_alive(run, record, mirror)

    async def _find_outcome(self, run: RunDirectory, record: RemoteRecord) -> tuple[Outcome, str]:
        """Tell how a prediction ended, and why its queue ended it, if it did."""
        (folder,) = self._nodes_to_read(record)
        printed = await folder.server.run(scripts.how_it_ended(folder))
        outcome = scripts.outcome_of(printed)
        if printed.strip() == scripts.GONE:
            return outcome, (
                f"Its folder on {self.name} is gone: another computer has brought its results "
                "home, or somebody has deleted it. Predict again."
            )
        queued = self._queued.get(run.path)
        job = queued.job if queued else None
        why = job.explain_end(self.name, "prediction") if job else None
        if outcome in ("finished", "stopped") or why is None:
            return outcome, ""
        return "interrupted", str(why)

    async def _fetch_results(self, run: RunDirectory) -> None:
        mirror = self._mirror(run, read_record(run))
        for kind in read_prediction(run).coming_home:
            path = result_path(run, kind)
            await mirror.fetch_file(path)
            if not path.exists():
                raise UserError(
                    f"{self.name} no longer has the {kind} of {run.name}.", "Predict again."
                )


async def _has_results(run: RunDirectory, folder: RunFolder) -> bool:
    """Whether all that a finished prediction brings home is there still, or here."""
    async with folder.server.files() as files:
        for kind in read_prediction(run).coming_home:
            if not (
                result_path(run, kind).exists() or await files.exists(result_path(folder, kind))
            ):
                return False
    return True
