from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tests.pixel_kinds import ALIKE, DIFFERENT, pixel_kind
from training.errors import UserError
from training.stacks.intensities import Difference, Intensities, Membranes, compare_levels
from training.stacks.scaling import Scaling
from training.stacks.synthetic import synthetic_stack


@pytest.fixture
def stack() -> np.ndarray:
    stack = np.random.default_rng(0).integers(0, 256, (3, 20, 30), dtype=np.uint8)
    stack[0, 0, :2] = 0, 255
    return stack


@pytest.fixture(scope="module")
def tissue() -> np.ndarray:
    """Six slices (Z, Y, X) of uint8 with dark membranes."""
    return synthetic_stack(6, 128)[0]


def test_8_bit_is_the_zoos_scaling() -> None:
    scaling = Scaling.of(np.full((2, 4, 4), 100, np.uint8))
    assert scaling == Scaling("uint8", 0, 255)
    pixels = np.arange(256, dtype=np.uint8)
    np.testing.assert_allclose(scaling.apply(pixels), pixels / 127.5 - 1, atol=1e-6)
    assert scaling.apply(pixels).dtype == np.float32


@pytest.mark.parametrize(
    ("dtype", "factor"),
    [("uint16", 1), ("uint16", 257), ("int32", 1), ("float32", 1), ("float32", 1 / 255),
     ("float64", 1 / 255), ("float64", 257), (">u2", 257)],
)  # fmt: skip
def test_the_same_image_in_any_dtype_is_the_same_input(
    stack: np.ndarray, dtype: str, factor: float
) -> None:
    scaling = Scaling.of(stack)
    other = (stack * np.float64(factor)).astype(dtype)
    np.testing.assert_array_equal(scaling.for_stack(other).apply(other[0]), scaling.apply(stack[0]))


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        ("uint16", (0, 200), (0, 255)),
        ("uint16", (0, 3000), (0, 4095)),
        ("uint16", (100, 4095), (0, 4095)),
        ("uint16", (0, 4096), (0, 4096)),
        ("uint16", (0, 1023), (0, 1023)),
        ("uint16", (0, 1024), (0, 4095)),
        ("uint16", (0, 5000), (0, 5000)),  # fills less than a quarter of 65535
        ("uint16", (30000, 34000), (30000, 34000)),
        ("uint16", (100, 60000), (0, 65535)),
        ("int16", (-500, 500), (-500, 500)),
        ("uint32", (0, 100000), (0, 100000)),
        ("float32", (0, 1), (0, 1)),
        ("float32", (0, 0.25), (0, 1)),
        ("float32", (0, 200), (0, 255)),
        ("float32", (100, 60000), (0, 65535)),
        ("float32", (-1, 1), (-1, 1)),
        ("float32", (0, 1e6), (0, 1e6)),
        ("uint16", (3000, *[150, 200] * 49, 150, 3000), (0, 4095)),  # more than a hundredth
        ("int16", (-5, *[0, 200] * 49, 0, -5), (-5, 200)),
    ],
)
def test_rule_for_other_dtypes(
    dtype: str, values: tuple[float, ...], expected: tuple[float, float]
) -> None:
    scaling = Scaling.of(np.array([[values]], dtype=dtype))
    assert (scaling.low, scaling.high) == expected


def test_a_stack_that_fits_keeps_the_models_scaling() -> None:
    model = Scaling("uint16", 5, 90)
    assert model.for_stack(np.array([[[5, 90]]], np.uint16)) == model


def test_a_stack_that_does_not_fit_gets_its_own() -> None:
    model = Scaling("uint16", 0, 4095)
    assert model.for_stack(np.array([[[0, 60000]]], np.uint16)) == Scaling("uint16", 0, 65535)
    model = Scaling("int16", 0, 4095)
    assert model.for_stack(np.array([[[-9, 90]]], np.int16)) == Scaling("int16", -9, 90)


def test_a_measured_range_goes_half_as_far_again_beyond_nine_tenths_of_the_pixels() -> None:
    pixels = [*[-1000] * 5, *np.linspace(-100, 100, 91), *[1000] * 5]
    scaling = Scaling.of(np.array([[pixels]], np.int16))
    assert (scaling.low, scaling.high) == (-200, 200)


def test_black_and_white_is_scaled_too() -> None:
    stack = np.indices((4, 40, 40)).sum(0) % 2 == 0
    scaling = Scaling.of(stack)
    np.testing.assert_array_equal(scaling.apply(stack[0]), np.where(stack[0], 1, -1))
    assert scaling.intensities.percentiles[-1] == 1


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_stack_of_one_value_has_a_finite_input(dtype: str) -> None:
    stack = np.full((1, 40, 40), 255, dtype)
    stack[0, 20, 20] = 0  # one value but for what looks like padding
    flat = Scaling.of(stack)
    assert np.isfinite(flat.apply(stack[0])).all()
    noise = np.random.default_rng(0).random((1, 13, 13), np.float32)
    trained = replace(Scaling.of(noise), adapts=True)
    assert replace(trained.for_stack(stack), adapts=False) == flat
    assert trained.difference(flat) is not None
    assert replace(flat, adapts=True).for_stack(noise) == trained


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", ">i2"])
def test_every_small_integer_is_scaled_as_the_float_of_its_value(dtype: str) -> None:
    limits = np.iinfo(dtype)
    pixels = np.arange(limits.min, limits.max + 1).astype(dtype)
    scaling = Scaling(dtype, -50, 100)
    rows = pixels.reshape(16, -1)
    for image in (pixels[::-1], pixels[1:], rows, rows[:, 3:], rows[:, 3:-1], rows.T):
        found = scaling.apply(image)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, scaling.apply(image.astype(float)))


@pytest.mark.parametrize(
    ("dtype", "strays", "expected"),
    [
        ("float32", (-5, 7), (0, 1)),
        ("float32", (-5, 1), (0, 1)),
        ("uint16", (0, 65535), (0, 4095)),
        ("int16", (-9, 32767), (0, 4095)),
    ],
)
def test_a_stray_pixel_changes_no_range(
    dtype: str, strays: tuple[float, float], expected: tuple[float, float]
) -> None:
    noise = np.random.default_rng(0).uniform(0, expected[1], (1, 40, 40)).astype(dtype)
    noise[0, 7, 8:10] = strays
    scaling = Scaling.of(noise)
    assert (scaling.low, scaling.high) == expected


def test_a_stray_pixel_changes_no_measured_range(tissue: np.ndarray) -> None:
    signed = pixel_kind(tissue, "signed")
    clean, stray = Scaling.of(signed), Scaling.of(pixel_kind(tissue, "signed, hot"))
    assert (stray.low, stray.high) == pytest.approx((clean.low, clean.high), rel=0.1)
    assert stray.high < 20_000


@pytest.mark.parametrize("kind", ["plain", "inverted"])
def test_a_stack_like_the_training_stack_is_scaled_by_the_rule(
    tissue: np.ndarray, kind: str
) -> None:
    other = synthetic_stack(6, 128, seed=1)[0]
    wide = (255 - other if kind == "inverted" else other).astype(np.uint16) * 257
    chosen = Scaling.of(tissue).for_stack(wide)
    assert (chosen.low, chosen.high) == (0, 65535)


def test_values_beyond_the_range_are_clipped() -> None:
    scaled = Scaling("float32", 0, 1).apply(np.array([-5, 7], np.float32))
    np.testing.assert_array_equal(scaled, [-1, 1])


@given(npst.arrays(np.float32, (2, 3, 4), elements=st.floats(-(2.0**99), 2.0**99, width=32)))
def test_input_is_always_within_its_range(stack: np.ndarray) -> None:
    scaled = Scaling.of(stack).apply(stack[0])
    assert np.abs(scaled).max() <= 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinite_pixels_are_refused(bad: float) -> None:
    stack = np.zeros((2, 4, 4), np.float32)
    stack[1, 2, 3] = bad
    with pytest.raises(UserError, match="Slice 1 has NaN or infinite pixels"):
        Scaling.of(stack)


@pytest.mark.parametrize(
    ("shape", "dtype", "problem"),
    [
        ((0, 4, 4), float, "does not hold a slice"),
        ((2, 0, 4), float, "Slice 0 is empty"),
        ((2, 4, 4), complex, "Slice 0 has pixels of type complex128"),
    ],
)
def test_what_has_no_pixels_is_refused(shape: tuple[int, ...], dtype: type, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        Scaling.of(np.zeros(shape, dtype))


@pytest.mark.parametrize(
    ("dtype", "factor", "offset"),
    [
        ("uint64", 1, 2**63),
        ("int64", 1, -(2**63)),
        ("int64", 1, 2**60),
        ("float64", 1e-310, 0),
        ("float64", 1e302, 0),
        ("float64", 7e305, -9e307),
    ],
)
def test_what_floats_can_t_tell_apart_is_refused(
    tissue: np.ndarray, dtype: str, factor: float, offset: float
) -> None:
    stack = tissue.astype(dtype) * np.dtype(dtype).type(factor) + np.dtype(dtype).type(offset)
    with pytest.raises(UserError, match=rf"are {dtype} from .* too large, or too close"):
        Scaling.of(stack)
    with pytest.raises(UserError, match="to compute with"):
        Scaling.of(tissue).for_stack(stack)


@pytest.mark.parametrize(
    ("dtype", "factor", "offset"),
    [
        ("uint64", 2**55, 0),
        ("uint64", 1, 2**52),
        ("int64", 2**54, -(2**62)),
        ("uint32", 1, 2**32 - 256),
        ("float64", 1e-299, 0),
        ("float64", 1e297, 0),
    ],
)
def test_large_and_small_values_that_differ_enough_keep_their_contrast(
    tissue: np.ndarray, dtype: str, factor: float, offset: float
) -> None:
    stack = tissue.astype(dtype) * np.dtype(dtype).type(factor) + np.dtype(dtype).type(offset)
    found = Scaling.of(stack).apply(stack)
    assert np.corrcoef(found.ravel(), tissue.ravel())[0, 1] > 0.9999
    assert found.std() > 0.2


def test_no_more_than_8_slices_of_a_large_stack_are_read() -> None:
    class Counting:
        read = 0

        def __len__(self) -> int:
            return 1000

        def __getitem__(self, index: int) -> np.ndarray:
            self.read += 1
            return np.full((2, 2), index % 256, np.uint16)

    stack = Counting()
    Scaling.of(stack)
    assert stack.read == 8


@pytest.mark.parametrize("kind", ALIKE)
def test_the_same_tissue_of_any_kind_is_nearly_the_same_input(
    tissue: np.ndarray, kind: str
) -> None:
    trained, stack = Scaling.of(tissue), pixel_kind(tissue, kind)
    chosen = trained.for_stack(stack)
    wrong = np.abs(chosen.apply(stack[1]) - trained.apply(tissue[1]))
    assert wrong.max() < 0.1, (chosen.low, chosen.high)
    assert trained.difference(chosen) is None


@pytest.mark.parametrize("kind", ALIKE)
def test_strays_and_padding_change_no_training(tissue: np.ndarray, kind: str) -> None:
    """The range that a training chooses holds the tissue, and little else."""
    stack = pixel_kind(tissue, kind)
    padded = stack.copy()
    padded[:, :30] = stack.min()
    padded[:, :, -10:] = stack.max()
    for volume in (stack, padded):
        scaled = Scaling.of(volume).apply(stack[1])
        assert scaled.max() - scaled.min() > 0.8
        assert (np.abs(scaled) == 1).mean() < 0.02


def test_strays_in_the_model_s_own_dtype_are_clipped(tissue: np.ndarray) -> None:
    trained = Scaling.of(pixel_kind(tissue, "12 bit"))
    assert trained.for_stack(pixel_kind(tissue, "12 bit, hot")) == trained


@pytest.mark.parametrize("kind", DIFFERENT)
def test_what_differs_from_the_training_stack(tissue: np.ndarray, kind: str) -> None:
    expected = {
        "inverted": Difference.INVERTED,
        "half as bright": Difference.DARKER,
        "bright": Difference.BRIGHTER,
        "low contrast": Difference.LESS_CONTRAST,
    }
    trained, stack = Scaling.of(tissue), pixel_kind(tissue, kind)
    assert trained.difference(trained.for_stack(stack)) == expected[kind]
    padded = np.pad(stack, ((0, 0), (60, 0), (0, 40)))
    assert trained.difference(trained.for_stack(padded)) == expected[kind]


def test_an_inverted_stack_is_seen_in_any_dtype(tissue: np.ndarray) -> None:
    trained = Scaling.of(tissue)
    for kind in ALIKE:
        stack = pixel_kind(255 - tissue, kind)
        assert trained.difference(trained.for_stack(stack)) == Difference.INVERTED, kind


def test_a_few_pixels_are_not_called_inverted() -> None:
    """Which side their lines lie on is chance."""
    trained = Scaling.of(synthetic_stack(6, 128)[0])
    noises = np.random.default_rng(0).normal(128, 40, (20, 40, 40)).astype(np.float32)
    found = [trained.difference(trained.for_stack([noise] * 6)) for noise in noises]
    assert found.count(Difference.INVERTED) <= 1


@pytest.mark.parametrize("border", [0, 255, 90])
def test_padding_and_missing_sections_are_no_difference(tissue: np.ndarray, border: int) -> None:
    padded = tissue.copy()
    padded[:, :40] = padded[:, :, -30:] = padded[2] = border
    trained = Scaling.of(tissue)
    assert trained.difference(trained.for_stack(padded)) is None
    skewness = Intensities.of(tissue).skewness
    assert Intensities.of(padded).skewness == pytest.approx(skewness, abs=0.1)
    narrow = padded.copy()
    narrow[:, :, 15:] = border
    assert Intensities.of(narrow).skewness == 0
    wide = padded.astype(np.float32) * 3 - 500
    chosen = trained.for_stack(wide)
    np.testing.assert_allclose(
        chosen.apply(wide[1])[60:, :60], trained.apply(tissue[1])[60:, :60], atol=0.15
    )


def test_a_card_without_intensities_knows_no_difference(tissue: np.ndarray) -> None:
    former = Scaling("uint8", 0, 255)
    assert former.difference(former.for_stack(255 - tissue)) is None


def test_padding_becomes_what_lies_beyond_a_slice(tissue: np.ndarray) -> None:
    tissue = tissue[0].copy()
    tissue[:20] = 0
    scaling = Scaling("uint8", 0, 255)
    scaled, padding = scaling.apply_to_slice(tissue)
    np.testing.assert_array_equal(scaled[20:], scaling.apply(tissue)[20:])
    assert not scaled[:20].any() and padding[:20].all()


@pytest.mark.parametrize(
    ("percentiles", "skewness"),
    [
        ((1.0,) * 100, 0.0),
        ((2.0,) + (1.0,) * 100, 0.0),
        ((0.0,) * 100 + (float("nan"),), 0.0),
        ((0.0,) * 100 + (1e301,), 0.0),
        (("a",) * 101, 0.0),
        ((1.0,) * 101, float("nan")),
    ],
)
def test_intensities_that_no_stack_has(percentiles: tuple[float, ...], skewness: float) -> None:
    with pytest.raises(ValueError, match="percentiles"):
        Scaling("uint8", 0, 255, Intensities(percentiles, skewness)).check()


@pytest.mark.parametrize(
    ("shift", "stretch", "expected"),
    [
        (0.14, 1, None),
        (0.16, 1, Difference.BRIGHTER),
        (-0.14, 1, None),
        (-0.16, 1, Difference.DARKER),
        (0, 1.75, None),
        (0, 1.85, Difference.MORE_CONTRAST),
        (0, 1 / 1.75, None),
        (0, 1 / 1.85, Difference.LESS_CONTRAST),
    ],
)
def test_how_much_a_stack_may_differ(
    shift: float, stretch: float, expected: Difference | None
) -> None:
    trained = np.linspace(0.3, 0.7, 101)
    assert compare_levels(trained, 0.5 + shift + (trained - 0.5) * stretch) == expected
    below_the_median = np.arange(101) < 50
    assert compare_levels(trained, trained - 0.2 * below_the_median) is None


@pytest.mark.parametrize(
    ("mine", "its", "expected"), [(-0.09, 0.09, True), (-0.08, 0.5, False), (0.2, 0.5, False)]
)
def test_lines_are_inverted_where_both_stacks_show_them_clearly(
    mine: float, its: float, expected: bool
) -> None:
    levels = tuple(map(float, range(101)))
    first, second = Intensities(levels, mine), Intensities(levels, its)
    assert first.is_inverted_to(second) == second.is_inverted_to(first) == expected


@pytest.mark.parametrize(
    ("membranes", "adapts"),
    [(Membranes.AUTO, True), (Membranes.LIGHT, True), (Membranes.LIGHT, False)],
)
def test_light_membranes_become_dark_and_where_it_adapts_any_contrast_the_same(
    membranes: Membranes, adapts: bool
) -> None:
    tissue = synthetic_stack(3, 96)[0]
    model = replace(Scaling.of(tissue), adapts=adapts)
    expected = model.for_stack(tissue).apply(tissue)
    light = 255 - tissue // 2
    scaling = model.for_stack(light, membranes)
    assert scaling.is_inverted and scaling.adapts == adapts
    np.testing.assert_allclose(scaling.apply(light), expected, atol=0.03)
    assert model.difference(scaling) is None
    dim = tissue // 2 + 60
    is_same = np.allclose(model.for_stack(dim).apply(dim), expected, atol=0.03)
    assert is_same == adapts


def test_membranes_that_are_asked_for_change_places_with_those_trained_on(
    tissue: np.ndarray,
) -> None:
    light = Scaling.of(255 - tissue)
    assert light.for_stack(tissue, Membranes.DARK).is_inverted
    assert not light.for_stack(tissue, Membranes.LIGHT).is_inverted
    for dark in (Scaling.of(tissue), Scaling("uint8", 0, 255)):
        assert dark.for_stack(tissue, Membranes.LIGHT).is_inverted
        assert not dark.for_stack(tissue, Membranes.DARK).is_inverted


def test_stacks_are_as_far_apart_as_their_scaled_percentiles_are_at_most() -> None:
    mine = np.arange(101.0)
    its = mine + 20 * (mine >= 50)
    its[98:] = 200  # strays
    trained = Scaling("uint16", 0, 200, Intensities(tuple(mine), 0))
    for dtype, high, unit in (("uint16", 400, 1), ("float32", 1, 1 / 200)):
        stack = Scaling(dtype, 0, high, Intensities(tuple(its * unit), 0))
        assert trained.distance(stack) == pytest.approx(0.1)
    assert trained.distance(Scaling("uint16", 0, 200)) == np.inf
