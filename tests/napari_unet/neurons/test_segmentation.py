"""Cases worked out by hand: rooms between walls of membrane."""

import numpy as np
import pytest

from napari_unet.neurons.region_borders import Borders, find_borders
from napari_unet.neurons.region_merging import merge_regions
from napari_unet.neurons.segmentation import (
    Segmentation,
    choose_segmentation,
    number_neurons,
    segment_slice,
)
from napari_unet.neurons.segmentation_choice import LabelledVolume, choose_on_training_slices
from napari_unet.prediction.predictor import load_predictor
from tests.napari_unet.conftest import UINT8
from training.dataset.holdout import split_fold
from training.formats.pixel_size import PixelSize
from training.masks.writer_choice import write_stack
from training.metrics.neuron_metrics import label_neurons, v_rand
from training.model.model_card import TrainedVolume
from training.model.stack_scale import zoom_of_training
from training.opening import open_stack
from training.stacks.fingerprint import fingerprint
from training.stacks.sparse_labels import INSIDE, MEMBRANE
from training.stacks.synthetic import synthetic_stack

SIZE, WALL = 21, slice(9, 12)


def two_rooms(strength: float = 0.9) -> np.ndarray:
    """Probability of two rooms parted by a wall three pixels wide."""
    probability = np.full((SIZE, SIZE), 0.01, np.float32)
    probability[:, WALL] = strength
    return probability


def with_gap() -> np.ndarray:
    """The wall has a gap three pixels high: it is 0.9 in 18 rows and 0.2 in three."""
    probability = two_rooms()
    probability[9:12, WALL] = 0.2
    return probability


def count(neurons: np.ndarray) -> int:
    return len(np.unique(neurons[neurons > 0]))


@pytest.mark.parametrize("method", ["watershed", "components"])
def test_two_rooms_are_two_neurons(method: str) -> None:
    neurons = segment_slice(two_rooms(), Segmentation(method))
    assert neurons.dtype == np.int32
    assert sorted(np.unique(neurons)) == [0, 1, 2]
    assert (np.count_nonzero(neurons == 0, axis=1) == 1).all(), "a border one pixel wide"
    assert len(np.unique(neurons[:, : WALL.start])) == len(np.unique(neurons[:, WALL.stop :])) == 1


def test_a_gap_merges_components_but_no_watershed() -> None:
    assert count(segment_slice(with_gap(), Segmentation("components"))) == 1
    assert count(segment_slice(with_gap(), Segmentation("watershed"))) == 2


def test_the_mean_along_the_border_decides() -> None:
    """About (18 x 0.9 + 3 x 0.2) / 21 = 0.8, as the border may take steps."""
    for threshold, neurons in ((0.7, 2), (0.9, 1)):
        found = segment_slice(with_gap(), Segmentation(threshold=threshold))
        assert count(found) == neurons


def test_only_what_is_dark_enough_is_a_seed() -> None:
    probability = two_rooms()
    probability[:, WALL.stop :] = 0.04
    assert count(segment_slice(probability, Segmentation(seeds=0.05))) == 2
    assert count(segment_slice(probability, Segmentation(seeds=0.03))) == 1


@pytest.mark.parametrize("method", ["watershed", "components"])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_slice_without_borders_is_one_neuron(method: str, value: float) -> None:
    neurons = segment_slice(np.full((5, 7), value, np.float32), Segmentation(method))
    assert (neurons == 1).all()


def test_the_weakest_border_is_merged_first() -> None:
    """Three regions in a row with borders 0.2 and 0.6; merged, the outer two touch as well."""
    regions = np.repeat([[1, 2, 3]], 4, axis=0).astype(np.int32)
    probability = np.repeat([[0.2, 0.0, 0.6]], 4, axis=0).astype(np.float32)
    found = merge_regions(3, find_borders(regions, probability), [0.1, 0.3, 0.7])
    merged = [numbers[regions][0].tolist() for numbers in found]
    assert merged == [[1, 2, 3], [1, 1, 2], [1, 1, 1]]


def test_borders_of_merged_regions_are_one_border() -> None:
    """1 and 2 are parted by 0.1; both border on 3, with 0.4 along two pixels and 0.8 along one."""
    regions = np.array([[1, 1, 2], [3, 3, 3]], np.int32)
    probability = np.array([[0.0, 0.1, 0.0], [0.4, 0.4, 0.8]], np.float32)
    found = merge_regions(3, find_borders(regions, probability), [0.05, 0.53, 0.54])
    whole, joined, everything = (numbers[regions] for numbers in found)
    assert whole.tolist() == regions.tolist()
    assert joined.tolist() == [[1, 1, 1], [2, 2, 2]], "(0.4 + 0.4 + 0.8) / 3 = 0.533"
    assert (everything == 1).all()


def test_higher_thresholds_to_come_change_nothing() -> None:
    """Without one, the borders that are never merged are left out."""
    rng = np.random.default_rng(0)
    regions = np.arange(1, 901, dtype=np.int32).reshape(30, 30)
    borders = find_borders(regions, rng.random((30, 30), np.float32))
    for threshold in (0.2, 0.5, 0.65, 0.8):
        [alone] = merge_regions(900, borders, [threshold])
        first, _ = merge_regions(900, borders, [threshold, 2.0])
        np.testing.assert_array_equal(alone, first)
        assert 1 < alone.max() < 900


def merge_one_by_one(count: int, borders: Borders, threshold: float) -> list[int]:
    """Merge the weakest border of all, and weigh all again: the regions' first neighbours."""
    roots = np.arange(count + 1)
    while True:
        found: dict[tuple[int, int], tuple[float, int]] = {}
        for low, high, strength, length in zip(*borders[:4], strict=True):
            pair = tuple(sorted((int(roots[low]), int(roots[high]))))
            before = found.get(pair, (0.0, 0))
            found[pair] = before[0] + strength, before[1] + length
        weak = [(s / n, *pair) for pair, (s, n) in found.items() if pair[0] != pair[1]]
        mean, low, high = min(weak, default=(threshold, 0, 0))
        if mean >= threshold:
            return roots.tolist()
        roots[roots == high] = low


@pytest.mark.parametrize("has_ties", [False, True])
def test_regions_are_merged_as_one_by_one(has_ties: bool) -> None:
    """Also where borders are equally strong, and their order decides."""
    rng = np.random.default_rng(0)
    for count in (3, 12, 40):
        pairs = np.unique(np.sort(rng.integers(1, count + 1, (3 * count, 2))), axis=0)
        low, high = pairs[pairs[:, 0] < pairs[:, 1]].T
        length = rng.integers(1, 5, len(low))
        strength = length * rng.integers(0, 5 if has_ties else 2**20, len(low))
        strength = strength / (5 if has_ties else 2**20)
        borders = Borders(low, high, strength, length, np.zeros(len(low), np.float32))
        found = merge_regions(count, borders, [0.3, 0.7])
        for threshold, numbers in zip((0.3, 0.7), found, strict=True):
            roots = merge_one_by_one(count, borders, threshold)
            assert numbers.tolist() == np.unique(roots, return_inverse=True)[1].tolist()


def test_borders_are_the_same_by_larger_numbers() -> None:
    rng = np.random.default_rng(0)
    regions = rng.integers(1, 30, (40, 50)).astype(np.int32)
    probability = rng.random(regions.shape, np.float32)
    found, others = find_borders(regions, probability), find_borders(regions + 70000, probability)
    assert len(found.low) > 300
    for name, expected in found._asdict().items():
        more = 70000 if name in ("low", "high") else 0
        np.testing.assert_array_equal(getattr(others, name) - more, expected)


def test_numbers_are_unique_in_a_stack() -> None:
    slices = [np.array([[1, 0, 2]], np.int32)] * 2
    assert [page.tolist() for page in number_neurons(iter(slices))] == [[[1, 0, 2]], [[3, 0, 4]]]


@pytest.mark.parametrize(("wall", "threshold"), [(0.25, 0.2), (0.35, 0.3)])
def test_the_setting_with_the_best_v_rand_is_chosen(wall: float, threshold: float) -> None:
    """The wall is weak, but a wall: only thresholds up to it part the rooms."""
    probability, membrane = two_rooms(wall), two_rooms() > 0.5
    how, score = choose_segmentation([probability], [membrane])
    assert (how.threshold, score) == (threshold, 1)
    perfect, score = choose_segmentation([two_rooms()], [membrane], "components")
    assert (perfect, score) == (Segmentation("components", 0.5), 1), "0.5 where many are as good"


def test_a_wall_that_is_none_is_opened_by_a_high_threshold() -> None:
    """As a network gives that is too sure of membrane."""
    how, score = choose_segmentation([two_rooms(0.75)], [np.zeros((SIZE, SIZE), bool)])
    assert (how.threshold, score) == (0.8, 1)


def test_neurons_of_the_synthetic_stack_are_found() -> None:
    """From its truth, blurred as a network blurs it, with a gap in every tenth pixel's wall."""
    from scipy import ndimage

    _, labels = synthetic_stack(slices=2, size=128)
    for page in labels:
        membrane = page == 0
        probability = ndimage.gaussian_filter(membrane.astype(np.float32), 1)
        probability[::10] *= 0.3
        truth = label_neurons(~membrane)
        scores = {
            method: v_rand(segment_slice(probability, Segmentation(method)), truth)
            for method in ("watershed", "components")
        }
        assert scores["watershed"] > 0.95 > scores["components"]


def test_training_slices_alone_choose(write_model, images, membrane) -> None:
    predictor = load_predictor(write_model(fold=1))
    codes = dict(enumerate(np.where(membrane, MEMBRANE, INSIDE)))
    spoilt = codes | dict.fromkeys(split_fold(len(images), 1)[1], np.full_like(codes[0], INSIDE))
    calls = []
    volume = LabelledVolume(images, spoilt)
    chosen = choose_on_training_slices(predictor, [volume], on_slice=lambda: calls.append(1))
    assert chosen == choose_on_training_slices(predictor, [LabelledVolume(images, codes)])
    assert len(calls) == len(split_fold(len(images), 1)[0])


def test_slices_without_labels_choose_nothing(write_model, images, membrane) -> None:
    predictor = load_predictor(write_model(fold=1))
    labelled, held_out = split_fold(len(images), 1)
    calls = []
    for slices, count in (({labelled[0], *held_out}, 1), (set(held_out), len(held_out))):
        truth = {z: np.where(membrane[z], MEMBRANE, INSIDE) for z in slices}
        volumes = [LabelledVolume(images, truth)]
        choose_on_training_slices(predictor, volumes, on_slice=lambda: calls.append(1))
        assert len(calls) == count
        calls.clear()


def test_every_volume_chooses_by_its_training_slices(write_model, images, membrane) -> None:
    other = images[:, ::-1].copy()
    second = TrainedVolume(UINT8, (1.0, 1.0), (0.0, 0.0), (2, 3), "b.tif", fingerprint(other))
    about = {"train_slices": (0,), "fingerprint": fingerprint(images), "others": (second,)}
    predictor = load_predictor(write_model(**about))
    codes = dict(enumerate(np.where(membrane, MEMBRANE, INSIDE)))
    flipped = {z: page[::-1] for z, page in codes.items()}
    volumes = [LabelledVolume(images, codes), LabelledVolume(other, flipped)]
    calls = []
    chosen = choose_on_training_slices(predictor, volumes, on_slice=lambda: calls.append(1))
    assert len(calls) == 3
    seen = (images, codes, (0,)), (other, flipped, (2, 3))
    probabilities = [
        probability
        for stack, _, slices in seen
        for _, probability in predictor.predict(stack, indices=slices)
    ]
    borders = [truth[z] == MEMBRANE for _, truth, slices in seen for z in slices]
    assert chosen == choose_segmentation(probabilities, borders)


def test_a_volume_is_predicted_at_the_scale_that_it_was_trained_at(write_model, tmp_path) -> None:
    card = load_predictor(write_model(pixel_size=PixelSize(None, 4, 4))).card
    pixels = np.zeros((1, 20, 20), np.uint8)
    for nm, zoom in ((8, 2.0), (4.5, 1.0), (None, 1.0)):
        size = PixelSize.of(None, nm, nm)
        path = tmp_path / f"{nm}.tif"
        write_stack(path, pixels, np.uint8, is_label=False, pixel_size=size)
        with open_stack(path) as stack:
            assert zoom_of_training(card, stack) == pytest.approx((zoom, zoom))
