from datetime import datetime
from pathlib import Path

import pytest

from napari_unet.runs.run_titles import moment_text, read_title, write_title
from training.config import preset_config
from training.runs.run_directory import RunDirectory

NOW = datetime(2026, 11, 26, 23, 50)


@pytest.mark.parametrize(
    ("data", "title"),
    [
        ({"data_url": "/data/isbi"}, "isbi"),
        ({"data_url": "/data/isbi", "image": "/data/cortex.tif"}, "cortex"),
        ({"data_url": "/runs/one/data", "image": "/runs/one/data/train-volume.tif"}, "one"),
        ({}, "one"),
    ],
)
def test_a_run_is_called_like_its_data_until_a_person_renames_it(
    data: dict[str, str], title: str, tmp_path: Path
) -> None:
    run = RunDirectory(tmp_path / "one")
    config = preset_config("compact", **data)
    run.create(config)
    assert read_title(run, config) == title
    write_title(run, "  café, 60 epochs ")
    assert read_title(run, config) == "café, 60 epochs"
    write_title(run, "")
    assert read_title(run, config) == title
    run.title.write_bytes(b"x" * 5000)  # somebody else's
    assert read_title(run, config) == title


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 26, 9, 5), "09:05"),
        (datetime(2026, 11, 25, 23, 32), "25 Nov 23:32"),
        (datetime(2025, 11, 26, 9, 5), "26 Nov 2025"),
    ],
)
def test_a_moment_is_as_short_as_it_may_be(moment: datetime, text: str) -> None:
    assert moment_text(moment, NOW) == text
