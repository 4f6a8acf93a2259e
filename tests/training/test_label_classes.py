"""Classes of labels: how they are named, and which pixels are of which."""

import numpy as np
import pytest

from training.config import TrainingConfig, preset_config
from training.errors import UserError
from training.label_classes import LabelClass, LabelClasses
from training.label_convention import LabelConvention

pytestmark = pytest.mark.portable


def test_names_are_numbered_from_1_and_0_is_the_background() -> None:
    classes = LabelClasses.parse("membrane, mitochondria")
    assert [(member.name, member.value) for member in classes.members] == [
        ("background", 0),
        ("membrane", 1),
        ("mitochondria", 2),
    ]
    assert (classes.unknown, classes.membrane, classes.things) == (None, 1, [1, 2])
    assert LabelClasses.parse(classes.text) == classes


def test_values_colours_and_what_is_unknown_may_be_named() -> None:
    classes = LabelClasses.parse("vesicle=255#ff8000,cell wall=3,unknown=0")
    assert classes.members[1] == LabelClass("vesicle", 255, "#FF8000")
    assert classes.names == ["cell wall", "vesicle"] and classes.unknown == 0
    assert classes.describe() == "3 is cell wall, 255 vesicle and 0 unknown"
    assert LabelClasses.parse(classes.text) == classes
    assert LabelClasses.parse("a,b,unknown").unknown == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("membrane,<b>", "'<b>' is not a class"),
        ("a=1,b=1", "Two classes have the same name or value"),
        ("a,a", "Two classes have the same name or value"),
        ("a=1,b=2,unknown=2", "Two classes have the same name or value"),
        ("a=300", "above 255"),
        ("a,b=70000", "above 255: 70000"),
        ("unknown=0", "no class has a name"),
        ("a,unknown=0", "1 classes can't be told apart"),
        (",".join(f"c{number}" for number in range(20)), "21 classes can't be told apart"),
    ],
)
def test_what_is_no_list_of_classes_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        LabelClasses.parse(text)


def test_pixels_get_the_place_of_their_class_and_back() -> None:
    classes = LabelClasses.parse("a=5,b=9,unknown=255")
    labels = np.array([[0, 5, 9], [255, -1, 5]], np.int16)
    channels = classes.channels(labels)
    np.testing.assert_array_equal(channels, [[0, 1, 2], [255, 255, 1]])
    likely = np.zeros((3, 2, 3), np.float32)
    for channel in range(3):
        likely[channel][channels == channel] = 0.6
    np.testing.assert_array_equal(classes.decide(likely), [[0, 5, 9], [0, 0, 5]])


@pytest.mark.parametrize(
    ("thresholds", "expected"),
    [
        ({}, [0, 5, 5, 0, 0]),
        ({"b": 0.4}, [0, 5, 9, 0, 0]),
        ({"b": 0.3}, [0, 9, 9, 9, 0]),
        ({"b": 0.4, "a": 0.3}, [5, 5, 9, 5, 0]),
        ({"a": 0.55}, [0, 9, 9, 0, 0]),
        ({"background": 0.5}, [0, 5, 5, 5, 0]),
        ({"a": 0.52, "b": 0.52, "background": 0.55}, [0, 0, 0, 0, 0]),
        ({"b": 0.0}, [9, 9, 9, 9, 0]),
    ],
)
def test_the_likeliest_that_reaches_its_threshold_takes_a_pixel(
    thresholds: dict[str, float], expected: list[int]
) -> None:
    """Else the likeliest of those without one, else 0; the last pixel is padding."""
    classes = LabelClasses.parse("a=5,b=9")
    likely = [[0.6, 0.2, 0.1, 0.36, 0], [0.3, 0.5, 0.45, 0.34, 0], [0.1, 0.3, 0.45, 0.3, 0]]
    decided = classes.decide(np.array(likely, np.float32)[:, None], thresholds)
    assert decided.dtype == np.uint8
    np.testing.assert_array_equal(decided, [expected])


def test_a_configuration_counts_its_classes_and_comes_back_from_its_file() -> None:
    config = preset_config("compact", classes="membrane,mitochondria")
    assert (config.num_classes, config.label_convention) == (3, LabelConvention.CLASSES)
    assert TrainingConfig.from_json(config.to_json()) == config
    assert config.replace(classes="a,b,c").num_classes == 4
    assert config.replace(classes="") == preset_config("compact")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 3}, "num_classes is 3, but there are 2 classes: membrane and inside"),
        ({"classes": "a,b", "num_classes": 5}, "num_classes is 5, but there are 3 classes"),
        ({"label_convention": "classes"}, "these have no names"),
        ({"classes": "a,b", "label_convention": "isbi"}, "the labels' convention is isbi"),
    ],
)
def test_options_that_contradict_the_classes_are_refused(
    options: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        preset_config("compact", **options)
