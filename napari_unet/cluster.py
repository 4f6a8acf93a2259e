"""Tasks done by many processes, here or on a cluster: by dask.distributed."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import islice
from multiprocessing import resource_tracker
from typing import Any, Protocol, TypeVar

from training.console import say
from training.errors import UserError
from training.resources.limits import usable_cores

_CONNECT_SECONDS = 20
_LIVES = 3  # workers that die of a task, or of the one it was split from, until it is given up
_DIED = f"{_LIVES} workers died of it, perhaps for lack of memory"
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_REACHED = ("running", "connecting")
_PAUSE = 0.1  # seconds between two looks at the scheduler
_FORKS = sys.platform == "linux"  # macOS's own libraries don't bear it

Task = TypeVar("Task")
Result = TypeVar("Result")
TaskIn = TypeVar("TaskIn", contravariant=True)
ResultOut = TypeVar("ResultOut", covariant=True)


class Work(Protocol[TaskIn, ResultOut]):
    """What is done to each task; sent to every worker, and opened there once."""

    def open(self, threads: int) -> AbstractContextManager[Callable[[TaskIn], ResultOut]]:
        """Make ready what all tasks need; a worker has so many threads."""


class TaskError(Exception):
    """Why a task could not be done: an error that was not expected."""


class DeadlyError(TaskError):
    """Workers died of it."""


def prepare(module: str) -> None:
    """Import a module in the background, for the processes that :func:`connect` will start here.

    They are forked, where the system does that well, from one process that has imported it.
    """
    if not _FORKS:
        return
    from multiprocessing import forkserver

    forkserver.set_forkserver_preload(["distributed", __name__, module])
    with _environment(_ONE_THREAD), _deaf_processes():
        forkserver.ensure_running()


@contextmanager
def connect(workers: int, scheduler: str = "") -> Iterator[Workers]:
    """Start processes on this machine, or find those of a running cluster.

    Parameters
    ----------
    workers : int
        Processes to start on this machine, with the cores shared out among them.
    scheduler : str
        Address of a running scheduler, such as ``tcp://node1:8786``; its workers see the same
        files, under the same names, and have this package.

    Raises
    ------
    UserError
        If dask.distributed is not installed, or the scheduler can't be reached.
    """
    distributed = _import_distributed()
    threads = 0 if scheduler else max(1, usable_cores() // workers)
    with _connected(distributed, workers, scheduler) as client:
        yield Workers(distributed, client, threads)


class Workers:
    """Processes that do tasks, see :func:`connect`.

    One that dies costs what it was doing, which another does again; a task that several die of
    is given up.
    """

    def __init__(self, distributed: Any, client: Any, threads: int) -> None:
        self._distributed, self._client, self._threads = distributed, client, threads

    @property
    def count(self) -> int:
        """How many tasks they do at once; 0 before the first of a cluster's is there."""
        return sum(self._client.nthreads().values())

    def run(
        self,
        work: Work[Task, Result],
        tasks: Iterable[Task],
        split: Callable[[Task], Iterable[Task]] = lambda task: [task],
    ) -> Iterator[tuple[Task, Result | Exception]]:
        """Have tasks done; few wait at a time.

        Parameters
        ----------
        work : Work
            Can be pickled, as are tasks and results.
        tasks : iterable
        split : callable
            From a task that a worker died of to those that are tried in its place.

        Yields
        ------
        task, result
            In the order in which they are done; the result is an exception where it failed: a
            :class:`UserError`, or a :class:`TaskError`.
        """
        for left in reversed(range(_LIVES)):
            suspects: list[Task] = []
            # The last time each is alone, so that none is blamed for what another did.
            for task, result in self._try(work, tasks, is_alone=not left):
                if left and isinstance(result, DeadlyError):
                    suspects += split(task)
                else:
                    yield task, result
            tasks = suspects

    def _try(
        self, work: Work[Task, Result], tasks: Iterable[Task], is_alone: bool
    ) -> Iterator[tuple[Task, Result | Exception]]:
        """Have tasks done, each alone or by all; a worker's death ends the try of what it had."""
        waiting = iter(tasks)
        futures: dict[Any, Task] = {}
        done = self._distributed.as_completed()

        def submit() -> None:
            # None waits at a worker: those of one that dies are all taken for what it died of.
            try:
                at_once = 1 if is_alone else max(1, self.count)  # workers come and go
            except OSError as error:
                raise _lost_scheduler() from error
            for task in islice(waiting, max(0, at_once - len(futures))):
                future = self._client.submit(_do, work, task, self._threads, pure=False)
                futures[future] = task
                done.add(future)

        submit()
        for future in self._as_done(done):
            task, result = futures.pop(future), _result_of(future)
            future.release()
            yield task, result
            submit()

    def _as_done(self, done: Any) -> Iterator[Any]:
        """Give futures when they are done, as long as the scheduler is there."""
        while not done.is_empty():
            with done.thread_condition:  # so that none is done between the look and the wait
                if not done.has_ready():
                    done.thread_condition.wait(_PAUSE)
            if done.has_ready():
                yield next(done)
            elif self._client.status not in _REACHED:
                raise _lost_scheduler()


def _lost_scheduler() -> UserError:
    return UserError(
        "The scheduler can't be reached any more: it has ended, or its machine.",
        "See that it runs, then give the same command to go on.",
    )


class _Opened:
    """The work that a worker has open, from its first task on until another's comes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._work: Any = None
        self._do: Any = None
        self._stack = ExitStack()

    def do(self, work: Work[Task, Result], task: Task, threads: int) -> Result:
        """Do a task; one at a time, because all threads work at each."""
        with self._lock:
            if work != self._work:
                self._stack.close()
                self._stack, self._work = ExitStack(), None
                self._do = self._stack.enter_context(work.open(threads))
                self._work = work
            result: Result = self._do(task)
            return result


_opened = _Opened()


def _do(work: Work[Task, Result], task: Task, threads: int) -> Result:
    """Do a task at a worker, unless another has died of it.

    The scheduler sends it again by itself, as often as a cluster's own configuration says.
    """
    from distributed import get_worker

    worker = get_worker()
    if _was_left(worker):
        raise DeadlyError(_DIED)
    return _opened.do(work, task, threads or worker.state.nthreads)


def _was_left(worker: Any) -> bool:
    """Whether another worker had the task that this one is at, and is gone."""
    from distributed.utils import sync

    key = worker.get_current_task()
    story = sync(worker.loop, worker.scheduler.get_story, keys_or_stimuli=[key])
    return any(change[1:3] == ("processing", "released") for change in map(tuple, story))


def _result_of(future: Any) -> Any:
    """Give what a task gave, or why it could not be done."""
    try:
        return future.result()
    except (UserError, DeadlyError) as error:
        return error
    except Exception as error:  # of any kind: a task's own, or the loss of its worker
        if type(error).__name__ == "KilledWorker":  # where a cluster allows one failure alone
            return DeadlyError(_DIED)
        return TaskError(str(error) or type(error).__name__)


@contextmanager
def _connected(distributed: Any, workers: int, scheduler: str) -> Iterator[Any]:
    import dask

    quiet = {
        "logging": {"distributed": "critical", "tornado": "critical", "asyncio": "critical"},
        # Without dask's MALLOC_TRIM_THRESHOLD_: pages of memory would be given back for each slice.
        "distributed.nanny.pre-spawn-environ": _ONE_THREAD,
        # Python's own, because dask's "forkserver" imports pandas and others that it finds.
        "distributed.worker.multiprocessing-method": None,
    }
    with ExitStack() as opened:
        opened.enter_context(dask.config.set(quiet))
        for name in ("distributed", "tornado.application", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        if scheduler:
            try:
                client = opened.enter_context(
                    distributed.Client(scheduler, timeout=_CONNECT_SECONDS)
                )
            except TypeError as error:
                raise UserError(
                    f"The scheduler {scheduler} asks for TLS, and dask knows no certificates here.",
                    "Name them in its configuration: https://distributed.dask.org/en/stable/tls.html.",
                ) from error
            except (OSError, ValueError, TimeoutError) as error:
                raise UserError(
                    f"The scheduler {scheduler} can't be reached: {error}.",
                    "Give its address as it prints it, such as tcp://node1:8786.",
                ) from error
        else:
            opened.enter_context(_start_method("forkserver" if _FORKS else "spawn"))
            folder = opened.enter_context(
                tempfile.TemporaryDirectory(prefix="napari-unet-", ignore_cleanup_errors=True)
            )
            with _one_interrupt_kept():  # dask can't end workers that are starting
                cluster = distributed.LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    processes=True,
                    memory_limit=None,
                    security=True,  # others on this machine can't send it tasks
                    local_directory=folder,
                    dashboard_address="127.0.0.1:0",
                    scheduler_kwargs={"dashboard": False},  # until somebody looks
                    silence_logs=logging.CRITICAL,
                )
                client = opened.enter_context(distributed.Client(opened.enter_context(cluster)))
                client.register_plugin(_deaf(distributed))
            _offer_dashboard(cluster.scheduler)
        say(f"What the workers do: {client.dashboard_link}")
        if not client.nthreads():
            say("The cluster has no worker yet: the first one that comes begins.")
        yield client


def _offer_dashboard(scheduler: Any) -> None:
    """Make the dashboard when somebody first looks at it: its import takes half a second."""
    from tornado.web import Application, RequestHandler

    class Offer(RequestHandler):
        def get(self) -> None:
            from distributed.dashboard.scheduler import connect

            served = scheduler.http_application
            if offer in served.applications:
                served.applications.remove(offer)
                connect(served, scheduler.http_server, scheduler)  # type: ignore[no-untyped-call]
            self.redirect(self.request.uri or "/")

    offer = Application([(r"/.*", Offer)])
    scheduler.http_application.add_application(offer)


@contextmanager
def _start_method(name: str) -> Iterator[None]:
    """Start processes of Python's in this way."""
    former = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method(name, force=True)
    try:
        yield
    finally:
        multiprocessing.set_start_method(former, force=True)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set variables for the processes that are started meanwhile."""
    former = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in former.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _one_interrupt_kept() -> Iterator[None]:
    """Let the first Ctrl-C end this process at the end of the ``with`` statement.

    Processes that are started meanwhile, and later by threads that were, never hear it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept: list[int] = []

    def keep(number: int, _: object) -> None:
        if kept:
            raise KeyboardInterrupt
        kept.append(number)

    former = signal.signal(signal.SIGINT, keep)
    try:
        with _deaf_processes():
            yield
    finally:
        signal.signal(signal.SIGINT, former)
    if kept:
        raise KeyboardInterrupt


@contextmanager
def _deaf_processes() -> Iterator[None]:
    """Start processes that never hear Ctrl-C, nor do those that they fork."""
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # whose start would let the signal through again
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)


def _deaf(distributed: Any) -> Any:
    """Let Ctrl-C end this process alone, which ends its workers."""

    class Deaf(distributed.WorkerPlugin):  # type: ignore[misc]
        def setup(self, worker: Any) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return Deaf()


def _import_distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise UserError(
            "Work is shared out among workers by dask.distributed, which is not installed.",
            'pip install "napari-unet-mindspore[cluster]"',
        ) from error
    return distributed
