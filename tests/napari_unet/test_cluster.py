"""What workers do can be watched."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.request import urlopen

import pytest
from distributed import LocalCluster

from napari_unet import cluster
from napari_unet.cluster import connect
from training.errors import UserError


@dataclass(frozen=True)
class Doubling:
    """Work that is done at once."""

    @contextmanager
    def open(self, threads: int) -> Iterator[Callable[[int], int]]:
        yield lambda task: 2 * task


def test_the_dashboard_is_there_for_who_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with connect(1):
        (link,) = re.findall(r"http://127\.0\.0\.1:\d+/status", capsys.readouterr().out)
        for address in (link, link.removesuffix("status"), link):
            with urlopen(address, timeout=30) as page:
                assert page.url == link
                assert "<title>Dask Diagnostic UI</title>" in page.read().decode()


def local_cluster() -> LocalCluster:
    return LocalCluster(n_workers=0, threads_per_worker=1, processes=False, dashboard_address=None)


def test_a_scheduler_that_ends_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 1)
    with local_cluster() as local:
        local.scale(1)
        with connect(1, local.scheduler_address) as workers:
            done = workers.run(Doubling(), iter(range(1000)))
            assert next(done) == (0, 0)
            local.close()
            with pytest.raises(UserError, match="The scheduler can't be reached any more"):
                list(done)


def test_workers_that_come_late_take_part(capsys: pytest.CaptureFixture[str]) -> None:
    with local_cluster() as local, connect(1, local.scheduler_address) as workers:
        assert "The cluster has no worker yet" in capsys.readouterr().out
        given: list[int] = []

        def tasks() -> Iterator[int]:
            for task in range(40):
                given.append(task)
                yield task

        done = workers.run(Doubling(), tasks())
        local.scale(1)
        assert next(done) == (0, 0)
        assert len(given) == 1
        local.scale(3)
        local.wait_for_workers(3)
        results = [next(done), next(done)]
        assert len(given) == 5  # three are done, and two wait
        results += done
        assert sorted(results) == [(task, 2 * task) for task in range(1, 40)]


def test_certificates_that_dask_does_not_know_are_told() -> None:
    problem = "asks for TLS, and dask knows no certificates here"
    with pytest.raises(UserError, match=problem), connect(1, "tls://127.0.0.1:8786"):
        pass
