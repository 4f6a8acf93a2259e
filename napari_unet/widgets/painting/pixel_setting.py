"""Sets many pixels of labels without keeping the window waiting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import dask.array as da
from napari.layers import Labels
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

from training.errors import UserError

PIECE = 2**16  # pixels that napari sets in some milliseconds
MOST = 0.02  # seconds at a time


class PixelSetting(QObject):
    """Sets pixels bit by bit, as one step of napari's history.

    Parameters
    ----------
    parent : QObject
        Once it is deleted no more pixels are set.
    """

    done = Signal()
    failed = Signal(Exception)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._pieces: Iterator[None] = iter(())
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._set_some)

    @property
    def is_busy(self) -> bool:
        return self._timer.isActive()

    def start(
        self,
        labels: Labels,
        places: tuple[NDArray[Any], ...],
        values: NDArray[Any],
        *,
        only_free: bool = False,
    ) -> None:
        """Set these pixels; a hidden layer is shown first.

        Parameters
        ----------
        labels : Labels
        places : tuple of arrays (N,) of int
            Indices along each of its axes.
        values : array (N,) of int
            What they become.
        only_free : bool
            Whether to pass over those that are not 0 by then.
        """
        self._pieces = _set_in_pieces(labels, places, values, only_free)
        self._timer.start(0)

    def _set_some(self) -> None:
        end = time.monotonic() + MOST
        try:
            while time.monotonic() < end:
                next(self._pieces)
            return
        except StopIteration:
            self._timer.stop()
        except Exception as error:  # a script may have given the labels other data
            self._timer.stop()
            self.failed.emit(error)
            return
        self.done.emit()


def _set_in_pieces(
    labels: Labels, places: tuple[NDArray[Any], ...], values: NDArray[Any], only_free: bool
) -> Iterator[None]:
    _check_settable(labels)
    with labels.block_history():
        for start in range(0, len(values), PIECE):
            part = slice(start, start + PIECE)
            pixels, new = tuple(axis[part] for axis in places), values[part]
            if only_free:
                is_free = labels.data[pixels] == 0
                pixels, new = tuple(axis[is_free] for axis in pixels), new[is_free]
            set_labels(labels, pixels, new)
            yield


def set_labels(layer: Labels, indices: tuple[NDArray[Any], ...], values: Any) -> None:
    """Set pixels as one step of napari's history; a hidden layer is shown first.

    Parameters
    ----------
    layer : Labels
    indices : tuple of arrays (N,) of int
        The pixels' indices along each axis.
    values : int or array (N,) of int
        What the pixels become.

    Raises
    ------
    UserError
        If the layer is a dask array, which takes no pixels that lie apart.
    """
    _check_settable(layer)
    if not layer.visible:  # napari takes the tool out of hand even where nothing changes
        layer.visible = True
    layer.data_setitem(indices, values)


def _check_settable(layer: Labels) -> None:
    if isinstance(layer.data, da.Array):
        raise UserError(
            f"'{layer.name}' is not in memory, and only a plain brush can change it.",
            "Use the brush, or load the layer into memory.",
        )
