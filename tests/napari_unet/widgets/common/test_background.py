"""Work in threads beside the window's."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from pytestqt.qtbot import QtBot
from qtpy.QtCore import QObject, QSize, Qt, QThreadPool
from qtpy.QtGui import QImage
from superqt.utils import create_worker

from napari_unet.widgets.common.background import run_in_thread, start


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


def test_pictures_are_scaled_while_more_workers_go_on_than_there_are_cores(qtbot: QtBot) -> None:
    enough, receiver = threading.Event(), Receiver()

    def work() -> Iterator[str]:
        yield "begun"
        enough.wait()

    workers = QThreadPool.globalInstance().maxThreadCount() + 1
    for _ in range(workers):
        worker = create_worker(work, _start_thread=False)
        worker.yielded.connect(receiver.take)
        worker.finished.connect(lambda: receiver.take("ended"))
        start(worker)
    qtbot.waitUntil(lambda: receiver.results == ["begun"] * workers)
    # Qt divides such a picture among the threads of its pool.
    image = QImage(2000, 2000, QImage.Format.Format_ARGB32)
    scaled = image.scaled(QSize(99, 99), transformMode=Qt.TransformationMode.SmoothTransformation)
    assert scaled.size() == QSize(99, 99)
    enough.set()
    qtbot.waitUntil(lambda: receiver.results.count("ended") == workers)
