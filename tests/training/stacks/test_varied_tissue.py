import numpy as np

from training.stacks.varied_tissue import BRIGHT, DARK, varied_stack


def test_the_same_seed_gives_the_same_sections_of_one_brightness() -> None:
    images, labels = varied_stack(2, 96, np.random.default_rng(3))
    again, _ = varied_stack(2, 96, np.random.default_rng(3))
    other, _ = varied_stack(2, 96, np.random.default_rng(4))
    assert (images == again).all() and (images != other).any()
    for section in images:
        np.testing.assert_allclose(np.percentile(section, (5, 95)), (DARK, BRIGHT), atol=2)
    assert set(np.unique(labels)) == {0, 255}


def test_membranes_are_dark_and_a_part_of_every_section() -> None:
    for seed in range(4):
        images, labels = varied_stack(1, 128, np.random.default_rng(seed))
        membrane = labels == 0
        assert 0.03 < membrane.mean() < 0.6
        assert images[membrane].mean() < images[~membrane].mean() - 20
