"""The launcher that trains on a server: nothing there depends on this machine staying on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Self

from napari_unet.launchers.launcher import OnProgress, Standing, check_run_name, ignore_progress
from napari_unet.launchers.servers import scripts
from napari_unet.launchers.servers.connection import Server
from napari_unet.launchers.servers.endings import ending_event
from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.inputs import (
    Inputs,
    find_inputs,
    find_own_inputs,
    known_meanings,
    meanings_there,
    upload_inputs,
    write_tifs,
)
from napari_unet.launchers.servers.mirror import Mirror
from napari_unet.launchers.servers.opening import ConnectionLostError
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.profiles import (
    find_profile,
    known_nodes,
    load_profiles,
    own_profile,
)
from napari_unet.launchers.servers.record import (
    RemoteRecord,
    is_remote,
    read_record,
    update_record,
    write_record,
)
from napari_unet.launchers.servers.remote_files import CommandError
from napari_unet.launchers.servers.slurm import batch_script
from napari_unet.launchers.servers.slurm.jobs import FORGOTTEN
from napari_unet.launchers.servers.slurm.queue import QueuedRun
from napari_unet.launchers.servers.store import Store, make_run_folder, share_checkpoint
from napari_unet.launchers.servers.working_folder import RunFolder
from training.config import TrainingConfig, parse_numbers
from training.dataset.found_meanings import FoundMeaning, meanings_document
from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.files.open_elsewhere import remove_folder
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state
from training.stacks.label_meaning import LabelMeaning

ALIVE_SECONDS = 3.0
Nodes = list[RunFolder]  # of a run on several servers, one on each


class RemoteLauncher:
    """Trains on the server, or servers, of a profile.

    Parameters
    ----------
    profile : Profile
        The server's.
    runs_folder : Path
        Folder on this machine for the runs' copies.
    devices : int
        How many devices a new run takes; 0: as many as the profile says.
    on_progress : callable
        Called with a ``UploadProgress`` while data is uploaded, in another thread.
    device_ids : str
        Which NPUs a new run takes on each server, as ``npu-smi`` shows them, such as "4,5"; empty:
        the first free ones.
    """

    def __init__(
        self,
        profile: Profile,
        runs_folder: Path,
        devices: int = 0,
        on_progress: OnProgress = ignore_progress,
        device_ids: str = "",
    ) -> None:
        self.profile = profile
        self.runs_folder = runs_folder
        count = len(parse_numbers(device_ids, "device_ids")) * profile.node_count
        self.devices = devices or count or profile.devices
        self._device_ids = device_ids
        self._on_progress = on_progress
        self._servers: dict[Profile, Server] = {}
        self._mirrors: dict[Path, Mirror] = {}
        self._results: dict[Path, asyncio.Task[None]] = {}
        self._alive_times: dict[Path, float] = {}
        self._queued: dict[Path, QueuedRun] = {}
        self._asked: set[Path] = set()  # the runs whose servers have said whether they go on

    @property
    def name(self) -> str:
        return self.profile.name

    @classmethod
    def list_places(cls) -> list[str]:
        return list(load_profiles())

    @classmethod
    def in_place(
        cls,
        place: str,
        runs_folder: Path,
        devices: int = 0,
        on_progress: OnProgress = ignore_progress,
        device_ids: str = "",
    ) -> Self:
        return cls(find_profile(place), runs_folder, devices, on_progress, device_ids)

    @classmethod
    def of_run(cls, run: RunDirectory) -> Self | None:
        if not is_remote(run):
            return None
        record = read_record(run)
        return cls(record.profile, run.path.absolute().parent, record.devices)

    def list_devices(self) -> list[str]:
        return ["cpu", "ascend"] if self.profile.device == "cpu" else ["ascend", "cpu"]

    def start(
        self, config: TrainingConfig, name: str, known: Sequence[FoundMeaning] = ()
    ) -> RunDirectory:
        run = RunDirectory(self.runs_folder.absolute() / check_run_name(name))
        profile = own_profile(self.profile)
        devices = profile.divisible(self.devices)
        inputs = find_inputs(config)
        run.create(config)
        write_record(
            run,
            RemoteRecord(
                profile=profile,
                run_id=secrets.token_hex(16),
                devices=devices,
                device_ids=self._device_ids,
            ),
        )
        try:
            find_known = partial(known_meanings, inputs.volumes, config.ids, known)
            as_tifs = write_tifs(config, inputs, run.data, self._on_progress)
            if as_tifs != config:
                write_atomically(run.config, as_tifs.to_json().encode())
                inputs = find_inputs(as_tifs)
            wait_for(self._begin(run, inputs, find_known))
        except BaseException:
            if not read_record(run).paths:  # nothing runs there, so nothing is left here
                remove_folder(run.path)
            raise
        return run

    def resume(self, run: RunDirectory, devices: int = 0, device_ids: str = "") -> None:
        """Go on from the newest checkpoint, on other devices if some are given.

        Raises
        ------
        UserError
            If none of the person's profiles is of the run's servers: the run may be a stranger's,
            with command lines in its record and names of this machine's files in its configuration.
        """
        record = read_record(run)
        profile = own_profile(record.profile)
        self.refresh(run)
        if self.is_running(run):
            raise UserError(f"The run {run.name} is running already.", "Follow it instead.")
        count = len(parse_numbers(device_ids, "device_ids")) * profile.node_count
        ids = device_ids or ("" if devices else record.device_ids)
        devices = profile.divisible(devices or count or record.devices)
        inputs = None if record.paths else find_own_inputs(run)
        record = update_record(run, profile=profile, devices=devices, device_ids=ids)
        wait_for(self._begin(run, inputs) if inputs else self._launch(run, record))

    def stop(self, run: RunDirectory) -> None:
        wait_for(self._stop(run))

    def cancel(self, run: RunDirectory, *, delete: bool = False) -> None:
        """End the run on every server that it was started on.

        With ``delete`` the copy here goes last, when every server has confirmed.

        Raises
        ------
        UserError
            If none of the person's profiles names one of these servers, or a process is left: the
            run then counts as running still.
        """
        wait_for(self._cancel(run, delete=delete))
        if delete:
            remove_folder(run.path)

    def is_running(self, run: RunDirectory) -> bool:
        """Whether it was alive when :meth:`refresh` last looked; until it has, that is open.

        What the record says may be old: another machine resumed the run, perhaps.
        """
        return run.path not in self._asked or read_record(run).is_running

    def standing(self, run: RunDirectory) -> Standing:
        queued = self._queued.get(run.path)
        return queued.job.standing if queued and queued.job else Standing()

    def refresh(self, run: RunDirectory) -> None:
        """Bring the copy up to date; the model is fetched meanwhile, in the background.

        Raises
        ------
        ConnectionLostError
            If the server can't be reached; tries follow each other in growing pauses, however
            often this is called.
        """
        wait_for(self._refresh(run))

    def fetch(self, run: RunDirectory) -> dict[str, str]:
        """Fetch everything there is, wait for it, and return the files' SHA-256 by name.

        Raises
        ------
        UserError
            If the run has no folder there: it never began, or somebody has deleted it.
        """
        wait_for(self._refresh(run))
        wait_for(self._fetch(run))
        return read_record(run).hashes

    def count_device_logs(self, run: RunDirectory) -> int:
        return read_record(run).devices

    def fetch_device_log(self, run: RunDirectory, rank: int) -> Path:
        record = read_record(run)
        node = record.node_of(rank)
        if not 0 <= rank < record.devices or node >= len(record.paths):
            raise UserError(
                f"The run {run.name} has no device {rank}.", f"It has 0 to {record.devices - 1}."
            )
        folder = self._nodes_to_read(record)[node]
        mirror = Mirror(run, folder)
        return wait_for(mirror.copy_device_log(rank))

    def close(self) -> None:
        """Close the connections. The runs go on."""

        async def close_all() -> None:
            for task in self._results.values():
                task.cancel()
            for server in self._servers.values():
                await server.close()

        wait_for(close_all())

    async def _begin(
        self,
        run: RunDirectory,
        inputs: Inputs,
        find_known: Callable[[], Sequence[LabelMeaning | None]] = list,
    ) -> None:
        """Upload what the run needs to every server, make its directories and start it.

        ``find_known`` gives what is known of each volume's labels once they are sent; or nothing.
        """
        record = read_record(run)
        folders: Nodes = []
        try:
            for node in record.profile.node_profiles():
                store = await Store.open(self._server(node), self._on_progress)
                config = await upload_inputs(store, run.read_config(), inputs)
                await store.put_source()
                folder = RunFolder(store.server, store.folder.runs / run.name)
                folders.append(folder)
                await make_run_folder(folder, config, record)
                known = await asyncio.to_thread(find_known)
                if any(known):
                    meanings = await meanings_there(folder.server, config, known)
                    await folder.write(folder.label_meanings, meanings_document(meanings))
        except BaseException:
            for folder in folders:
                await folder.give_up(record.run_id)
            raise
        paths = tuple(str(folder.path) for folder in folders)
        record = update_record(run, paths=paths)
        try:
            await self._launch(run, record)
        except CommandError:
            await self._give_up(run, folders)
            raise
        except ConnectionLostError as error:
            remedy = f"The run {run.name} may have begun: follow it, or resume it."
            raise ConnectionLostError(error.problem, remedy) from error

    async def _give_up(self, run: RunDirectory, folders: Nodes) -> None:
        """Leave nothing there of a run whose start was refused, by one of several servers perhaps.

        Where it may go on on another of them, it stays a run.
        """
        with contextlib.suppress(UserError):
            if len(folders) > 1:
                await self._cancel(run, delete=False)
            for folder in folders:
                await folder.give_up(read_record(run).run_id)
            update_record(run, paths=())

    async def _launch(self, run: RunDirectory, record: RemoteRecord) -> None:
        nodes = self._nodes_to_change(run)
        for folder in nodes:
            await folder.check_owner(record.run_id)
            await folder.server.run(scripts.withdraw_stop_request(folder))
        await share_checkpoint(nodes)
        key = secrets.token_hex(16)
        port = 0
        for rank, folder in enumerate(nodes):
            server = folder.server
            source = await (await Store.open(server, self._on_progress)).put_source()
            arguments = [f"--devices={record.devices}"]
            if record.device_ids:
                arguments.append(f"--device_ids={record.device_ids}")
            if len(nodes) > 1:
                address = record.profile.master_addr
                if rank == 0:
                    port = await server.count(scripts.free_port(server.profile, source, address))
                arguments += [
                    f"--nodes={len(nodes)}",
                    f"--node_rank={rank}",
                    f"--master_addr={address}",
                    f"--master_port={port}",
                ]
            begin = scripts.submit if record.profile.slurm else scripts.start
            script = begin(server.profile, source, folder, record.run_id, key, arguments)
            await server.run(script)
        self._queued.pop(run.path, None)
        update_record(run, is_running=True)

    async def _stop(self, run: RunDirectory) -> None:
        record = read_record(run)
        for folder in self._nodes_to_change(run):
            await folder.check_owner(record.run_id)
            script = scripts.request_stop(folder)
            if record.profile.slurm:
                script = batch_script.request_stop(folder, record.run_id)
            await folder.server.run(script)

    async def _cancel(self, run: RunDirectory, *, delete: bool) -> None:
        record = read_record(run)
        run_id = record.run_id
        nodes = self._nodes_to_change(run)
        end = batch_script.cancel if record.profile.slurm else scripts.kill
        for folder in nodes:
            left = await folder.server.count(end(run_id))
            if left:
                raise CommandError(
                    f"{left} processes of {run.name} are still running on "
                    f"{folder.server.profile.host}.",
                    "Cancel once more; a process that waits for a dead NPU may need a reboot.",
                )
        update_record(run, is_running=False)
        self._queued.pop(run.path, None)
        if delete:
            await _remove(run, run_id, nodes)

    async def _refresh(self, run: RunDirectory) -> None:
        record = read_record(run)
        if not record.paths:
            update_record(run, is_running=False)
            self._asked.add(run.path)
            return
        mirror = self._mirror(run, record)
        # Asked first: a run that ends meanwhile has then written all its events.
        is_asked = record.is_running or run.path not in self._asked
        is_running = is_asked and await self._is_alive(run, record, mirror)
        self._asked.add(run.path)
        await mirror.copy_events()
        await self._continue_fetching(run, mirror, is_running=is_running)
        if record.is_running and not is_running:
            await self._note_ending(run, mirror)
        if record.is_running != is_running:
            update_record(run, is_running=is_running)

    async def _fetch(self, run: RunDirectory) -> None:
        record = read_record(run)
        if not record.paths:
            raise UserError(
                f"The run {run.name} never began on {self.name}, so there is nothing to fetch.",
                "Resume it, or start a new one.",
            )
        mirror = self._mirror(run, record)
        if not await mirror.folder.exists():
            raise UserError(
                f"The run's folder {mirror.folder.path} is not on {self.name} any more.",
                f"What was fetched of it before stays in {run.path}.",
            )
        await mirror.fetch_results()

    async def _is_alive(self, run: RunDirectory, record: RemoteRecord, mirror: Mirror) -> bool:
        """Whether processes of the run are alive on any of its servers; looked at now and then."""
        if record.profile.slurm:
            return await self._is_queued(run, record, mirror, has_ended=mirror.has_ending)
        if time.monotonic() < self._alive_times.get(run.path, 0) and not mirror.has_ending:
            return True
        for folder in self._nodes_to_read(record):  # the first one has some as long as all is well
            if await folder.server.count(scripts.are_running(record.run_id), is_patient=True):
                self._alive_times[run.path] = time.monotonic() + ALIVE_SECONDS
                return True
        return False

    async def _is_queued(
        self, run: RunDirectory, record: RemoteRecord, mirror: Mirror, *, has_ended: bool
    ) -> bool:
        """Whether the run's job waits, runs, or ends just now."""
        queued = self._queued.setdefault(run.path, QueuedRun(record.run_id))
        try:
            return await queued.is_alive(mirror.server, has_ended=has_ended)
        except CommandError as error:
            raise ConnectionLostError(
                f"Slurm on {self.name} does not answer: {error.problem}", "It is asked again."
            ) from error

    async def _continue_fetching(
        self, run: RunDirectory, mirror: Mirror, *, is_running: bool
    ) -> None:
        """Fetch results in the background while the run is going on, and to their end then."""
        task = self._results.get(run.path)
        if task is not None and (task.done() or not is_running):
            del self._results[run.path]
            with contextlib.suppress(ConnectionLostError):  # it is begun again
                await task
        if not is_running:
            await mirror.fetch_results()
        elif run.path not in self._results:
            self._results[run.path] = asyncio.create_task(mirror.fetch_results(is_growing=True))

    async def _note_ending(self, run: RunDirectory, mirror: Mirror) -> None:
        """Say why in the run's events, if it ended without reporting why.

        Where the run is a stranger's nothing is written.
        """
        record = read_record(run)
        state = load_state(run.events)
        if state.status not in ("waiting", "running") or self._unknown(record):
            return
        folder = self._nodes_to_read(record)[0]
        if not await folder.belongs_to(record.run_id):
            return
        facts = await folder.server.run(scripts.why_it_ended(folder))
        queued = self._queued.get(run.path)
        job = ((queued and queued.job) or FORGOTTEN) if record.profile.slurm else None
        has_begun = state.started is not None
        event = ending_event(facts, self.name, job, has_begun=has_begun)
        try:
            await folder.server.run(scripts.append_line(folder.events, json.dumps(event)))
        except CommandError as error:  # its disk is full, say
            update_record(run, is_running=False)
            if event["kind"] == "failed":
                raise UserError(event["message"], event["remedy"]) from error
            raise
        await mirror.copy_events()

    def _nodes_to_change(self, run: RunDirectory) -> Nodes:
        """The servers of a run that may be changed there: the person's profiles name them now.

        A record may be a stranger's, and a profile may have been edited since the run was started.

        Raises
        ------
        UserError
            If no profile names one of the run's servers.
        """
        record = read_record(run)
        for node in self._unknown(record):
            raise UserError(
                f"The run {run.name} is on {node.place} too, which is not one of your servers "
                "now, so its processes there can't be reached.",
                "Add that server again: napari-unet servers add.",
            )
        return self._nodes_to_read(record)

    def _unknown(self, record: RemoteRecord) -> list[Profile]:
        """The servers of a started run that none of the person's profiles names now."""
        known = known_nodes(self.name)
        nodes = record.profile.node_profiles() if record.paths else []
        return [node for node in nodes if node.address not in known]

    def _nodes_to_read(self, record: RemoteRecord) -> Nodes:
        """The run's folders to be read, reached as the person's profiles say, if any does."""
        known = known_nodes(self.name)
        nodes = record.profile.node_profiles() if record.paths else []
        servers = [self._server(known.get(node.address, node)) for node in nodes]
        return [RunFolder(*pair) for pair in zip(servers, record.paths, strict=True)]

    def _server(self, node: Profile) -> Server:
        return self._servers.setdefault(node, Server(node))

    def _mirror(self, run: RunDirectory, record: RemoteRecord) -> Mirror:
        if run.path not in self._mirrors:
            self._mirrors[run.path] = Mirror(run, self._nodes_to_read(record)[0])
        return self._mirrors[run.path]


async def _remove(run: RunDirectory, run_id: str, nodes: Nodes) -> None:
    """Remove a run's folders on its servers, after all have been found to be its own."""
    present = [folder for folder in nodes if await folder.exists()]
    for folder in present:
        await folder.check_owner(run_id)
        if folder.name != run.name:
            raise UserError(
                f"The run {run.name} is called {folder.name} on {folder.server.profile.name}, "
                "so it is not deleted there.",
                "Give its folder here that name, then delete it.",
            )
    for folder in present:
        if await folder.exists():  # on a shared disk the first one removed it
            await folder.remove()
