"""Layers and folders as training data: read, checked, guessed and written."""

from __future__ import annotations

import re
import shutil
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.layers import Labels
from scipy import ndimage

from napari_unet.launchers.local_launcher import LocalLauncher
from napari_unet.runs.run_titles import read_title
from napari_unet.runs.training_preview import preview
from napari_unet.runs.training_sources import (
    FilePair,
    FolderData,
    LayerData,
    LayerStack,
    SeveralPairs,
)
from napari_unet.runs.training_start import start_training
from tests.stack_files import read_label_note
from tests.training.stacks.indexed_pixels import IndexedPixels
from training.config import TrainingConfig, preset_config
from training.dataset.found_meanings import read_meanings
from training.dataset.training_pair import open_pair
from training.dataset.training_set import load_training_set
from training.errors import UserError
from training.label_convention import IdBorders, LabelConvention
from training.opening import read_stack
from training.runs.run_directory import RunDirectory
from training.stacks.label_census import LabelCensus
from training.stacks.label_meaning import LabelMeaning
from training.stacks.sparse_labels import LabelNote
from training.stacks.synthetic import synthetic_stack

census = LabelCensus.of


@pytest.fixture
def layers() -> LayerData:
    images, labels = synthetic_stack(slices=6, size=64)
    return LayerData(
        LayerStack("sections", images), LayerStack("truth", (labels == 0).astype(np.uint8))
    )


def test_a_preview_tells_size_share_and_convention(layers: LayerData) -> None:
    shown = preview(layers)
    assert shown.shape == (6, 64, 64)
    assert shown.problems == ()
    assert shown.convention == "membrane"
    assert shown.meanings[LabelConvention.MEMBRANE].share == pytest.approx(
        np.mean(layers.labels.data)
    )
    assert shown.meanings[LabelConvention.ISBI].share == pytest.approx(
        1 - np.mean(layers.labels.data)
    )


def test_labels_of_insides_are_taken_the_other_way_round(layers: LayerData) -> None:
    insides = LayerStack("truth", 255 * (layers.labels.data == 0))
    assert preview(LayerData(layers.images, insides)).convention == "isbi"


@pytest.fixture
def strokes(layers: LayerData) -> LayerData:
    """Strokes on two slices of fifty; the second is corrected."""
    images = np.concatenate([layers.images.data] * 9)[:50]
    labels = np.zeros(images.shape, np.uint8)
    for z in (11, 38):
        labels[z, ::9] = np.where(layers.labels.data[z % 6, ::9] == 1, 1, 2)
    return LayerData(
        LayerStack("sections", images), LayerStack("strokes", labels, corrected_slices=(38,))
    )


def test_strokes_on_a_few_of_many_slices_are_seen(strokes: LayerData) -> None:
    shown = preview(strokes)
    assert shown.convention == "sparse"
    assert shown.problems == ()
    assert shown.shape == (50, 64, 64)
    assert set(np.unique(shown.labels)) == {0, 1, 2}
    painted = strokes.labels.data
    expected = np.count_nonzero(painted == 1) / np.count_nonzero(painted)
    assert shown.meanings[LabelConvention.SPARSE].share == pytest.approx(expected)


def test_a_start_reads_slice_by_slice_and_a_preview_counts_once(
    strokes: LayerData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, layer in (("train-volume", strokes.images), ("train-labels", strokes.labels)):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.concatenate([layer.data] * 10))
    folder = FolderData(tmp_path)
    tracemalloc.start()
    [pair] = folder.pairs()
    meaning = pair.check(LabelConvention.SPARSE)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(meaning.labelled) == 20
    assert most < 10 * strokes.labels.data.nbytes / 2
    counted = []
    monkeypatch.setattr(LabelCensus, "of", lambda *stacks: counted.append(1) or census(*stacks))
    assert preview(folder).convention == "sparse"
    assert len(counted) == 1


def test_too_few_strokes_are_reported(strokes: LayerData) -> None:
    strokes.labels.data[38] = 0
    strokes.labels.data[11, 1:] = 0
    strokes.labels.data[11, 0] = [2] * 60 + [0] * 2 + [1] * 2
    (problem,) = preview(strokes).problems
    assert "'strokes' has only one stroke of membrane" in problem.problem


def test_strokes_are_written_as_such(strokes: LayerData, tmp_path: Path) -> None:
    prepared = strokes.prepare(tmp_path / "data", strokes.check(LabelConvention.SPARSE)).files
    assert prepared.convention == "sparse"
    assert np.array_equal(read_stack(prepared.labels), strokes.labels.data)
    assert read_label_note(Path(prepared.labels)) == LabelNote("sparse", (38,))


def test_what_has_no_file_is_written_below_the_run(layers: LayerData, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    prepared = layers.prepare(run.data, layers.check(LabelConvention.MEMBRANE)).files
    assert np.array_equal(read_stack(prepared.image), layers.images.data)
    assert np.array_equal(read_stack(prepared.labels) == 0, layers.labels.data == 1)
    assert prepared.convention == "isbi"
    run.create(preset_config("compact"))


def test_images_in_a_file_stay_there(layers: LayerData, tmp_path: Path) -> None:
    path = tmp_path / "sections.tif"
    tifffile.imwrite(path, layers.images.data)
    opened = LayerData(LayerStack("sections", layers.images.data, path), layers.labels)
    meaning = opened.check(LabelConvention.ISBI)
    assert opened.prepare(tmp_path / "data", meaning).files.image == str(path)
    cropped = LayerData(LayerStack("sections", layers.images.data[:5], path), layers.labels)
    assert cropped.prepare(tmp_path / "cropped", meaning).files.image != str(path)


def test_an_unfit_pair_starts_nothing_and_leaves_nothing(layers: LayerData, tmp_path: Path) -> None:
    unfit = LayerData(layers.images, LayerStack("truth", layers.labels.data[:4]))
    with pytest.raises(UserError, match="'truth'"):
        start_training(LocalLauncher(tmp_path), unfit, preset_config("compact"), "run")
    assert list(tmp_path.iterdir()) == []


def test_a_problem_names_the_layers_as_the_window_does(layers: LayerData) -> None:
    for labels, problem in (
        (np.full((6, 64, 64), 3), "All pixels of 'truth' are 3."),
        (layers.labels.data[:4], "'truth' has the shape (4, 64, 64), but 'sections' has"),
        (np.stack([layers.labels.data] * 2), "'truth' has the shape (2, 6, 64, 64). Choose"),
    ):
        with pytest.raises(UserError, match=f"^{re.escape(problem)}"):
            LayerData(layers.images, LayerStack("truth", labels)).check(LabelConvention.MEMBRANE)


@pytest.mark.parametrize("volumes", [1, 2])
def test_the_labels_of_files_are_counted_once(
    layers: LayerData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, volumes: int
) -> None:
    for kind, stack in (("images", layers.images), ("labels", layers.labels)):
        (tmp_path / "data" / kind).mkdir(parents=True)
        for volume in range(volumes):
            tifffile.imwrite(tmp_path / "data" / kind / f"{volume}.tif", stack.data + volume)
    counted: list[object] = []

    def count(*stacks: object) -> LabelCensus:
        counted.append(stacks)
        return census(*stacks)

    def read_data(run: RunDirectory, *_: object) -> None:
        load_training_set(run.read_config(), read_meanings(run.label_meanings))

    monkeypatch.setattr(LabelCensus, "of", count)
    monkeypatch.setattr("napari_unet.launchers.local_launcher._start_training", read_data)
    data = FolderData(tmp_path / "data")
    run = start_training(LocalLauncher(tmp_path), data, preset_config("compact"), "run")
    assert len(counted) == len(read_meanings(run.label_meanings)) == volumes


def mask_of(values: tuple[float, float, float], dtype: type) -> Callable[[np.ndarray], np.ndarray]:
    """Labels with values for inside, membrane, and a stray pixel on each slice."""

    def make(membrane: np.ndarray) -> np.ndarray:
        made = np.where(membrane == 1, values[1], values[0]).astype(dtype)
        made[:, 30, 30] = values[2]
        return made

    return make


def smooth(membrane: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter(membrane.astype(np.float32), (0, 1, 1))


def ids(membrane: np.ndarray) -> np.ndarray:
    return np.stack([ndimage.label(page == 0)[0] for page in membrane]).astype(np.int32)


def paint(membrane: np.ndarray) -> np.ndarray:
    painted = np.where(np.arange(64) % 9 < 3, np.where(membrane == 1, 1, 2), 0)
    return painted.astype(np.uint8)


KINDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "a mask": mask_of((0, 1, 1), np.uint8),
    "insides": mask_of((255, 0, 0), np.uint8),
    "1 and 2": mask_of((2, 1, 1), np.int32),
    "a stray value": mask_of((0, 1, 7), np.uint8),
    "much membrane": lambda membrane: 1 - membrane,
    "smoothed": smooth,
    "ids": ids,
    "strokes": paint,
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_labels_of_layers_are_counted_once(
    layers: LayerData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Although they are written to a file with other values, it says what they mean there."""
    labels = KINDS[kind](layers.labels.data)
    data = LayerData(layers.images, LayerStack("truth", labels))
    monkeypatch.setattr("napari_unet.launchers.local_launcher._start_training", lambda *_: None)
    convention = preview(data).convention
    if kind == "much membrane":
        convention = LabelConvention.MEMBRANE
    config = preset_config("compact", label_convention=convention)
    run = start_training(LocalLauncher(tmp_path), data, config, "run")
    config, known = run.read_config(), read_meanings(run.label_meanings)
    counted = read_again(config)
    assert [found.meaning for found in known] == [
        replace(counted, share=pytest.approx(counted.share))
    ]
    monkeypatch.setattr(LabelCensus, "of", None)
    assert load_training_set(config, known).sentences == tuple(counted.describe())


def read_again(config: TrainingConfig) -> LabelMeaning:
    with open_pair(
        Path(config.image), Path(config.labels), config.label_convention, config.ids
    ) as pair:
        return pair.meaning


def test_layers_that_mean_less_in_a_file_are_counted_there(
    layers: LayerData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_unet.launchers.local_launcher._start_training", lambda *_: None)
    faint = smooth(layers.labels.data)
    faint[2] *= 0.1  # several values, none of them membrane
    unknown = layers.labels.data.astype(np.int8)
    unknown[:, :9] = -1
    for number, labels in enumerate((faint, unknown)):
        data = LayerData(layers.images, LayerStack("truth", labels))
        config = preset_config("compact", label_convention=LabelConvention.MEMBRANE)
        run = start_training(LocalLauncher(tmp_path), data, config, f"run{number}")
        assert read_meanings(run.label_meanings) == []
        assert read_again(run.read_config()).labelled


def test_a_folder_without_the_files_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train-volume\.tif"):
        preview(FolderData(tmp_path))


def test_a_layer_brings_its_file_and_what_was_corrected(tmp_path: Path) -> None:
    strokes = Labels(
        np.zeros((3, 8, 8), np.uint8), name="strokes", metadata={"corrected_slices": [2, 1]}
    )
    stack = LayerStack.of(strokes)
    assert (stack.name, stack.path, stack.corrected_slices) == ("strokes", None, (1, 2))
    assert stack.data is strokes.data


@pytest.mark.parametrize("is_stack", [True, False])
def test_layers_that_can_only_be_indexed_are_trained_on(layers: LayerData, is_stack: bool) -> None:
    pages = [stack.data if is_stack else stack.data[0] for stack in (layers.images, layers.labels)]
    images, labels = (LayerStack.of(Labels(IndexedPixels(page.astype(int)))) for page in pages)
    pair = LayerData(images, labels).read(2)
    assert pair.problems(LabelConvention.MEMBRANE) == []
    np.testing.assert_array_equal(pair.labels[0], layers.labels.data[0])


def test_layers_of_one_slice_are_a_stack_to_train_on(layers: LayerData) -> None:
    pages = layers.images.data[0], layers.labels.data[0]
    images, labels = (LayerStack.of(Labels(page.astype(int))) for page in pages)
    pair = LayerData(images, labels).read(1)
    assert pair.shape == (1, *pages[0].shape)
    assert pair.problems(LabelConvention.ISBI) == []


@pytest.mark.parametrize("unknown", ["none", "0"])
def test_ids_are_written_as_they_are_with_how_they_are_read(
    layers: LayerData, tmp_path: Path, unknown: str
) -> None:
    y, x = np.mgrid[:64, :64] // 8
    ids = np.stack([np.where((y + x) % 5 == 0, 0, 2**40 + 9 * y + x)] * 6)
    data = LayerData(layers.images, LayerStack("ids", ids))
    config = preset_config("compact", label_convention="instances", border=3, unknown=unknown)
    meaning = data.check(config.label_convention, config.ids)
    assert (meaning.ids.width, meaning.is_finished) == (3, unknown == "none")
    written = data.prepare(tmp_path / "data", meaning).files
    assert written.convention == LabelConvention.INSTANCES
    np.testing.assert_array_equal(read_stack(written.labels), ids)
    assert read_label_note(Path(written.labels)) == LabelNote(convention=None)
    with open_pair(Path(written.image), Path(written.labels), None, config.ids) as pair:
        np.testing.assert_array_equal(pair.codes[2], meaning.read(ids[2]))


def test_a_preview_tells_how_ids_are_read(layers: LayerData) -> None:
    ids = np.stack([np.arange(64 * 64).reshape(64, 64) // 512 + 1] * 6)
    data = LayerData(layers.images, LayerStack("ids", ids))
    shown = preview(data, ids=IdBorders(2))
    meaning = shown.meanings[shown.convention]
    assert shown.convention == "instances" and "within 2 pixels" in meaning.reading
    assert meaning.share == pytest.approx(7 * 4 / 64)
    [problem] = preview(data, ids=IdBorders(0)).problems
    assert "With a border of 0 pixels, 'ids' has no membrane" in problem.problem


@pytest.fixture
def unlike(layers: LayerData, strokes: LayerData, tmp_path: Path) -> SeveralPairs:
    """Layers, and files of another size, type and convention."""
    path = tmp_path / "a.tif"
    images = strokes.images.data[:, :40, :50].astype(np.uint16) * 200
    tifffile.imwrite(path, images, photometric="minisblack")
    tifffile.imwrite(tmp_path / "a_labels.tif", strokes.labels.data[:, :40, :50])
    return SeveralPairs((layers, FilePair(path, tmp_path / "a_labels.tif"), layers), held_out=(2,))


def test_each_of_several_pairs_is_looked_at(unlike: SeveralPairs) -> None:
    shown = preview(unlike, LabelConvention.ISBI)
    assert [volume.name for volume in (shown, *shown.others)] == ["sections", "a", "sections"]
    assert [volume.convention for volume in (shown, *shown.others)] == [
        "membrane",
        "sparse",
        "membrane",
    ]
    unfit = LayerData(unlike.chosen[0].images, LayerStack("truth", np.zeros((2, 3, 4), np.uint8)))
    shown = preview(SeveralPairs((*unlike.chosen, unfit)))
    assert "'truth'" in shown.problems[0].problem
    assert len(shown.others) == 3


def test_several_pairs_are_named_in_the_configuration(
    unlike: SeveralPairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[TrainingConfig] = []

    def start(_: LocalLauncher, config: TrainingConfig, name: str, __: object) -> RunDirectory:
        started.append(config)
        run = RunDirectory(tmp_path / name)
        run.create(config)
        return run

    monkeypatch.setattr(LocalLauncher, "start", start)
    run = start_training(LocalLauncher(tmp_path), unlike, preset_config("compact"), "run")
    assert read_title(run) == "sections and 2 more"
    [config] = started
    assert [pair.name for pair in config.pairs] == ["sections", "a", "sections (2)"]
    assert [pair.convention for pair in config.pairs] == ["isbi", "sparse", "isbi"]
    assert config.hold_out == ("sections (2)",)
    layers = unlike.chosen[0]
    assert np.array_equal(read_stack(config.pairs[2].image), layers.images.data)
    assert config.pairs[1].image == str(tmp_path / "a.tif")


def test_the_pairs_of_a_folder_are_found_by_their_names(
    unlike: SeveralPairs, tmp_path: Path
) -> None:
    for name in ("b.tif", "b_mask.tif"):
        shutil.copy(tmp_path / "a.tif", tmp_path / name)
    found = FolderData(tmp_path).pairs()
    assert [pair.name for pair in found] == ["a", "b"]
