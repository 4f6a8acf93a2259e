from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from napari_unet.neurons.border_features import FEATURES
from napari_unet.neurons.merge_forest import MergeForest
from training.errors import UserError
from training.files.array_files import write_arrays


def borders(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features, many of them equal, and whether each border is a membrane: not by one of them."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, len(FEATURES))).round(2).astype(np.float32)
    return features, features[:, 0] + features[:, 1] + 0.3 * random.normal(size=count) > 0


@pytest.mark.parametrize("kind", [ExtraTreesClassifier, RandomForestClassifier])
def test_it_says_what_scikit_learn_says(kind: type) -> None:
    features, is_membrane = borders(400, seed=0)
    weights = np.linspace(1, 9, len(features))
    trees = kind(20, min_samples_leaf=2, random_state=0).fit(features, is_membrane, weights)
    forest = MergeForest.of([estimator.tree_ for estimator in trees.estimators_])
    # Those that it learned from lie on thresholds; and more than are asked at once.
    others = np.concatenate([features, borders(1500, seed=1)[0]])
    expected = trees.predict_proba(others)[:, 1]
    np.testing.assert_allclose(forest.predict(others), expected, rtol=0, atol=1e-7)
    assert forest.predict(others[:0]).shape == (0,)


@pytest.fixture(scope="module")
def forest() -> MergeForest:
    features, is_membrane = borders(200, seed=0)
    return MergeForest.learn(features, is_membrane, np.ones(len(features)), "a model")


def test_it_learns_and_is_read_as_it_was(forest: MergeForest, tmp_path: Path) -> None:
    features, is_membrane = borders(1000, seed=1)
    found = forest.predict(features)
    assert np.mean((found > 0.5) == is_membrane) > 0.6
    forest.write(tmp_path / "merges.npz")
    read = MergeForest.read(tmp_path / "merges.npz")
    assert read.model == "a model"
    np.testing.assert_array_equal(read.predict(features), found)


def changed(array: np.ndarray, index: int, value: float) -> np.ndarray:
    array = array.copy()
    array[index] = value
    return array


def chain(forest: MergeForest) -> MergeForest:
    """One tree as deep as it has nodes."""
    count = 401
    feature = np.where(np.arange(count) % 2, -1, 0).astype(np.int16)
    feature[-1] = -1
    right = (np.arange(count) + 2).astype(np.int32)
    zeros = np.zeros(count, np.float32)
    return MergeForest("", np.zeros(1, np.int32), feature, zeros, right, zeros)


HOSTILE = {
    "lead astray": [
        lambda forest: replace(forest, right=changed(forest.right, 0, 0)),
        lambda forest: replace(forest, right=changed(forest.right, 0, 2**31 - 1)),
        lambda forest: replace(forest, right=changed(forest.right, 0, -5)),
        lambda forest: replace(forest, feature=changed(forest.feature, -1, 0)),
    ],
    "begin nowhere": [
        lambda forest: replace(forest, roots=changed(forest.roots, 3, -1)),
        lambda forest: replace(forest, roots=changed(forest.roots, 3, len(forest.feature))),
        lambda forest: replace(forest, roots=forest.roots[:0]),
    ],
    "features that there are not": [
        lambda forest: replace(forest, feature=changed(forest.feature, 0, len(FEATURES))),
        lambda forest: replace(forest, feature=changed(forest.feature, 0, -2)),
    ],
    "no probabilities": [
        lambda forest: replace(forest, threshold=changed(forest.threshold, 0, np.nan)),
        lambda forest: replace(forest, membrane=changed(forest.membrane, 0, 1.5)),
        lambda forest: replace(forest, membrane=changed(forest.membrane, 0, np.nan)),
    ],
    "unlike many": [lambda forest: replace(forest, membrane=forest.membrane[:-1])],
    "no row of": [
        lambda forest: replace(forest, right=forest.right.astype(np.int64)),
        lambda forest: replace(forest, roots=forest.roots[None]),
    ],
    "lead together": [lambda forest: replace(forest, roots=np.zeros(2**20, np.int32))],
    "too deep": [chain],
}


@pytest.mark.parametrize("problem", HOSTILE)
def test_a_stranger_s_forest_that_is_none_is_refused(
    problem: str, forest: MergeForest, tmp_path: Path
) -> None:
    for make in HOSTILE[problem]:
        make(forest).write(tmp_path / "merges.npz")
        with pytest.raises(UserError, match=f"{problem}.*--keep-merges"):
            MergeForest.read(tmp_path / "merges.npz")


def test_a_file_that_is_no_forest_is_refused(forest: MergeForest, tmp_path: Path) -> None:
    path = tmp_path / "merges.npz"
    with pytest.raises(UserError, match="No such file"):
        MergeForest.read(path)
    path.mkdir()
    with pytest.raises(UserError, match="can't be used"):
        MergeForest.read(path)
    path.rmdir()
    path.write_bytes(b"something else")
    with pytest.raises(UserError, match="no arrays"):
        MergeForest.read(path)
    write_arrays(path, {"roots": np.zeros(1, np.int32)})
    with pytest.raises(UserError, match="other names"):
        MergeForest.read(path)
    forest.write(path)
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    with pytest.raises(UserError, match="no arrays"):
        MergeForest.read(path)
    path.write_bytes(content)
    with np.load(path) as arrays:
        known = dict(arrays)
    others = {"features": np.array(FEATURES[::-1]), "seeds": known["seeds"][1:]}
    for name, other in others.items():
        write_arrays(path, known | {name: other})
        with pytest.raises(UserError, match=f"other {name}"):
            MergeForest.read(path)
