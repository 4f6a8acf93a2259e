"""Work in threads beside the window's."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from functools import partial

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QObject, QSize, Qt, QThreadPool
from qtpy.QtGui import QImage

from napari_unet.widgets.common.background import Worker, run_in_thread


class Receiver(QObject):
    def __init__(self) -> None:
        super().__init__()
        self.results: list[object] = []

    def take(self, result: object) -> None:
        self.results.append(result)


def test_results_and_errors_come_back_to_the_window_s_thread(qtbot: QtBot) -> None:
    receiver = Receiver()
    run_in_thread(lambda: threading.current_thread().name, receiver.take)
    run_in_thread(lambda: [][0], receiver.take, receiver.take)
    qtbot.waitUntil(lambda: len(receiver.results) == 2)
    assert {type(result) for result in receiver.results} == {str, IndexError}
    assert threading.main_thread().name not in receiver.results


def test_pictures_are_scaled_while_more_workers_go_on_than_there_are_cores(
    qtbot: QtBot, request: pytest.FixtureRequest
) -> None:
    enough, receiver = threading.Event(), Receiver()
    request.addfinalizer(enough.set)

    def work() -> Iterator[str]:
        yield "begun"
        enough.wait()

    workers = QThreadPool.globalInstance().maxThreadCount() + 1
    for _ in range(workers):
        worker = Worker(work)
        worker.yielded.connect(receiver.take)
        worker.finished.connect(lambda: receiver.take("ended"))
        worker.start()
    qtbot.waitUntil(lambda: receiver.results == ["begun"] * workers)
    # Qt divides such a picture among the threads of its pool.
    image = QImage(2000, 2000, QImage.Format.Format_ARGB32)
    scaled = image.scaled(QSize(99, 99), transformMode=Qt.TransformationMode.SmoothTransformation)
    assert scaled.size() == QSize(99, 99)
    enough.set()
    qtbot.waitUntil(lambda: receiver.results.count("ended") == workers)


def test_an_error_of_a_generator_is_told_and_ends_it(qtbot: QtBot) -> None:
    def work() -> Iterator[int]:
        yield 1
        raise RuntimeError("no device")

    receiver = Receiver()
    worker = Worker(work)
    worker.yielded.connect(receiver.take)
    worker.errored.connect(lambda error: receiver.take(str(error)))
    worker.finished.connect(lambda: receiver.take("ended"))
    worker.start()
    qtbot.waitUntil(lambda: receiver.results == [1, "no device", "ended"])


def test_a_generator_that_is_to_quit_is_closed_in_its_thread(qtbot: QtBot) -> None:
    def work() -> Iterator[str]:
        try:
            while True:
                yield threading.current_thread().name
        finally:
            closed_in.append(threading.current_thread().name)

    closed_in: list[str] = []
    receiver = Receiver()
    worker = Worker(work)
    worker.yielded.connect(worker.quit)
    worker.returned.connect(receiver.take)
    worker.finished.connect(lambda: receiver.take("ended"))
    worker.start()
    qtbot.waitUntil(lambda: receiver.results == ["ended"])
    assert closed_in == ["napari-unet"]


def test_work_that_overlaps_leaves_the_warnings_of_the_process_as_they_are(
    qtbot: QtBot, request: pytest.FixtureRequest
) -> None:
    def work(begun: threading.Event, end: threading.Event) -> bool:
        begun.set()
        return end.wait()

    before = warnings.showwarning, list(warnings.filters)
    receiver = Receiver()
    ends = [threading.Event(), threading.Event()]
    for end in ends:
        request.addfinalizer(end.set)
        begun = threading.Event()
        run_in_thread(partial(work, begun, end), receiver.take)
        begun.wait()
    for count, end in enumerate(ends, 1):
        end.set()
        qtbot.waitUntil(lambda count=count: len(receiver.results) == count)
    assert (warnings.showwarning, list(warnings.filters)) == before
