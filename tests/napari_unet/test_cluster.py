"""What workers do can be watched."""

from __future__ import annotations

import re
from urllib.request import urlopen

import pytest

from napari_unet.cluster import connect


def test_the_dashboard_is_there_for_who_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with connect(1):
        (link,) = re.findall(r"http://127\.0\.0\.1:\d+/status", capsys.readouterr().out)
        for address in (link, link.removesuffix("status"), link):
            with urlopen(address, timeout=30) as page:
                assert page.url == link
                assert "<title>Dask Diagnostic UI</title>" in page.read().decode()
