"""H.264 byte streams (ITU-T H.264 Annex B) to the length-prefixed samples of MP4 (ISO/IEC 14496-15)."""

from __future__ import annotations

from collections.abc import Iterator

_START = b"\x00\x00\x01"
_SPS = 7


def nal_units(data: bytes) -> Iterator[memoryview]:
    """The NAL units of an access unit, without start codes, in order, no byte changed. Nothing when there is none."""
    view = memoryview(data)
    # From behind first: the last unit is nearly all of a frame, and CPython searches backwards twice as fast.
    last = data.rfind(_START)
    if last < 0:
        return
    begin = data.find(_START, 0, last + 3) + 3
    while True:
        after = data.find(_START, begin, last + 3) if begin <= last else -1
        end = len(data) if after < 0 else after
        while end > begin and data[end - 1] == 0:  # trailing_zero_8bits, or the first byte of a four-byte start code
            end -= 1
        if end > begin:
            yield view[begin:end]
        if after < 0:
            return
        begin = after + 3


def length_prefixed(data: bytes) -> tuple[list[bytes | memoryview], int]:
    """Pieces of the MP4 sample and their total size."""
    pieces: list[bytes | memoryview] = []
    size = 0
    for unit in nal_units(data):
        pieces.append(len(unit).to_bytes(4, "big"))
        pieces.append(unit)
        size += 4 + len(unit)
    return pieces, size


def codec_string(keyframe: bytes) -> str:
    """RFC 6381 ``avc1.PPCCLL`` from the SPS in a keyframe. Raises ValueError when there is none."""
    for unit in nal_units(keyframe):
        if unit[0] & 0x1F == _SPS and len(unit) >= 4:
            return "avc1." + bytes(unit[1:4]).hex()
    raise ValueError("keyframe without SPS: the encoder must repeat its headers")
