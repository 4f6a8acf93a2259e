import pytest

from napari_unet.text import progress_text
from training.console import list_slices


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


def test_only_the_first_of_many_slices_are_named() -> None:
    assert list_slices([3]) == "3"
    assert list_slices(range(8)) == "0, 1, 2, 3, 4, 5, 6, 7"
    assert list_slices(range(9)) == "0, 1, 2, 3, 4, 5, 6, 7, …"
