"""Bands of large slices, and the memory that a prediction takes."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import tifffile
from scipy import ndimage

from training.errors import UserError
from training.label_classes import LabelClasses
from training.model import slice_steps
from training.model.model_card import ModelCard
from training.model.slice_prediction import predict_slice
from training.model.slice_steps import SliceSteps
from training.model.slice_view import SliceView
from training.model.stack_part import StackPart, parse_region
from training.model.stack_scale import StackScale
from training.opening import open_stack
from training.stacks.padding import find_padding
from training.stacks.scaling import Scaling

SCALING = Scaling("uint8", 0.0, 255.0)


def write_stack(folder: Path, shape: tuple[int, int, int]) -> Path:
    path = folder / "stack.tif"
    pages = np.random.default_rng(0).integers(1, 256, shape, dtype=np.uint8)
    tifffile.imwrite(path, pages, photometric="minisblack")
    return path


def smooth(tile: np.ndarray) -> np.ndarray:
    """Sees as far as the network's halo lets it."""
    return ndimage.uniform_filter(tile, (1, 1, 31, 31))


@pytest.mark.parametrize(("region", "bands"), [("", 3), ("1:3,900:2200,10:", 2)])
def test_bands_are_equal_to_the_whole_and_cost_no_tile_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, region: str, bands: int
) -> None:
    card, tiles = ModelCard("compact", SCALING), []

    def forward(tile: np.ndarray) -> np.ndarray:
        tiles.append(tile.shape)
        return smooth(tile)

    def predict(steps: SliceSteps) -> list[tuple[int, np.ndarray]]:
        tiles.clear()
        each = map(steps.step, range(len(steps)))
        return [(s.index, predict_slice(forward, stack[s.index], card, view=s.view)) for s in each]

    with open_stack(write_stack(tmp_path, (3, 2500, 40))) as stack:
        part = StackPart(stack, parse_region(region), StackScale())
        whole = SliceSteps(stack, part, (1.0, 1.0), card)
        expected, count = predict(whole), len(tiles)
        monkeypatch.setattr(slice_steps, "BAND_PIXELS", 1)
        steps = SliceSteps(stack, part, (1.0, 1.0), card)
        found = predict(steps)
        assert (whole.bands, steps.bands, len(tiles)) == (1, bands, count)
    assert [index for index, _ in found[::bands]] == [index for index, _ in expected]
    for number, (_, page) in enumerate(expected):
        parts = [band for _, band in found[bands * number : bands * number + bands]]
        np.testing.assert_array_equal(np.concatenate(parts), page)


@pytest.mark.parametrize(
    ("preset", "own_zoom", "zoom", "tta", "most"),
    [
        ("compact", (1.0, 1.0), (1.0, 1.0), True, 1.4),
        ("compact", (1.0, 1.0), (1.3, 0.8), True, 1.4),
        ("compact", (1.0, 1.0), (0.45, 0.6), False, 3.0),  # of few tiles
        ("medical", (0.75, 0.8), (1.0, 1.0), True, 1.4),
        ("medical", (0.75, 0.8), (1.5, 1.5), False, 1.4),
        ("medical", None, (1.0, 1.0), True, 5.0),  # one tile of each turn for each of five bands
    ],
)
def test_bands_of_what_is_resized_or_turned_are_equal_to_the_whole(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    preset: str,
    own_zoom: tuple[float, float] | None,
    zoom: tuple[float, float],
    tta: bool,
    most: float,
) -> None:
    """The network sees pooling's grid and has a direction, so that no turn may take another's."""
    card = ModelCard(preset, SCALING, own_zoom, displacement=(0.6, -1.4))
    margin, tiles = card.geometry.margin, []

    def forward(tile: np.ndarray) -> np.ndarray:
        tiles.append(tile.shape)
        inner = slice(margin, -margin or None)
        seen = np.roll(smooth(tile), (3, -5), axis=(2, 3))[:, :, inner, inner]
        seen[..., ::16, ::16] += 0.1
        return np.clip((6 * seen + 1) / 2, 0, 1)

    with open_stack(write_stack(tmp_path, (1, 2500, 90))) as stack:
        part = StackPart(stack, parse_region("0:1,7:2500,5:90"), StackScale())
        image = stack[0]
        expected = predict_slice(forward, image, card, tta, SliceView(zoom, part.window))
        count = len(tiles)
        tiles.clear()
        monkeypatch.setattr(slice_steps, "BAND_PIXELS", 1)
        steps = SliceSteps(stack, part, zoom, card, tta)
        views = [steps.step(number).view for number in range(len(steps))]
        bands = [predict_slice(forward, image, card, tta, view) for view in views]
    assert steps.bands >= 3 and len(tiles) <= most * count
    assert expected.std() > 0.02
    np.testing.assert_allclose(np.concatenate(bands), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("names", "zoom", "tta", "length"),
    [
        ("", 1.0, False, 3000),  # many tiles
        ("", 0.5, False, 1400),
        ("", 1.5, True, 1400),
        ("membrane,mitochondria", 1.0, True, 1400),
        ("membrane,mitochondria", 1.5, False, 1400),
    ],
)
def test_the_memory_is_about_what_it_takes(
    tmp_path: Path, names: str, zoom: float, tta: bool, length: int
) -> None:
    card = ModelCard("compact", SCALING, classes=LabelClasses.parse(names).members)
    channels = card.label_classes.outputs
    with open_stack(write_stack(tmp_path, (1, length, length))) as stack:
        part = StackPart(stack, parse_region(""), StackScale())
        steps = SliceSteps(stack, part, (zoom, zoom), card, tta)
        image, view = stack[0], steps.step(0).view
        tracemalloc.start()
        padding = find_padding(image)  # none here, in as much memory as some takes
        predict_slice(lambda tile: np.repeat(tile, channels, 1), image, card, tta, view, padding)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        told = steps.memory([]) - slice_steps._PROGRAM
    assert 0.6 < told / most < 1.4, (told / image.size, most / image.size)


def test_what_does_not_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = ModelCard("compact", SCALING)
    with open_stack(write_stack(tmp_path, (1, 1500, 1400))) as stack:
        part = StackPart(stack, parse_region(""), StackScale())
        steps = SliceSteps(stack, part, (1.0, 1.0), card)
        turned = SliceSteps(stack, part, (1.0, 1.0), card, tta=True)
        alone, together = steps.memory(["mask"]), steps.memory(["mask"], processes=2)
        assert together < turned.memory(["mask"], processes=2)
        monkeypatch.setattr(
            psutil, "virtual_memory", lambda: SimpleNamespace(available=(alone + together) / 2)
        )
        steps.check_memory(["mask"])
        with pytest.raises(UserError, match=r"stack.tif takes about .* GiB .* fewer devices"):
            steps.check_memory(["mask"], processes=2)
        with pytest.raises(UserError, match=r"without --tta"):
            turned.check_memory(["mask"], processes=2)
