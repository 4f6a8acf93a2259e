"""The list of pairs of the Train dock."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.layers import Image, Labels
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QPushButton, QTreeWidget

from napari_unet.runs.training_sources import FilePair, LayerData
from napari_unet.widgets.train.pair_list import PairList

STACK = np.zeros((6, 8, 9), np.uint8)


@pytest.fixture
def pairs(qtbot: QtBot) -> PairList:
    pairs = PairList()
    qtbot.addWidget(pairs)
    return pairs


@pytest.fixture
def layers() -> tuple[Image, Labels]:
    return Image(STACK, name="tissue"), Labels(STACK.copy(), name="truth")


def rows(pairs: PairList) -> list[tuple[str, str]]:
    tree = pairs.findChild(QTreeWidget)
    items = [tree.topLevelItem(row) for row in range(tree.topLevelItemCount())]
    return [(item.text(0), item.text(1)) for item in items]


def click(pairs: PairList, qtbot: QtBot, text: str) -> None:
    [button] = [b for b in pairs.findChildren(QPushButton) if b.text() == text]
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_layers_are_added_once_and_taken_off(
    pairs: PairList, layers: tuple[Image, Labels], qtbot: QtBot
) -> None:
    assert pairs.data() is None
    pairs.add_layers(*layers)
    pairs.add_layers(*layers)
    assert rows(pairs) == [("tissue", "truth")]
    assert pairs.first_images is layers[0]
    data = pairs.data()
    assert isinstance(data.chosen[0], LayerData)
    assert data.chosen[0].labels.data is layers[1].data
    pairs.findChild(QTreeWidget).topLevelItem(0).setSelected(True)
    with qtbot.waitSignal(pairs.pairs_changed):
        click(pairs, qtbot, "Remove")
    assert rows(pairs) == [] and pairs.data() is None


def test_a_ticked_pair_is_held_out(
    pairs: PairList, layers: tuple[Image, Labels], qtbot: QtBot
) -> None:
    pairs.add_layers(*layers)
    pairs.add_layers(Image(STACK, name="other"), layers[1])
    assert pairs.data().held_out == ()
    with qtbot.waitSignal(pairs.pairs_changed):
        tree = pairs.findChild(QTreeWidget)
        tree.itemWidget(tree.topLevelItem(1), 2).click()
    assert pairs.data().held_out == (1,)


def test_two_files_and_the_pairs_of_a_folder_are_added(
    pairs: PairList, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.tif", "a_labels.tif", "b.tif", "b_mask.tif"):
        tifffile.imwrite(tmp_path / name, STACK)
    answers = iter([str(tmp_path / "a.tif"), str(tmp_path / "a_labels.tif")])
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (next(answers), ""))
    click(pairs, qtbot, "Files…")
    assert [pair.name for pair in pairs.data().chosen] == ["a"] and pairs.first_images is None
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    with qtbot.waitSignal(pairs.pairs_changed):
        click(pairs, qtbot, "Folder…")
    assert pairs.data().chosen == (
        FilePair(tmp_path / "a.tif", tmp_path / "a_labels.tif"),
        FilePair(tmp_path / "b.tif", tmp_path / "b_mask.tif"),
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    with qtbot.waitSignal(pairs.failed) as failed:
        pairs.add_folder(empty)
    assert str(empty) in failed.args[0]
