from __future__ import annotations

import pytest

from napari_unet.cli.progress.progress_bar import ProgressBar


def test_nothing_is_drawn_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar(range(3), desc="Predicting") as bar:
        assert list(bar) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")
