"""The launcher that trains on a server: nothing there depends on this machine staying on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import time
from collections.abc import Coroutine
from pathlib import Path
from posixpath import join
from typing import Any, TypeVar

from napari_unet.launchers.launcher import check_run_name
from napari_unet.launchers.servers import scripts
from napari_unet.launchers.servers.connection import CommandError, Server
from napari_unet.launchers.servers.endings import ending_event
from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.mirror import Mirror
from napari_unet.launchers.servers.opening import ConnectionLostError
from napari_unet.launchers.servers.profiles import Profile, find_profile
from napari_unet.launchers.servers.record import (
    RemoteRecord,
    read_record,
    update_record,
    write_record,
)
from napari_unet.launchers.servers.store import (
    OnProgress,
    Store,
    make_run_folder,
    share_checkpoint,
    upload_inputs,
)
from training.config import TrainingConfig
from training.errors import UserError
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state

ALIVE_SECONDS = 3.0
Result = TypeVar("Result")


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
        Called with a ``Progress`` while data is uploaded, in another thread.
    """

    def __init__(
        self,
        profile: Profile,
        runs_folder: Path,
        devices: int = 0,
        on_progress: OnProgress = lambda progress: None,
    ) -> None:
        self.profile = profile
        self.runs_folder = runs_folder
        self.devices = devices or profile.devices
        self._on_progress = on_progress
        self._nodes = [Server(node) for node in profile.node_profiles()]
        if self.devices % len(self._nodes):
            raise UserError(
                f"{self.devices} devices can't be divided among {len(self._nodes)} servers.",
                "Give a multiple of the number of servers.",
            )
        self._mirrors: dict[Path, Mirror] = {}
        self._results: dict[Path, asyncio.Task[None]] = {}
        self._alive_times: dict[Path, float] = {}

    @property
    def name(self) -> str:
        return self.profile.name

    def list_devices(self) -> list[str]:
        return ["cpu", "ascend"] if self.profile.device == "cpu" else ["ascend", "cpu"]

    def start(self, config: TrainingConfig, name: str) -> RunDirectory:
        run = RunDirectory(self.runs_folder.absolute() / check_run_name(name))
        run.create(config)
        write_record(run, RemoteRecord(self.profile, secrets.token_hex(16), self.devices))
        try:
            self._wait(self._begin(run))
        except BaseException:
            if not read_record(run).paths:  # nothing runs there, so nothing is left here
                shutil.rmtree(run.path)
            raise
        return run

    def resume(self, run: RunDirectory, devices: int = 0) -> None:
        """Go on from the newest checkpoint, on another number of devices if one is given.

        Raises
        ------
        UserError
            If its data has not been uploaded yet, and the server is none of this machine's: a
            run folder from someone else must not send files anywhere.
        """
        if not read_record(run).paths:
            find_profile(self.name)
        self.refresh(run)
        if self.is_running(run):
            raise UserError(f"The run {run.name} is running already.", "Follow it instead.")
        record = update_record(run, devices=devices or read_record(run).devices)
        self._wait(self._launch(run, record) if record.paths else self._begin(run))

    def stop(self, run: RunDirectory) -> None:
        self._wait(self._on_all_nodes(run, scripts.request_stop))

    def cancel(self, run: RunDirectory, *, delete: bool = False) -> None:
        self._wait(self._cancel(run, delete=delete))
        if delete:
            shutil.rmtree(run.path)

    def is_running(self, run: RunDirectory) -> bool:
        """Whether it was alive when :meth:`refresh` last looked."""
        return read_record(run).is_running

    def refresh(self, run: RunDirectory) -> None:
        """Bring the copy up to date; the model is fetched meanwhile, in the background.

        Raises
        ------
        ConnectionLostError
            If the server can't be reached; tries follow each other in growing pauses, however
            often this is called.
        """
        self._wait(self._refresh(run))

    def fetch(self, run: RunDirectory) -> dict[str, str]:
        """Fetch everything there is, wait for it, and return the files' SHA-256 by name."""
        self._wait(self._refresh(run))
        self._wait(self._mirror(run, read_record(run)).fetch_results())
        return read_record(run).hashes

    def fetch_device_log(self, run: RunDirectory, rank: int) -> Path:
        """Bring the log of one device up to date; its path here."""
        record = read_record(run)
        node = record.node_of(rank)
        if not 0 <= rank < record.devices or node >= len(record.paths):
            raise UserError(
                f"The run {run.name} has no device {rank}.", f"It has 0 to {record.devices - 1}."
            )
        mirror = Mirror(run, self._nodes[node], record.paths[node])
        return self._wait(mirror.copy_device_log(rank))

    def close(self) -> None:
        """Close the connections. The runs go on."""

        async def close_all() -> None:
            for task in self._results.values():
                task.cancel()
            for node in self._nodes:
                await node.close()

        wait_for(close_all())

    async def _begin(self, run: RunDirectory) -> None:
        """Upload what the run needs to every node, make its directories and start it."""
        paths = []
        for node in self._nodes:
            store = await Store.open(node, self._on_progress)
            config = await upload_inputs(store, run.read_config())
            await store.put_source()
            paths.append(await make_run_folder(store, run.name, config))
        await self._launch(run, update_record(run, paths=tuple(paths)))

    async def _launch(self, run: RunDirectory, record: RemoteRecord) -> None:
        await share_checkpoint(self._nodes, record.paths)
        for rank, (node, path) in enumerate(zip(self._nodes, record.paths, strict=True)):
            source = await (await Store.open(node, self._on_progress)).put_source()
            arguments = [f"--devices={record.devices}"]
            if len(self._nodes) > 1:
                arguments += [
                    f"--nodes={len(self._nodes)}",
                    f"--node_rank={rank}",
                    f"--master_addr={self.profile.master_addr}",
                ]
            script = scripts.start(self.profile, source, path, record.run_id, arguments)
            await node.run(script)
        update_record(run, is_running=True)

    async def _cancel(self, run: RunDirectory, *, delete: bool) -> None:
        record = read_record(run)
        for node, path in zip(self._nodes, record.paths, strict=False):
            left = int(await node.run(scripts.kill(record.run_id)))
            if left:
                raise CommandError(
                    f"{left} processes of {run.name} are still running on {node.profile.host}.",
                    "Cancel once more; a process that waits for a dead NPU may need a reboot.",
                )
            if delete:
                async with node.files() as sftp:
                    await sftp.rmtree(path)
        update_record(run, is_running=False)

    async def _refresh(self, run: RunDirectory) -> None:
        record = read_record(run)
        if not record.paths:
            update_record(run, is_running=False)
            return
        mirror = self._mirror(run, record)
        # Asked first: a run that ends meanwhile has then told all in its events.
        is_running = record.is_running and await self._is_alive(run, record, mirror)
        await mirror.copy_events()
        await self._continue_fetching(run, mirror, is_running=is_running)
        if record.is_running and not is_running:
            await self._note_ending(run, record, mirror)
            update_record(run, is_running=False)

    async def _is_alive(self, run: RunDirectory, record: RemoteRecord, mirror: Mirror) -> bool:
        """Whether processes of the run are alive on the first node; looked at now and then."""
        if time.monotonic() < self._alive_times.get(run.path, 0) and not mirror.has_ending:
            return True
        count = await self._nodes[0].run(scripts.are_running(record.run_id), is_patient=True)
        self._alive_times[run.path] = time.monotonic() + ALIVE_SECONDS
        return int(count) > 0

    async def _continue_fetching(
        self, run: RunDirectory, mirror: Mirror, *, is_running: bool
    ) -> None:
        """Fetch results in the background while the run is going on, and to their end then."""
        task = self._results.get(run.path)
        if task is not None and (task.done() or not is_running):
            del self._results[run.path]
            with contextlib.suppress(ConnectionLostError):  # it is begun anew
                await task
        if not is_running:
            await mirror.fetch_results()
        elif run.path not in self._results:
            self._results[run.path] = asyncio.create_task(mirror.fetch_results())

    async def _note_ending(self, run: RunDirectory, record: RemoteRecord, mirror: Mirror) -> None:
        """Say why in the run's events, if it ended without a word."""
        if load_state(run.events).status not in ("waiting", "running"):
            return
        facts = await self._nodes[0].run(scripts.why_it_ended(record.paths[0]))
        line = json.dumps(ending_event(facts, self.name, time.time()))
        await self._nodes[0].run(scripts.append_line(join(record.paths[0], run.events.name), line))
        await mirror.copy_events()

    async def _on_all_nodes(self, run: RunDirectory, script: Any) -> None:
        for node, path in zip(self._nodes, read_record(run).paths, strict=False):
            await node.run(script(path))

    def _mirror(self, run: RunDirectory, record: RemoteRecord) -> Mirror:
        if run.path not in self._mirrors:
            self._mirrors[run.path] = Mirror(run, self._nodes[0], record.paths[0])
        return self._mirrors[run.path]

    def _wait(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        try:
            return wait_for(coroutine)
        except OSError as error:
            raise UserError(
                f"The copy of the run can't be written: {error}.",
                f"Free some space in {self.runs_folder}.",
            ) from error
