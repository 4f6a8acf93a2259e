"""What is measured of labels at once, for a window."""

from __future__ import annotations

import numpy as np

from napari_unet.measurement.report import report


def test_of_one_slice_objects_and_their_slices_are_one_table_with_their_values() -> None:
    labels = np.zeros((1, 12, 12), np.uint8)
    labels[0, 1:4, 1:4], labels[0, 6:9, 6:9] = 1, 2
    found = report(labels, labels.shape, None, "classes", is_connected=True)
    assert found.is_flat
    assert found.objects.columns["value"].tolist() == [1, 2]
