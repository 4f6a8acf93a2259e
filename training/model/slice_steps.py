"""The steps in which a part of a stack is predicted: its slices, or bands of rows of large ones."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from training.errors import UserError
from training.formats.stack import Stack
from training.model.model_card import ModelCard
from training.model.slice_prediction import is_cut
from training.model.slice_view import SliceView
from training.model.stack_part import StackPart
from training.model.tiling import tile_starts
from training.resources.limits import free_memory
from training.sampling.resampling import zoomed_shape

BAND_PIXELS = 2**24  # of a band, about
_GIBI = 2**30
_PROGRAM = _GIBI // 4  # bytes of a process without pixels, at the least
_WRITTEN = {"mask": 1, "probability": 4, "submission": 4}  # bytes of a pixel


@dataclass(frozen=True)
class Step:
    """What is predicted at once.

    Parameters
    ----------
    index : int
        The slice, in the stack.
    view : SliceView
        At which scale, and which part of it.
    """

    index: int
    view: SliceView


class SliceSteps:
    """The steps of a prediction, in the order of the slices and of the rows in them.

    A slice is cut where tiles of the network end, so that bands cost no more than the whole, and
    are equal to it. One that is resized or turned is cut so that few tiles more are predicted.

    Parameters
    ----------
    stack : Stack
        The whole.
    part : StackPart
        What is predicted of it.
    zoom : tuple of float
        Factors (Y, X) by which a slice is resized.
    card : ModelCard
        The model's.
    tta : bool
        Whether the mean over flips and quarter turns is taken.

    Attributes
    ----------
    part : StackPart
        As given.
    bands : int
        Steps of each slice.
    """

    def __init__(
        self,
        stack: Stack,
        part: StackPart,
        zoom: tuple[float, float],
        card: ModelCard,
        tta: bool = False,
    ) -> None:
        self._stack, self._card, self._tta, self._zoom = stack, card, tta, zoom
        self.part = part
        height, width = self._shape = stack.shape[1:]
        window = None if part.shape[1:] == self._shape else part.window
        whole = SliceView(zoom, window)
        self._views = [whole]
        self._is_cut = is_cut(card, self._shape, tta, whole)
        rows, columns = part.window
        if self._is_cut:
            bands = _cut(rows, tile_starts(card.geometry, height, rows), BAND_PIXELS / width)
        else:
            bands = self._cut_seen(rows)
        if len(bands) > 1:
            self._views = [SliceView(zoom, (band, columns)) for band in bands]
        self.bands = len(self._views)

    def __len__(self) -> int:
        return self.part.shape[0] * self.bands

    def step(self, number: int) -> Step:
        """Give a step by its number, from 0 on."""
        index, band = divmod(number, self.bands)
        return Step(self.part.indices[index], self._views[band])

    def check_memory(self, kinds: Iterable[str], processes: int = 1) -> None:
        """Refuse slices that take more memory than is free on this machine.

        Parameters
        ----------
        kinds : iterable of str
            Of the results, see :func:`make_result`.
        processes : int
            How many predict here, each a step of its own.

        Raises
        ------
        UserError
        """
        need, free = self.memory(kinds, processes), free_memory()
        if need <= free:
            return
        asked = {"--tta": self._tta, "--resample": self._zoom != (1.0, 1.0)}
        names = " and ".join(name for name, is_asked in asked.items() if is_asked)
        remedies = ["on fewer devices"] if processes > 1 else []
        remedies += ["a --region", *([f"without {names}"] if names else [])]
        raise UserError(
            f"A slice of {self._stack.path} takes about {need / _GIBI:.1f} GiB to predict, and "
            f"{free / _GIBI:.1f} GiB are free.",
            f"Predict {', or '.join([*remedies, 'where there is more memory'])}.",
        )

    def memory(self, kinds: Iterable[str], processes: int = 1) -> int:
        """Estimate the bytes that a prediction takes; parameters as of :meth:`check_memory`."""
        pixels, channels = math.prod(self._shape), self._card.label_classes.outputs
        _, height, width = self.part.shape
        written = sum(_WRITTEN[kind] for kind in kinds) * height * width
        band = max(len((view.window or self.part.window)[0]) for view in self._views) * width
        image = pixels * (self._stack.dtype.itemsize + 1)  # with its padding
        found = 5 * channels * band  # with what checks it
        left = 8 * channels * band if processes > 1 else 0  # for the process that writes
        return (
            processes * (_PROGRAM + image + max(found + left, int(self._resized_bytes(band))))
            + 2 * written  # as bands, and whole
        )

    def _resized_bytes(self, band: int) -> float:
        """Count what a band of so many pixels takes while it is resized or turned, as measured."""
        if self._is_cut:
            return 0
        channels, geometry = self._card.label_classes.outputs, self._card.geometry
        _, area = self._seen_zoom()
        turned = 8 + 20 * channels if self._tta else 8 * channels
        side = geometry.largest + 2 * geometry.margin
        tile = [
            min(side / zoom, size)
            for size, zoom in zip(self._shape, self._tile_zoom(), strict=True)
        ]
        of_tile = 9 * math.prod(tile) + 4 * channels * area * band
        return max(9 * channels * band, turned * area * band, of_tile)

    def _tile_zoom(self) -> tuple[float, float]:
        """Give the factors (Y, X) by which all that a tile is made of is resized."""
        if self._zoom == (1.0, 1.0):
            return 1.0, 1.0  # few of the pixels are looked at
        own = self._card.zoom_for(zoomed_shape(self._shape, self._zoom))
        return self._zoom[0] * own[0], self._zoom[1] * own[1]

    def _cut_seen(self, rows: range) -> list[range]:
        """Cut rows of a slice that is resized or turned."""
        geometry, zoom = self._card.geometry, self._zoom[0]
        along, area = self._seen_zoom()
        fitting = BAND_PIXELS / self._shape[1] / max(area, 1.0)
        if len(rows) <= fitting:
            return [rows]
        height = max(fitting, geometry.stride / max(along, 1.0))
        if self._shape[0] * along > geometry.largest:
            # As many tiles as fit; what interpolation and displacement reach for fits as well.
            reach = 2 * max(zoom, 1.0) + 2 * math.hypot(*self._card.displacement) + 2
            spare = geometry.divisor + 2 * math.ceil(reach * max(along / zoom, 1.0) + 1)
            tiles = max(1, round(height * along / geometry.stride))
            height = min(height, (tiles * geometry.stride - spare) / along)
        step = max(1, int(height))
        return [range(start, min(start + step, rows.stop)) for start in rows[::step]]

    def _seen_zoom(self) -> tuple[float, float]:
        """Give how much larger the network sees a slice: along Y at the most, and its pixels."""
        zoomed = zoomed_shape(self._shape, self._zoom)
        own, turned = self._card.zoom_for(zoomed), self._card.zoom_for(zoomed[::-1])
        along = max(own[0], turned[1]) if self._tta else own[0]
        return self._zoom[0] * along, math.prod(self._zoom) * max(1.0, math.prod(own))


def _cut(rows: range, starts: Iterable[int], height: float) -> list[range]:
    """Cut rows at some of the starts, so that bands are about so high."""
    edges = [rows.start]
    for start in starts:
        if start in rows and start - edges[-1] >= height:
            edges.append(start)
    return [range(*limits) for limits in pairwise([*edges, rows.stop])]
