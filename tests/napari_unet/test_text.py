import pytest

from napari_unet.text import duration, progress_text


@pytest.mark.parametrize(
    ("done", "elapsed", "text"),
    [
        (0, 0.0, "Slice 0 of 30"),
        (10, 4.0, "Slice 10 of 30, 8 s left"),
        (1, 30.0, "Slice 1 of 30, 14 min left"),
        (30, 10.0, "Slice 30 of 30"),
    ],
)
def test_time_left_is_reported_at_the_pace_so_far(done: int, elapsed: float, text: str) -> None:
    assert progress_text(done, 30, elapsed) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (59, "59 s"), (90, "2 min"), (3900, "1 h 5 min")]
)
def test_durations_are_reported_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
