from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.capture.annexb import codec_string, length_prefixed, nal_units
from recorder.capture.boxes import TELEMETRY_UUID, BoxError, box, free_box, moof, moof_size, telemetry_box, walk
from recorder.capture.mux import padded

# A NAL unit holds no start code and does not end in zero (emulation prevention, rbsp_stop_bit).
units = st.binary(min_size=1, max_size=60).map(lambda data: data.replace(b"\x00\x00", b"\x00\x03") + b"\x80")


@given(st.lists(st.tuples(units, st.sampled_from([b"\x00\x00\x01", b"\x00\x00\x00\x01"])), min_size=1, max_size=8))
def test_every_nal_unit_survives_byte_for_byte(stream: list[tuple[bytes, bytes]]) -> None:
    data = b"".join(start + unit for unit, start in stream)
    assert [bytes(unit) for unit in nal_units(data)] == [unit for unit, _ in stream]
    pieces, size = length_prefixed(data)
    joined = b"".join(pieces)
    assert len(joined) == size
    for unit, _ in stream:
        assert joined.startswith(len(unit).to_bytes(4, "big") + unit)
        joined = joined[4 + len(unit) :]
    assert joined == b""


def test_no_start_code_no_units() -> None:
    assert list(nal_units(b"\x41\x42\x43")) == []


def test_codec_string_needs_parameter_sets() -> None:
    assert codec_string(b"\x00\x00\x01\x67\x42\xc0\x28\xaa\x00\x00\x01\x65\x01") == "avc1.42c028"
    with pytest.raises(ValueError, match="SPS"):
        codec_string(b"\x00\x00\x01\x65\x01")


@given(st.integers(0, 200_000))
def test_padding_reaches_whole_chunks(size: int) -> None:
    content = bytes(size)
    data = padded(content)
    assert len(data) % 65536 == 0 and len(data) - size < 65536 + 8
    assert data[:size] == content


@given(st.integers(0, 40), st.integers(0, 40))
def test_moof_has_the_size_it_was_planned_with(video: int, audio: int) -> None:
    data = moof(1, 0, [(3000, 10, True)] * video, 0, [(1024, 5)] * audio)
    assert len(data) == moof_size(video, audio)
    assert [each.kind for each in walk(data)] == [b"moof"]


def test_walk_names_what_is_wrong() -> None:
    good = box(b"abcd", b"1234")
    assert [(each.kind, each.offset, each.size) for each in walk(good + free_box(9))] == [
        (b"abcd", 0, 12),
        (b"free", 12, 9),
    ]
    for bad in (good[:-1], good + b"\x00\x00", b"\x00\x00\x00\x04abcd", b"\x00\x00\x00\x01mdat\x00"):
        with pytest.raises(BoxError):
            list(walk(bad))
    with pytest.raises(BoxError):
        free_box(7)


def test_telemetry_box_carries_its_uuid() -> None:
    data = telemetry_box(b"{}")
    assert data[4:8] == b"uuid" and data[8:24] == TELEMETRY_UUID.bytes and data[24:] == b"{}"
