"""The figure as the model zoo measures it, beside ours."""

import numpy as np
from scipy import ndimage

from training.metrics.evaluation_report import Evaluation, dice_line
from training.model.model_card import ModelCard
from training.model.zoo_evaluation import has_zoo_dice, zoo_dice
from training.stacks.scaling import Scaling

CARD = ModelCard("medical", Scaling("uint8", 0, 255))


def test_the_zoo_puts_zeros_around_and_compares_at_the_network_s_size() -> None:
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (512, 512), dtype=np.uint8)
    membrane = ndimage.gaussian_filter(random.normal(size=(512, 512)), 4) < -0.05
    seen = []

    def forward(tile: np.ndarray) -> np.ndarray:
        seen.append(tile)
        return (tile[:, :, 92:-92, 92:-92] + 1) / 2

    found = zoo_dice(forward, image, membrane, CARD)
    [tile] = seen
    assert tile.shape == (1, 1, 572, 572)
    assert not tile[0, 0, :92].any() and not tile[0, 0, :, -92:].any()

    def shrink(plane: np.ndarray) -> np.ndarray:
        return ndimage.zoom(plane, 388 / 512, order=1, mode="nearest", grid_mode=True)

    p = (shrink(image / 127.5 - 1) + 1) / 2
    inside = shrink((~membrane).astype(float)) > 0.5
    predicted, wanted = np.stack([p, 1 - p]), np.stack([~inside, inside])
    squares = (predicted**2).sum() + wanted.sum()
    np.testing.assert_allclose(found, 2 * (predicted * wanted).sum() / squares, atol=1e-6)


def test_only_where_slices_are_resized() -> None:
    assert has_zoo_dice("medical")
    assert not has_zoo_dice("compact")


def test_the_zoo_s_line_gives_the_zoo_s_figure() -> None:
    slices = [{"index": index, "soft_dice": 0.9, "dice": 0.8} for index in (6, 4)]
    evaluation = Evaluation(1, slices, {"soft_dice": 0.9, "dice": 0.8})
    both = evaluation.with_figure("zoo_dice", [0.75, 0.25])
    assert both.slices[1] == {**slices[1], "zoo_dice": 0.25}
    assert dice_line(both.mean).endswith("{'dice_coeff': 0.5}")
    assert "Cross valid" not in dice_line(evaluation.mean)
    assert both.table().splitlines()[0].split() == ["slice", "soft_dice", "dice", "zoo_dice"]
