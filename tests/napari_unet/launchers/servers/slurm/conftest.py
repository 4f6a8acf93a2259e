from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.napari_unet.launchers.servers.loopback.namespaces import two_namespaces
from tests.napari_unet.launchers.servers.loopback.sshd import Sshd
from tests.napari_unet.launchers.servers.slurm.cluster import Cluster, missing


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Slurm with two idle nodes."""
    if reason := missing():
        pytest.skip(reason)
    with running(Cluster(tmp_path_factory.mktemp("slurm"))) as cluster:
        yield cluster


@pytest.fixture
def wide_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A Slurm whose nodes have networks of their own, as machines do."""
    if reason := missing():
        pytest.skip(reason)
    (tmp_path / "slurm").mkdir()
    with two_namespaces() as names, running(Cluster(tmp_path / "slurm", names)) as cluster:
        yield cluster


@contextmanager
def running(cluster: Cluster) -> Iterator[Cluster]:
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def login(sshd: Sshd, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Sshd:
    """The cluster's login node; its queue is looked at often."""
    return log_in(sshd, cluster, monkeypatch)


@pytest.fixture
def wide_login(sshd: Sshd, wide_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Sshd:
    """The login node of the other cluster."""
    return log_in(sshd, wide_cluster, monkeypatch)


def log_in(sshd: Sshd, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Sshd:
    (sshd.login / ".bash_profile").write_text(f"export SLURM_CONF='{cluster.configuration}'\n")
    for name in ("LOOK_SECONDS", "ENDING_SECONDS"):
        monkeypatch.setattr(f"napari_unet.launchers.servers.slurm.queue.{name}", 0.1)
    return sshd
