"""The runs that are on a server, whoever started them, and copies of them made here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from napari_unet.launchers.launcher import check_run_name, ignore_progress
from napari_unet.launchers.servers import scripts
from napari_unet.launchers.servers.connection import Server
from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.opening import ConnectionLostError
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.record import RemoteRecord, is_remote, read_record, write_record
from napari_unet.launchers.servers.slurm.jobs import Job
from napari_unet.launchers.servers.slurm.queue import list_jobs
from napari_unet.launchers.servers.store import Store
from napari_unet.launchers.servers.working_folder import RunFolder
from training.config import TrainingConfig
from training.errors import UserError
from training.runs.event_reading import parse_summary
from training.runs.run_directory import RunDirectory
from training.runs.run_state import RunState, RunStatus, fold, run_status

MOST_LETTERS = 255
MOST_EVENTS = 8 * 2**20  # bytes that are read of a run's events to list it


@dataclass(frozen=True)
class RemoteRun:
    """A run as its server describes it.

    Parameters
    ----------
    name : str
        Its folder's name there; what can't be a run's is quoted and cut off.
    status : str
        A :data:`RunStatus`.
    best_dice : float or None
        Validation mean of the best evaluation, of the membrane pixels.
    problem : str
        Why it is unreadable; else empty.
    standing : str
        Where it stands in the server's queue; empty where it doesn't.
    """

    name: str
    status: RunStatus
    best_dice: float | None = None
    problem: str = ""
    standing: str = ""


def list_remote_runs(profile: Profile) -> list[RemoteRun]:
    """The runs in a server's working folder, by name."""
    return wait_for(_list(profile))


def adopt_run(profile: Profile, name: str, folder: Path) -> RunDirectory:
    """Make a copy, still empty, of a server's run, to be followed or fetched.

    A copy of that run that is here already is taken as it is.

    Raises
    ------
    UserError
        If there is no such run, or something else has its name here.
    """
    return wait_for(_adopt(profile, check_run_name(name), RunDirectory(folder / name)))


async def _list(profile: Profile) -> list[RemoteRun]:
    server = Server(profile.node_profiles()[0])
    try:
        runs = (await Store.open(server, ignore_progress)).folder.runs
        async with server.files() as files:
            names = await files.list_names(runs)
        visible = [name for name in sorted(names) if not name.startswith(".") or "/" in name]
        jobs = await list_jobs(server) if profile.slurm else None
        listed = [await _summarize(server, runs, name, jobs) for name in visible]
        return [run for run in listed if run is not None]
    finally:
        await server.close()


async def _summarize(
    server: Server, runs: PurePosixPath, name: str, jobs: dict[str, Job] | None
) -> RemoteRun | None:
    """Read a run's row; None for a prediction."""
    try:
        run = RunFolder(server, runs / check_run_name(name))
        async with server.files() as files:
            if await files.exists(run.prediction):
                return None
            content = await files.read_ends(run.events, MOST_EVENTS)
        state = fold(RunState(), parse_summary(content))
        run_id = (await run.read_launch()).get("id", "")
        job = jobs.get(run_id) if jobs else None
        is_running = job is not None and job.is_alive
        if jobs is None and run_id:
            is_running = await server.count(scripts.are_running(run_id)) > 0
    except ConnectionLostError:
        raise
    except UserError as error:
        is_shown = name.isprintable() and len(name) <= MOST_LETTERS
        shown = name if is_shown else f"{name!r:.60}..."
        return RemoteRun(shown, "unreadable", problem=str(error))
    standing = job.standing.text if job else ""
    return RemoteRun(name, run_status(state, is_running), state.best_dice, standing=standing)


async def _adopt(profile: Profile, name: str, run: RunDirectory) -> RunDirectory:
    nodes = [Server(node) for node in profile.node_profiles()]
    try:
        stores = [await Store.open(node, ignore_progress) for node in nodes]
        paths = tuple(str(store.folder.runs / name) for store in stores)
        folder = RunFolder(nodes[0], paths[0])
        launch = await folder.read_launch()
        text = await folder.read(folder.config)
        if not text or not launch:
            raise UserError(
                f"{profile.name} has no run {name}.", "List them: napari-unet runs --remote."
            )
        source = f"{name} on {profile.name}"
        config = TrainingConfig.from_json(text.decode(errors="replace"), source=source)
        try:
            record = RemoteRecord(
                profile=profile, run_id=launch["id"], devices=launch["devices"], paths=paths
            )
        except UserError as error:
            raise folder.damage_error(error) from error
        if is_remote(run) and read_record(run).run_id == record.run_id:
            return run
        if not _is_begun(run, config):
            run.create(config)
        write_record(run, record)
        return run
    finally:
        for node in nodes:
            await node.close()


def _is_begun(run: RunDirectory, config: TrainingConfig) -> bool:
    """Whether a process was killed while it made this very copy."""
    has_more = is_remote(run) or run.events.exists() or run.process.exists()
    return run.config.exists() and not has_more and run.read_config() == config
