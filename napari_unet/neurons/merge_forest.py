"""A forest that learned which borders between regions are membranes.

It is extremely randomized trees (P. Geurts et al., Machine Learning 63:3, 2006), learned by
scikit-learn, and kept as plain arrays: scikit-learn's own files are pickles, which run whatever
code somebody put into them, and are read by one version alone. NumPy is all that it is used with.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.neurons.border_features import FEATURES, SEEDS
from training.errors import UserError
from training.files.array_files import read_arrays, write_arrays
from training.resources.limits import usable_cores

TREES = 200
LEAST_IN_LEAF = 4  # borders
MOST_DEPTH = 64
MOST_BYTES = 2**28  # of a file and its arrays: 18 million nodes
_BATCH = 1024  # borders that are asked of all trees at once
_DTYPES = {
    "roots": np.int32,
    "feature": np.int16,
    "threshold": np.float32,
    "right": np.int32,
    "membrane": np.float32,
}


@dataclass(frozen=True, eq=False, repr=False)
class MergeForest:
    """The trees of a forest, one after the other, each with its nodes in the order of depth first.

    Parameters
    ----------
    model : str
        Digest of the model whose probability it learned from, see ``Predictor.digest``.
    roots : array (T,) of int32
        The first node of each tree.
    feature : array (N,) of int16
        Which of :data:`~napari_unet.neurons.border_features.FEATURES` a node asks for; -1: it is a
        leaf.
    threshold : array (N,) of float32
        Up to this value a border goes to the next node, above it to ``right``.
    right : array (N,) of int32
        A later node.
    membrane : array (N,) of float32
        In a leaf the probability that a border is a membrane, 0..1.
    """

    model: str
    roots: NDArray[np.int32]
    feature: NDArray[np.int16]
    threshold: NDArray[np.float32]
    right: NDArray[np.int32]
    membrane: NDArray[np.float32]

    @classmethod
    def learn(
        cls,
        features: NDArray[np.float32],
        is_membrane: NDArray[np.bool_],
        weights: NDArray[np.float64],
        model: str = "",
    ) -> MergeForest:
        """Learn from borders of which the truth is known, some of each kind; needs scikit-learn.

        Parameters
        ----------
        features : array (N, F) of float32
            As of :func:`~napari_unet.neurons.border_features.border_features`.
        is_membrane : array (N,) of bool
            Whether the border is one in truth.
        weights : array (N,) of float64
            How much it counts.
        model : str
            As of the class.
        """
        from sklearn.ensemble import ExtraTreesClassifier

        trees = ExtraTreesClassifier(
            TREES,
            min_samples_leaf=LEAST_IN_LEAF,
            max_depth=MOST_DEPTH,
            n_jobs=usable_cores(),
            random_state=0,
        ).fit(features, is_membrane, sample_weight=weights)
        return cls.of([estimator.tree_ for estimator in trees.estimators_], model)

    @classmethod
    def of(cls, trees: list[Any], model: str = "") -> MergeForest:
        """Take scikit-learn's trees of two classes, the second of which is membrane."""
        counts = [tree.node_count for tree in trees]
        roots = np.cumsum([0, *counts[:-1]])
        feature, threshold, right, membrane = [], [], [], []
        for tree, root in zip(trees, roots, strict=True):
            is_inner = tree.children_left >= 0
            feature.append(np.where(is_inner, tree.feature, -1))
            # Features are of float32: rounded down, each of them is on the same side as before.
            exact = np.where(is_inner, tree.threshold, 0.0)
            rounded = exact.astype(np.float32)
            below = np.nextafter(rounded, np.float32(-np.inf))
            threshold.append(np.where(rounded > exact, below, rounded))
            right.append(np.where(is_inner, tree.children_right + root, 0))
            share = tree.value[:, 0, :]
            membrane.append(share[:, 1] / share.sum(axis=1))
        arrays = map(np.concatenate, (feature, threshold, right, membrane))
        return cls(
            model,
            *(
                found.astype(dtype)
                for found, dtype in zip((roots, *arrays), _DTYPES.values(), strict=True)
            ),
        )

    @property
    def digest(self) -> str:
        """The SHA-256, in hex, of its trees and of the model that they were learned with."""
        found = sha256(self.model.encode())
        for name in _DTYPES:
            found.update(getattr(self, name).tobytes())
        return found.hexdigest()

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Give the probability that borders are membranes: the mean of what all trees say.

        Parameters
        ----------
        features : array (N, F) of float32

        Returns
        -------
        array (N,) of float64
            0..1.
        """
        batches = range(0, len(features), _BATCH)
        found = [self._predict(features[start : start + _BATCH]) for start in batches]
        return np.concatenate([np.zeros(0), *found])

    def _predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        node = np.tile(self.roots, len(features))
        row = np.repeat(np.arange(len(features)), len(self.roots))
        on_the_way = np.arange(len(node))
        while len(on_the_way):
            at = node[on_the_way]
            is_inner = self.feature[at] >= 0
            on_the_way, at = on_the_way[is_inner], at[is_inner]
            value = features[row[on_the_way], self.feature[at]]
            node[on_the_way] = np.where(value <= self.threshold[at], at + 1, self.right[at])
        leaves = self.membrane[node].reshape(len(features), len(self.roots))
        return np.asarray(leaves.mean(axis=1, dtype=np.float64))

    def write(self, path: Path) -> None:
        """Write it to an .npz file.

        Raises
        ------
        UnwritableError
            If the disk is full, or refuses it.
        """
        arrays = {name: getattr(self, name) for name in _DTYPES}
        about = {
            "model": np.array(self.model),
            "features": np.array(FEATURES),
            "seeds": np.array(SEEDS),
        }
        write_arrays(path, arrays | about)

    @classmethod
    def read(cls, path: Path) -> MergeForest:
        """Read what :meth:`write` wrote; the file may be a stranger's.

        Raises
        ------
        UserError
            If it is missing, damaged, too large, or asks for other features,
            or learned with other seeds.
        """
        try:
            arrays = read_arrays(path, MOST_BYTES)
            if set(arrays) != {"features", "seeds", *(field.name for field in fields(cls))}:
                raise ValueError("its arrays have other names")
            if arrays["features"].tolist() != list(FEATURES):
                raise ValueError("it asks for other features of borders")
            if arrays["seeds"].tolist() != list(SEEDS):
                raise ValueError("it learned with other seeds")
            model = arrays["model"]
            if model.dtype.kind != "U" or model.ndim:
                raise ValueError("it names no model")
            forest = cls(str(model), *(arrays[name] for name in _DTYPES))
            forest._check()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(
                f"{path} can't be used: {reason!s:.300}.",
                "Delete it, or learn merges again: segment --data DIR --keep-merges.",
            ) from error
        return forest

    def _check(self) -> None:
        """Refuse trees that lead astray, in circles, or too deep: a ValueError."""
        for name, dtype in _DTYPES.items():
            array = getattr(self, name)
            if array.dtype != dtype or array.ndim != 1:
                raise ValueError(f"its {name} is no row of {np.dtype(dtype).name}")
        count = len(self.feature)
        if {len(self.threshold), len(self.right), len(self.membrane)} != {count}:
            raise ValueError("its nodes have unlike many figures")
        if not len(self.roots) or not _are_within(self.roots, 0, count - 1):
            raise ValueError("its trees begin nowhere")
        inner = np.flatnonzero(self.feature >= 0)
        right = self.right[inner]
        if not _are_within(self.feature, -1, len(FEATURES) - 1):
            raise ValueError("it asks for features that there are not")
        if not ((inner + 1 < right) & (right < count)).all():
            raise ValueError("its nodes lead astray")
        if not np.isfinite(self.threshold).all() or not _are_within(self.membrane, 0, 1):
            raise ValueError("it has figures that are no probabilities")
        self._check_depth(count)

    def _check_depth(self, count: int) -> None:
        level, visited = self.roots, 0
        for _ in range(MOST_DEPTH + 1):
            visited += len(level)
            level = level[self.feature[level] >= 0]
            if visited > count:
                raise ValueError("its nodes lead together again")
            if not len(level):
                return
            level = np.concatenate([level + 1, self.right[level]])
        raise ValueError("its trees are too deep")


def can_learn() -> bool:
    """Whether scikit-learn is installed, by which forests learn."""
    return find_spec("sklearn") is not None


def _are_within(values: NDArray[Any], low: float, high: float) -> bool:
    return bool(((values >= low) & (values <= high)).all())
