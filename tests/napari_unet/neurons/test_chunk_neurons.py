"""Neurons found block by block: those of the whole, wherever blocks cut the slices."""

import os
import pickle
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from napari_unet.neurons.border_features import FEATURES, SEEDS, FloodedSlice, border_features
from napari_unet.neurons.chunk_neurons import ChunkNeurons
from napari_unet.neurons.linking import StackLinker
from napari_unet.neurons.merge_forest import MergeForest
from napari_unet.neurons.segmentation import (
    Segmentation,
    find_neurons,
    segment_slice,
    segment_slices,
)
from napari_unet.neurons.watershed import flood
from napari_unet.prediction.predictor import load_predictor
from training.errors import UserError
from training.metrics.neuron_metrics import v_rand
from training.model.slice_view import cut_window
from training.model.starter_model import starter_path
from training.stacks.synthetic import synthetic_stack

ISBI = Path(os.environ.get("NAPARI_UNET_ISBI", "../shared/isbi")) / "test-volume.tif"
KINDS = (
    "basins",
    "slices",
    "borders",
    "merged",
    "drawn",
    "counts",
    "sums",
    "numbers",
)  # each made of the former
WATERSHED, COMPONENTS = Segmentation(), Segmentation("components")


def find(
    folder: Path, probability: np.ndarray, how: Segmentation = WATERSHED, **options: object
) -> tuple[np.ndarray, int]:
    """Do every task by a copy that was pickled, the blocks from the last to the first."""
    search = ChunkNeurons(folder, probability, how, **options)  # type: ignore[arg-type]
    for task in reversed(search.tasks):
        pickle.loads(pickle.dumps(search)).flood(task)
    for index in range(len(probability)):
        search.join(index)
    if search.is_learned:
        for task in reversed(search.tasks):
            pickle.loads(pickle.dumps(search)).describe(task)
        sent = pickle.dumps(search)
        assert len(sent) < 10_000 + probability.nbytes, "a forest is larger"
        merging = pickle.loads(sent)
        for index in range(len(probability)):
            merging.merge(index)
    for task in reversed(search.tasks):
        search.draw(task)
    for task in reversed(search.tasks if search.is_linked else []):
        search.count(task)
    for index in range(len(probability)):
        search.add_up(index)
    total = search.number()
    return read_blocks(search), total


def read_blocks(search: ChunkNeurons) -> np.ndarray:
    """Put the numbered blocks of a search together: array (Z, Y, X) of int64."""
    found = np.zeros(search.shape, np.int64)
    for index, block in search.tasks:
        cut_window(found[index], search.window(block))[...] = search.read_block(index, block)
    return found


@cache
def tissue(slices: int = 2, size: int = 160) -> np.ndarray:
    """Probability that a network may give, with gaps in its membranes."""
    _, labels = synthetic_stack(slices=slices, size=size)
    membrane = np.float32(labels == 0)
    probability = ndimage.gaussian_filter(membrane, (0, 1, 1))
    noise = np.random.default_rng(0).random(membrane.shape, np.float32)
    probability += 0.02 * noise
    probability[:, ::10] *= 0.5
    return np.clip(probability, 0, 1)


def assert_same_but_for_ties(found: np.ndarray, expected: np.ndarray) -> None:
    """The numbers are the same; two passes may be equally high, as both are at one pixel."""
    assert found.shape == expected.shape
    assert found.max() == expected.max()
    assert (found != expected).mean() < 0.0005


@cache
def learned() -> Segmentation:
    """What takes a border for a membrane where it is strong, and the slices beside agree."""
    slices = [FloodedSlice.of(page) for page in tissue(3)]
    parts = [border_features(slices[i], [slices[j]])[1] for i, j in ((0, 1), (1, 2), (2, 1))]
    features = np.concatenate(parts)
    mean, beside = FEATURES.index("mean"), FEATURES.index("higher_probability_beside")
    evidence = features[:, mean] + features[:, beside]
    is_membrane = evidence > np.median(evidence)
    return Segmentation(merges=MergeForest.learn(features, is_membrane, np.ones(len(features))))


def walls(*places: tuple[slice, slice], size: int = 40) -> np.ndarray:
    probability = np.full((1, size, size), 0.01, np.float32)
    for place in places:
        probability[0][place] = 0.9
    return probability


@pytest.mark.parametrize("is_linked", [False, True])
@pytest.mark.parametrize("how", [WATERSHED, COMPONENTS], ids=lambda how: how.method)
def test_blocks_give_the_neurons_and_numbers_of_the_whole(
    tmp_path: Path, how: Segmentation, is_linked: bool
) -> None:
    probability = tissue(3)
    linker = StackLinker()
    expected = np.stack(list(find_neurons(probability, how, linker)))
    if is_linked:
        linker.renumber(expected)
    assert expected.max() > 15
    for side in (48, 64, 200):
        found, total = find(
            tmp_path / str(side), probability, how, is_linked=is_linked, side=side, halo=48
        )
        assert_same_but_for_ties(found, expected)
        assert total == expected.max()


def test_blocks_are_merged_as_the_whole_by_what_was_learned(tmp_path: Path) -> None:
    probability = tissue(3)
    linker = StackLinker()
    expected = np.stack(list(find_neurons(probability, learned(), linker)))
    by_threshold = list(segment_slices(probability, WATERSHED))
    for page, other in zip(expected, by_threshold, strict=True):
        assert v_rand(page, other) < 0.99, "what was learned changes nothing"
    linker.renumber(expected)
    for side in (48, 100):
        folder = tmp_path / str(side)
        found, total = find(folder, probability, learned(), is_linked=True, side=side)
        assert_same_but_for_ties(found, expected)
        assert total == expected.max()
        for page, whole in zip(found, expected, strict=True):
            assert v_rand(page, whole) >= 0.995
        assert not list(folder.glob("pixels/*/*")), "no probability is kept that nobody needs"


def test_blocks_have_the_seeds_of_the_whole_at_all_levels(tmp_path: Path) -> None:
    noise = ndimage.gaussian_filter(np.random.default_rng(0).random((2, 90, 110)), (0, 2, 2))
    probability = np.float32((noise - noise.min()) / np.ptp(noise)) ** 2
    expected = np.stack(list(find_neurons(probability, learned())))
    seeds = [flood(probability[0], SEEDS[:levels]).regions.max() for levels in (1, 2, 3, 4)]
    assert min(np.diff([1, *seeds])) > 0, "some levels add no seed"
    for side in (17, 40, 64):
        found, total = find(tmp_path / str(side), probability, learned(), side=side)
        assert_same_but_for_ties(found, expected)
        assert total == expected.max()


def test_a_single_slice_takes_the_threshold(tmp_path: Path) -> None:
    probability = tissue(1)
    found, _ = find(tmp_path, probability, replace(learned(), seeds=0.1, threshold=0.4), side=64)
    [expected] = find_neurons(probability, Segmentation(seeds=0.1, threshold=0.4))
    assert_same_but_for_ties(found[0], expected)


def test_a_neuron_across_four_blocks_has_one_number(tmp_path: Path) -> None:
    frame = (np.s_[4:6, 4:36], np.s_[34:36, 4:36], np.s_[4:36, 4:6], np.s_[4:36, 34:36])
    found, total = find(tmp_path, walls(*frame), side=20, halo=8)
    assert total == 2
    assert (found[0, 7:33, 7:33] == 2).all()
    assert found[0, 0, 0] == found[0, 39, 39] == 1


def test_neurons_whose_wall_is_the_face_of_blocks_stay_apart(tmp_path: Path) -> None:
    for name, wall in (("before", 19), ("after", 20)):
        found, total = find(tmp_path / name, walls(np.s_[:, wall : wall + 1]), side=20, halo=8)
        assert total == 2
        assert (found[0, :, :18] == 1).all() and (found[0, :, 22:] == 2).all()
        assert (np.count_nonzero(found[0] == 0, axis=1) == 1).all(), "a border one pixel wide"


def test_a_gap_beside_a_face_is_bridged_by_the_wall_of_all_blocks(tmp_path: Path) -> None:
    probability = walls(np.s_[:, 18:21])
    probability[0, 30:, 18:21] = 0.2  # the lower blocks see a weak wall; all of it is strong
    _, total = find(tmp_path, probability, side=20, halo=8)
    assert total == 2
    assert segment_slice(probability[0, 25:], WATERSHED).max() == 1


@pytest.mark.parametrize("how", [WATERSHED, COMPONENTS], ids=lambda how: how.method)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_blocks_without_borders_are_one_neuron(
    tmp_path: Path, how: Segmentation, value: float
) -> None:
    found, total = find(tmp_path, np.full((1, 50, 45), value, np.float32), how, side=16, halo=4)
    assert total == 1
    assert (found == 1).all()


def test_components_do_not_reach_a_block_that_lies_in_membrane(tmp_path: Path) -> None:
    """A square of membrane larger than a block and what lies around it: it has no component."""
    probability = walls(np.s_[20:, 20:], size=60)
    found, total = find(tmp_path, probability, COMPONENTS, side=20, halo=4)
    assert total == len(np.unique(found[found > 0])) == 2
    assert found[0, 0, 0] == found[0, 59, 0] == found[0, 0, 59] == 1
    assert found[0, 50, 50] == 2


@pytest.mark.parametrize("side", [7, 20])
@pytest.mark.parametrize("has_plains", [False, True])
def test_a_watershed_has_no_seams(tmp_path: Path, side: int, has_plains: bool) -> None:
    """Some of the blocks are membrane alone: their seeds are several blocks away."""
    probability = tissue(slices=1, size=60).copy()
    probability[0, 20:, 30:] += 0.9 - probability[0, 20:, 30:].mean()
    if has_plains:
        probability = np.round(probability, 1)
    [expected] = find_neurons(probability, WATERSHED)
    assert expected.max() > 3
    found, total = find(tmp_path, probability, side=side)
    assert_same_but_for_ties(found[0], expected)
    assert total == expected.max()


def test_numbers_have_no_gap(tmp_path: Path) -> None:
    """A seed of one pixel may be covered by its border, in any of the slices."""
    probability = np.random.default_rng(0).random((3, 60, 60), np.float32)
    how = Segmentation("watershed", threshold=0.6, seeds=0.3)
    found, total = find(tmp_path, probability, how, is_linked=True, side=16, halo=8)
    assert np.unique(found).tolist() == list(range(total + 1))


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    expected, _ = find(tmp_path, tissue(), side=64, halo=48)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")}
    found, _ = find(tmp_path, np.zeros((2, 160, 160), np.float32), side=64, halo=48)
    np.testing.assert_array_equal(found, expected)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")} == files


@pytest.mark.parametrize("where", ["cut", "end", "middle"])
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_told_and_made_again(tmp_path: Path, kind: str, where: str) -> None:
    """Also where the file's list of arrays is whole, and one of them is not."""
    probability = tissue(size=64)
    how = learned() if kind in ("borders", "merged") else WATERSHED
    expected, _ = find(tmp_path, probability, how, is_linked=True, side=48)
    path = next((tmp_path / kind / "0").iterdir())
    content = bytearray(path.read_bytes())
    if where == "cut":
        del content[len(content) // 2 :]
    else:
        place = slice(60, 90) if where == "middle" else slice(-20, None)
        content[place] = bytes(len(content[place]))
    path.write_bytes(content)
    for later in KINDS[KINDS.index(kind) + 1 :]:
        for other in tmp_path.glob(f"{later}/*/*.npz"):
            other.unlink()
    with pytest.raises(UserError, match=r"can't be read") as failure:
        find(tmp_path, probability, how, is_linked=True, side=48)
    assert str(path) in failure.value.problem
    assert "Delete this file, and give the same command" in failure.value.remedy
    path.unlink()
    found, _ = find(tmp_path, probability, how, is_linked=True, side=48)
    np.testing.assert_array_equal(found, expected)


def test_a_damaged_probability_that_is_still_needed_is_made_again(tmp_path: Path) -> None:
    probability = tissue(3, size=64)
    expected, _ = find(tmp_path / "whole", probability, learned(), side=48)
    search = ChunkNeurons(tmp_path / "damaged", probability, learned(), side=48)
    for task in search.tasks:
        search.flood(task)
    path = next(tmp_path.glob("damaged/pixels/1/*"))
    path.write_bytes(b"")
    with pytest.raises(UserError, match=f"{path} can't be read"):
        find(tmp_path / "damaged", probability, learned(), side=48)
    path.unlink()
    assert not search.is_flooded(1)
    found, _ = find(tmp_path / "damaged", probability, learned(), side=48)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.skipif(not ISBI.exists(), reason="needs ISBI's test volume")
def test_isbi_in_blocks_is_as_the_whole(tmp_path: Path) -> None:
    stack = tifffile.imread(ISBI)[:2]
    probability = np.stack([page for _, page in load_predictor(starter_path()).predict(stack)])
    expected = np.stack(list(find_neurons(probability, WATERSHED)))
    found, _ = find(tmp_path, probability, side=128)
    assert_same_but_for_ties(found, expected)
