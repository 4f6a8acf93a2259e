"""The latest of many requests, in real threads."""

from __future__ import annotations

from threading import Event, current_thread, main_thread

from pytestqt.qtbot import QtBot
from qtpy.QtCore import QObject

from napari_unet.widgets.common.latest_work import LatestWork


class Desk(QObject):
    """Answers requests once it is let; requests that aren't numbers fail."""

    def __init__(self, **options: object) -> None:
        super().__init__()
        self.let_go, self.begun = Event(), Event()
        self.results: list[float] = []
        self.errors: list[Exception] = []
        self.requests: list[str] = []
        self.work: LatestWork[str, float] = LatestWork(
            self, self.answer, self.results.append, self.errors.append, **options
        )

    def answer(self, request: str) -> float:
        assert current_thread() is not main_thread()
        self.requests.append(request)
        self.begun.set()
        assert self.let_go.wait(60)
        return float(request)

    def begin(self, request: str) -> None:
        self.work.request(request)
        assert self.begun.wait(60)


def add(waiting: str, new: str) -> str:
    return str(int(waiting) + int(new))


def test_of_the_requests_made_meanwhile_only_the_latest_is_worked_on(qtbot: QtBot) -> None:
    desk = Desk()
    desk.begin("1")
    for request in "234":
        desk.work.request(request)
    assert desk.work.is_busy
    desk.let_go.set()
    qtbot.waitUntil(lambda: not desk.work.is_busy)
    assert desk.requests == ["1", "4"]
    assert desk.results == [4]  # 1 was outdated


def test_outdated_results_are_shown_where_that_is_wanted(qtbot: QtBot) -> None:
    desk = Desk(shows_outdated=True)
    desk.begin("1")
    desk.work.request("2")
    desk.let_go.set()
    qtbot.waitUntil(lambda: desk.results == [1, 2])


def test_requests_that_wait_are_merged(qtbot: QtBot) -> None:
    desk = Desk(merge=add)
    desk.begin("1")
    for request in "234":
        desk.work.request(request)
    desk.let_go.set()
    qtbot.waitUntil(lambda: desk.results == [9])
    assert desk.requests == ["1", "9"]


def test_after_an_error_the_request_that_waits_and_the_next_one_are_worked_on(
    qtbot: QtBot,
) -> None:
    desk = Desk()
    desk.begin("no number")
    desk.work.request("2")
    desk.let_go.set()
    qtbot.waitUntil(lambda: desk.results == [2])
    assert [type(error) for error in desk.errors] == [ValueError]
    desk.work.request("3")
    qtbot.waitUntil(lambda: desk.results == [2, 3])


def test_after_an_error_of_whoever_shows_the_result_work_goes_on(qtbot: QtBot) -> None:
    desk = Desk()
    desk.let_go.set()
    work = LatestWork(desk, desk.answer, lambda result: desk.results.append(1 / result))
    with qtbot.capture_exceptions() as raised:
        work.request("0")
        qtbot.waitUntil(lambda: not work.is_busy)
    assert [kind for kind, *_ in raised] == [ZeroDivisionError]
    work.request("2")
    qtbot.waitUntil(lambda: desk.results == [0.5])


def test_a_dropped_request_shows_nothing_and_the_next_one_does(qtbot: QtBot) -> None:
    desk = Desk(shows_outdated=True)
    desk.begin("1")
    desk.work.request("2")
    desk.work.drop()
    assert not desk.work.is_busy
    desk.work.request("3")
    desk.let_go.set()
    qtbot.waitUntil(lambda: desk.results == [3])
    assert desk.requests == ["1", "3"]


def test_a_result_may_ask_for_more(qtbot: QtBot) -> None:
    desk = Desk()
    desk.let_go.set()

    def show(result: float) -> None:
        desk.results.append(result)
        if result < 3:
            work.request(str(result + 1))

    work: LatestWork[str, float] = LatestWork(desk, desk.answer, show)
    work.request("1")
    qtbot.waitUntil(lambda: desk.results == [1, 2, 3])
