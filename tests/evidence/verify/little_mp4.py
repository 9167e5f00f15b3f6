"""Small fragmented MP4 pieces, made by hand: the verifier's box walk must not be tested with the writer it judges."""

from __future__ import annotations

import struct

TIMESCALE = 90_000
FRAME = 3_600  # ticks: 25 frames a second


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def free(size: int) -> bytes:
    return box(b"free", bytes(size - 8))


def head() -> bytes:
    """``ftyp`` and a ``moov`` with one video track."""
    tkhd = box(b"tkhd", struct.pack(">IIII", 0, 0, 0, 1), bytes(68))
    mdhd = box(b"mdhd", struct.pack(">IIIIII", 0, 0, 0, TIMESCALE, 0, 0))
    hdlr = box(b"hdlr", struct.pack(">II4s", 0, 0, b"vide"), bytes(13))
    trex = box(b"trex", struct.pack(">IIIIII", 0, 1, 1, 0, 0, 0))
    moov = box(b"moov", box(b"trak", tkhd, box(b"mdia", mdhd, hdlr)), box(b"mvex", trex))
    return box(b"ftyp", b"isom", bytes(4)) + moov


def fragment(start: int, frames: int, media: bytes, number: int = 1) -> bytes:
    """``start`` in ticks; ``media`` goes into ``mdat``; ``number``: which fragment of the file, from 1."""
    tfhd = box(b"tfhd", struct.pack(">II", 0x020000, 1))
    tfdt = box(b"tfdt", struct.pack(">IQ", 1 << 24, start))
    rows = b"".join(struct.pack(">II", FRAME, 100) for _ in range(frames))
    trun = box(b"trun", struct.pack(">III", 0x301, frames, 0), rows)
    return box(b"moof", box(b"mfhd", struct.pack(">II", 0, number)), box(b"traf", tfhd, tfdt, trun)) + box(
        b"mdat", media
    )


def padded(data: bytes, to: int) -> bytes:
    """``data`` and a ``free`` box, a multiple of ``to`` bytes."""
    return data + free(-(len(data) + 8) % to + 8)
