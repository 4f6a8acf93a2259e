import pytest

from napari_unet.runs.training_estimate import estimate_seconds, estimate_text
from training.config import preset_config
from training.label_convention import LabelConvention

SLICE = (512, 512)


def test_a_training_on_the_isbi_stack_takes_about_a_minute_or_most_of_a_day() -> None:
    compact = estimate_seconds(preset_config("compact"), 30, SLICE)
    assert 50 < compact < 100
    assert estimate_text(compact) == "About 1 min on this CPU."
    medical = estimate_seconds(preset_config("medical"), 30, SLICE)
    assert estimate_text(medical).startswith("⚠ About 21 h on this CPU. Fewer epochs, compact,")


@pytest.mark.parametrize(
    ("options", "labelled", "shape", "factor"),
    [
        ({"epochs": 24}, 30, SLICE, 2),
        ({"steps": 576}, 30, SLICE, 1),
        ({}, 30, (1024, 1024), 4),
        ({}, 60, SLICE, 2),
    ],
)
def test_it_follows_options_and_data(
    options: dict[str, int], labelled: int, shape: tuple[int, int], factor: float
) -> None:
    usual = estimate_seconds(preset_config("compact"), 30, SLICE)
    seconds = estimate_seconds(preset_config("compact", **options), labelled, shape)
    assert seconds == pytest.approx(factor * usual)


def test_few_strokes_are_sampled_as_often_as_in_training() -> None:
    sparse = preset_config("compact", label_convention=LabelConvention.SPARSE)
    assert estimate_seconds(sparse, 2, (128, 128)) == pytest.approx(8 * 160 * 0.015)
