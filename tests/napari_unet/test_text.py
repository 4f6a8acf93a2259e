import pytest

from napari_unet.text import progress_text


@pytest.mark.parametrize(
    ("done", "elapsed", "text"),
    [
        (0, 0.0, "Slice 0 of 30"),
        (10, 4.0, "Slice 10 of 30, 8 s left"),
        (1, 30.0, "Slice 1 of 30, 14 min 30 s left"),
        (30, 10.0, "Slice 30 of 30"),
    ],
)
def test_time_left_is_reported_at_the_pace_so_far(done: int, elapsed: float, text: str) -> None:
    assert progress_text(done, 30, elapsed) == text
