"""What compressed bytes decode to, of one stream or of several, without holding it."""

import bz2
import gzip
import lzma
import tracemalloc
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from training.files.decoded_sizes import exceeds

SIZE = 300_000
ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "bz2": bz2.compress,
    "lzma": lzma.compress,
}


@pytest.mark.parametrize("streams", [1, 2])
@pytest.mark.parametrize("codec", ENCODERS)
def test_the_size_is_exact(codec: str, streams: int) -> None:
    noise = np.random.default_rng(0).integers(0, 40, SIZE, np.uint8).tobytes()
    for content in (bytes(SIZE), noise):
        encoded = ENCODERS[codec](content) * streams
        assert exceeds(codec, encoded, SIZE * streams - 1)
        assert not exceeds(codec, encoded, SIZE * streams)
        assert not exceeds(codec, encoded[: len(encoded) // 2], SIZE * streams)
        assert not exceeds(codec, encoded + b"a checksum", SIZE * streams)


@pytest.mark.parametrize("codec", ENCODERS)
def test_no_more_than_a_few_megabytes_are_held(codec: str) -> None:
    encoded = ENCODERS[codec](bytes(2**25))
    tracemalloc.start()
    assert exceeds(codec, encoded, 2**25 - 1)
    assert tracemalloc.get_traced_memory()[1] < 2**24  # the dictionary of LZMA takes half of it
    tracemalloc.stop()
