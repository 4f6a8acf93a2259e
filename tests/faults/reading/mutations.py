"""Damage to files: bytes that flip, go missing, come twice, or are some extreme number."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

EXTREMES = (b"\0", b"\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\xff" * 8)


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """The content with up to eight pieces of damage, most of them near the beginning."""
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 9)):
        if not damaged:
            break
        place = int(len(damaged) * rng.random() ** rng.integers(1, 4))
        length = int(rng.integers(1, 9))
        match rng.integers(7):
            case 0:
                damaged[place] ^= 1 << int(rng.integers(8))
            case 1:
                damaged[place] = int(rng.integers(256))
            case 2:
                extreme = EXTREMES[rng.integers(len(EXTREMES))]
                damaged[place : place + len(extreme)] = extreme
            case 3:
                del damaged[place : place + length]
            case 4:
                damaged[place:place] = damaged[place : place + 10 * length]
            case 5:
                damaged[place:place] = rng.bytes(length)
            case 6:
                digits = str(10 ** int(rng.integers(1, 400))).encode()
                damaged[place : place + 1] = digits
    return bytes(damaged)


def truncated(content: bytes, count: int) -> Iterator[bytes]:
    """The content cut off at so many places: near its beginning at every byte, then evenly."""
    half = min(count // 2, len(content))
    places = {*range(half), *np.linspace(0, len(content) - 1, count - half, dtype=int).tolist()}
    for place in sorted(places):
        yield content[:place]
