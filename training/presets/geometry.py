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

    def tiles(self, length: int) -> list[Span]:
        """Cover one axis with tiles, as few as possible.

        What is kept of each but the last begins at multiples of one length, whatever the length
        of the axis: so chunks of a result can be tiles.

        Parameters
        ----------
        length : int
            As :meth:`output_length` gives it.
        """
        if length <= self.largest:
            return [Span(0, length, 0, length)]
        # What a tile has on both sides of what is kept of it, so that its ends fall as they must.
        before = self.halo + -self.halo % self.divisor
        after = self.halo + (self.remainder - self.halo) % self.divisor
        stride = (self.largest - before - after) // self.divisor * self.divisor
        count = -(-(length - after) // stride)
        spans = []
        for index in range(count):
            keep_from, keep_to = index * stride, (index + 1) * stride
            start, stop = max(0, keep_from - before), min(length, keep_to + after)
            start = min(start, max(0, stop - self.smallest))
            stop = max(stop, self.smallest)
            spans.append(Span(start, stop, keep_from, length if stop == length else keep_to))
        return spans


@dataclass(frozen=True)
class Span:
    """A tile along one axis: where its output starts and stops, and what of it is kept."""

    start: int
    stop: int
    keep_from: int
    keep_to: int
