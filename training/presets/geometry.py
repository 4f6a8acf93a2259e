"""Where a network's output lies in its input, and the tiles that cover a slice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Geometry:
    """How a network's output lies in its input. Lengths in pixels.

    The network maps a square of ``divisor * k + remainder + 2 * margin`` to one of
    ``divisor * k + remainder``.

    Parameters
    ----------
    margin : int
        Border that the network's unpadded convolutions take off each side. It is mirrored in
        at the edges of the image (Ronneberger et al. 2015, overlap-tile strategy).
    halo : int
        Border of a tile's output that is dropped, because the padding of the network's
        convolutions reaches in that far.
    divisor, remainder : int
        See above; tiles start at multiples of ``divisor``, so that pooling falls alike.
    largest, smallest : int
        Upper and lower limit of a tile's output.
    """

    margin: int
    halo: int
    divisor: int
    remainder: int
    largest: int
    smallest: int = 0

    def output_length(self, length: int) -> int:
        """Return the length of the network's shortest output that holds ``length`` pixels."""
        blocks = -(-max(length - self.remainder, 1) // self.divisor)
        return max(self.smallest, blocks * self.divisor + self.remainder)

    def tiles(self, length: int) -> tuple[int, list[Span]]:
        """Cover one axis with tiles of equal length, as few as possible.

        Parameters
        ----------
        length : int
            As :meth:`output_length` gives it.

        Returns
        -------
        tile : int
            Length of a tile's output.
        spans : list of Span
        """
        if length <= self.largest:
            return length, [Span(0, 0, length)]
        shared = 2 * self.halo + self.remainder
        stride = (self.largest - shared) // self.divisor * self.divisor
        count = -(-(length - shared) // stride)
        # Shorter tiles that overlap no more than they must do the same with less work.
        tile = self.output_length(-(-(length + (count - 1) * shared) // count))
        stride = (tile - shared) // self.divisor * self.divisor
        starts = [min(index * stride, length - tile) for index in range(count)]
        edges = [0, *(start + self.halo for start in starts[1:]), length]
        spans = [Span(start, edges[index], edges[index + 1]) for index, start in enumerate(starts)]
        return tile, spans


@dataclass(frozen=True)
class Span:
    """A tile along one axis: where its output starts, and what of it is kept."""

    start: int
    keep_from: int
    keep_to: int
