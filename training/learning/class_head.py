"""The last layer of a network that goes on from one which tells other classes apart."""

from __future__ import annotations

import numpy as np

from training.label_classes import LabelClasses
from training.model.weight_files import Weights
from training.presets.preset import Preset


def begin_head(
    preset: Preset, former: Weights, fresh: Weights, was: LabelClasses, will: LabelClasses
) -> Weights:
    """Begin a last layer again, but for the classes that the former one told apart.

    Classes are known by their names; membrane also of a network of membrane and inside, where its
    logit was one channel.

    Parameters
    ----------
    preset : Preset
    former : Weights
        Those of the network that is gone on from.
    fresh : Weights
        Those of the new network, which give the shapes.
    was, will : LabelClasses
        The classes of both; empty: membrane and inside.

    Returns
    -------
    Weights
        Of the last layer.
    """
    rows = _shared_rows(preset, was, will)
    found = {}
    for name, values in fresh.items():
        if not name.startswith(preset.head):
            continue
        begun = values.copy()
        of_class = len(values) // max(will.outputs, 2 if preset.has_two_channels else 1)
        for old, new in rows.items():
            kept = former.get(name, np.empty(0))[old * of_class : (old + 1) * of_class]
            if kept.shape == begun[:of_class].shape:
                begun[new * of_class : (new + 1) * of_class] = kept
        found[name] = begun
    return found


def _shared_rows(preset: Preset, was: LabelClasses, will: LabelClasses) -> dict[int, int]:
    """Map the channels of classes in the former network to those in the new one."""
    if was and will:
        places = {member.name: channel for channel, member in enumerate(will.members)}
        return {
            channel: places[member.name]
            for channel, member in enumerate(was.members)
            if member.name in places
        }
    if will and will.membrane is not None:
        return {0: will.membrane}
    if was and was.membrane is not None and not preset.has_two_channels:
        return {was.membrane: 0}
    return {}
