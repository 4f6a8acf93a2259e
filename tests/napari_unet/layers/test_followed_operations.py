import numpy as np
from napari.layers import Labels

from napari_unet.layers.followed_operations import SAVED_KEY, follow, note_saving, saved_count


def test_a_mask_of_two_lists_keeps_the_count_of_the_one_that_is_not_shown() -> None:
    mask = Labels(np.zeros((2, 3, 4), np.uint8), metadata={SAVED_KEY: {"first": 3}})
    lines = ["line"] * 5
    follow(mask, "second", lines, before=4)
    assert (saved_count(mask, "first"), saved_count(mask, "second")) == (3, 4)
    assert note_saving(mask)
    assert (saved_count(mask, "first"), saved_count(mask, "second")) == (3, 5)
    assert not note_saving(mask), "nothing was done since"
    lines.append("line")
    assert note_saving(mask) and saved_count(mask, "second") == 6
    assert saved_count(mask, "third") is None
