"""The predictions that are on a server, whoever started them, and copies of them made here."""

from __future__ import annotations

from pathlib import Path

from napari_unet.launchers.launcher import check_run_name, ignore_progress
from napari_unet.launchers.servers.connection import Server
from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.opening import ConnectionLostError
from napari_unet.launchers.servers.predictions.record import (
    PredictionState,
    exit_code_path,
    log_path,
    parse_prediction,
    state_of,
    write_prediction,
)
from napari_unet.launchers.servers.predictions.scripts import how_it_ended, outcome_of
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.record import RemoteRecord, is_remote, read_record, write_record
from napari_unet.launchers.servers.scripts import are_running
from napari_unet.launchers.servers.slurm.jobs import FORGOTTEN, Job
from napari_unet.launchers.servers.slurm.queue import list_jobs
from napari_unet.launchers.servers.store import Store
from napari_unet.launchers.servers.working_folder import RunFolder
from training.errors import UserError
from training.files.atomic_files import UnwritableError
from training.files.names import is_name
from training.runs.run_directory import RunDirectory

_MOST_LOG = 2**16


def list_remote_predictions(profile: Profile) -> dict[str, PredictionState]:
    """How far the predictions in a server's working folder are, by their names."""
    return wait_for(_list(profile))


def adopt_prediction(profile: Profile, name: str, folder: Path) -> RunDirectory | None:
    """Make a copy of a server's prediction, to be followed or fetched.

    A copy of it that is here already is taken as it is.

    Returns
    -------
    RunDirectory or None
        None if there is no prediction of that name.

    Raises
    ------
    UserError
        If it is damaged, or something else has its name here.
    """
    return wait_for(_adopt(profile, check_run_name(name), RunDirectory(folder / name)))


async def _list(profile: Profile) -> dict[str, PredictionState]:
    server = Server(profile.node_profiles()[0])
    try:
        runs = (await Store.open(server, ignore_progress)).folder.runs
        async with server.files() as files:
            names = filter(is_name, sorted(await files.list_names(runs)))
            folders = [RunFolder(server, runs / name) for name in names]
            found = [folder for folder in folders if await files.exists(folder.prediction)]
        jobs = await list_jobs(server) if found and profile.slurm else None
        return {folder.name: await _state(folder, jobs) for folder in found}
    finally:
        await server.close()


async def _state(folder: RunFolder, jobs: dict[str, Job] | None) -> PredictionState:
    try:
        run_id = (await folder.read_launch()).get("id", "")
        parse_prediction(await folder.read(folder.prediction), str(folder.prediction))
        async with folder.server.files() as files:
            log = (await files.read_ends(log_path(folder), 2 * _MOST_LOG)).decode(errors="replace")
            has_ended = await files.exists(exit_code_path(folder))
        job = (jobs or {}).get(run_id, FORGOTTEN)
        is_running = job.is_alive
        if jobs is None:
            is_running = not has_ended and await folder.server.count(are_running(run_id)) > 0
        outcome = "" if is_running else outcome_of(await folder.server.run(how_it_ended(folder)))
    except ConnectionLostError:
        raise
    except UserError as error:
        return PredictionState(status="unreadable", problem=str(error))
    why = job.explain_end(folder.server.profile.name, "prediction")
    if why and outcome not in ("finished", "stopped"):
        return state_of("interrupted", log, is_running, queue_problem=str(why))
    return state_of(outcome, log, is_running, job.standing)


async def _adopt(profile: Profile, name: str, run: RunDirectory) -> RunDirectory | None:
    server = Server(profile.node_profiles()[0])
    try:
        store = await Store.open(server, ignore_progress)
        folder = RunFolder(server, store.folder.runs / name)
        text = await folder.read(folder.prediction)
        if not text:
            return None
        launch = await folder.read_launch()
        record = parse_prediction(text, f"{name} on {profile.name}").replace(outcome="")
        try:
            remote = RemoteRecord(
                profile=server.profile.replace(devices=1, job_nodes=1),
                run_id=launch.get("id", ""),
                devices=1,
                paths=(str(folder.path),),
            )
        except UserError as error:
            raise folder.damage_error(error) from error
        if is_remote(run) and read_record(run).run_id == remote.run_id:
            return run
        try:
            run.path.mkdir(parents=True)
        except OSError as error:
            raise UnwritableError(run.path, error) from error
        write_record(run, remote)
        write_prediction(run, record)
        return run
    finally:
        await server.close()
