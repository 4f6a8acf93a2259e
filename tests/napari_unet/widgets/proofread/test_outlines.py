"""Outlines of large neurons, which are drawn at once."""

from __future__ import annotations

import numpy as np
from napari.components import ViewerModel
from qtpy.QtCore import QObject

from napari_unet.proofreading.body_index import BodyIndex
from napari_unet.widgets.proofread import outlines


def test_a_large_neuron_is_outlined_within_some_pixels(qapp: object) -> None:
    ids = np.zeros((2, 1500, 2400), np.int32)
    ids[:, 100:1400, 200:2301] = 7
    viewer = ViewerModel()
    layer = viewer.add_labels(ids)
    viewer.dims.set_current_step(0, 1)
    outlines.ChosenOutline(viewer, QObject()).show(layer, ids, BodyIndex(ids), [7])
    (path,) = viewer.layers["chosen neurons"].data
    assert set(path[:, 0]) == {1}
    np.testing.assert_allclose(path[:, 1:].min(axis=0), (100, 200), atol=2)
    np.testing.assert_allclose(path[:, 1:].max(axis=0), (1399, 2300), atol=2)
    assert len(path) < 4000, "half of its border's pixels"
