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

    def tiles(self, length: int, wanted: range | None = None) -> list[Span]:
        """Cover one axis, or a part of it, with tiles, as few as possible.

        What is kept of each but the last begins a multiple of one length after the first, whatever
        the length of the axis: so chunks of a result can be tiles.

        Parameters
        ----------
        length : int
            As :meth:`output_length` gives it.
        wanted : range or None
            The part; None: all.
        """
        if length <= self.largest:
            return [Span(0, length, 0, length)]
        part = wanted or range(length)
        # The last tile has enough for a network.
        first = min(part.start, length - self._after - 1) // self.divisor * self.divisor
        spans: list[Span] = []
        while not spans or spans[-1].keep_to < part.stop:
            keep_from = spans[-1].keep_to if spans else first
            keep_to = keep_from + self.stride
            start, stop = max(0, keep_from - self._before), min(length, keep_to + self._after)
            start = min(start, max(0, stop - self.smallest))
            stop = max(stop, self.smallest)
            spans.append(Span(start, stop, keep_from, length if stop == length else keep_to))
        return spans

    @property
    def stride(self) -> int:
        """What is kept of a tile that is as large as any."""
        return (self.largest - self._before - self._after) // self.divisor * self.divisor

    # What a tile has on both sides of what is kept of it, so that its ends fall as they must.
    @property
    def _before(self) -> int:
        return self.halo + -self.halo % self.divisor

    @property
    def _after(self) -> int:
        return self.halo + (self.remainder - self.halo) % self.divisor


@dataclass(frozen=True)
class Span:
    """A tile along one axis: where its output starts and stops, and what of it is kept."""

    start: int
    stop: int
    keep_from: int
    keep_to: int
