import numpy as np
import pytest

from training.dataset.holdout import split_fold
from training.errors import UserError


def test_fold_1_of_isbi_is_the_zoos() -> None:
    training, validation = split_fold(30, 1)
    assert validation == [6, 4, 18, 19, 9, 7]
    assert len(training) == 24


@pytest.mark.parametrize("length", [5, 10, 30, 100])
def test_folds_validate_every_slice_once(length: int) -> None:
    splits = [split_fold(length, fold) for fold in range(5)]
    assert sorted(index for _, validation in splits for index in validation) == list(range(length))
    for training, validation in splits:
        assert sorted(training + validation) == list(range(length))


@pytest.mark.parametrize("length", [6, 7, 8, 9, 31])
def test_no_slice_both_trains_and_validates(length: int) -> None:
    for fold in range(5):
        training, validation = split_fold(length, fold)
        assert sorted(training + validation) == list(range(length))


def test_numpys_global_random_state_is_left_alone() -> None:
    np.random.seed(7)
    expected = np.random.random()
    np.random.seed(7)
    split_fold(30, 1)
    assert np.random.random() == expected


@pytest.mark.parametrize("fold", [-1, 5, 30])
def test_fold_out_of_range(fold: int) -> None:
    with pytest.raises(UserError, match=f"no fold {fold}.*from 0 to 4"):
        split_fold(30, fold)


def test_too_few_slices() -> None:
    with pytest.raises(UserError, match="4 slices, but 5 are needed"):
        split_fold(4, 0)
