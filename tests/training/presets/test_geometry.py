import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.presets.registry import find_preset, list_presets


@pytest.mark.parametrize("preset", list_presets())
@given(length=st.integers(1, 20_000))
def test_tiles_of_an_axis(preset: str, length: int) -> None:
    geometry = find_preset(preset).geometry
    padded = geometry.output_length(length)
    assert length <= padded < length + geometry.divisor + geometry.remainder
    spans = geometry.tiles(padded)
    assert [span.keep_from for span in spans[1:]] == [span.keep_to for span in spans[:-1]]
    assert (spans[0].keep_from, spans[-1].keep_to) == (0, padded)
    for span in spans:
        tile = span.stop - span.start
        assert tile <= geometry.largest
        assert tile % geometry.divisor == geometry.remainder
        assert span.start % geometry.divisor == 0
        assert span.start == 0 or span.keep_from >= span.start + geometry.halo
        assert span.stop == padded or span.keep_to <= span.stop - geometry.halo
        assert 0 <= span.start < span.stop <= padded


@given(length=st.integers(1217, 20_000))
def test_tiles_of_compact_are_chunks_of_a_result(length: int) -> None:
    spans = find_preset("compact").geometry.tiles(length)
    assert [span.keep_from for span in spans] == [1024 * index for index in range(len(spans))]
