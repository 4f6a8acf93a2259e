import pytest
from pytestqt.qtbot import QtBot

from napari_unet.widgets.common.steady_label import SteadyLabel

LINK = '<a href="3">3</a>'
TEXTS = ("", "Click the other end.", f"Corrected: {LINK}<br>Edited, but not marked: {LINK}")


@pytest.mark.parametrize("width", [200, 320])
def test_texts_up_to_so_many_lines_take_the_same_height(qtbot: QtBot, width: int) -> None:
    label = SteadyLabel(2)
    qtbot.addWidget(label)
    heights = set()
    for text in TEXTS:
        label.setText(text)
        heights |= {label.heightForWidth(width), label.minimumSizeHint().height()}
    assert len(heights) == 1
    label.setText("word " * 100)
    assert label.heightForWidth(width) > heights.pop(), "a longer text is not cut off"
