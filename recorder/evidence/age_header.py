"""The header of an age v1 file (https://c2sp.org/age), parsed and not opened: recovery only asks how long it is."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import BinaryIO

from recorder.evidence.age import VERSION_LINE, AgeError

MAX_HEADER = 1 << 16
"""Bytes of header a reader accepts: two recipients need 250; a hostile file must not fill memory."""
_COLUMNS = 64


class HeaderError(AgeError):
    """Not an age v1 header, or one cut short."""


@dataclass(frozen=True, slots=True)
class Stanza:
    arguments: tuple[bytes, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """``signed`` is the header up to and including ``---``; ``length`` the bytes of the whole header, without nonce."""

    stanzas: tuple[Stanza, ...]
    signed: bytes
    mac: bytes
    length: int


def read_header(stream: BinaryIO) -> Header:
    """Parse the header, leaving ``stream`` at the nonce. Raises HeaderError."""
    lines = _Lines(stream)
    if lines.next() != VERSION_LINE[:-1]:
        raise HeaderError("不是 age v1 文件 not an age v1 file")
    stanzas: list[Stanza] = []
    while True:
        before = len(lines.seen)
        line = lines.next()
        if line.startswith(b"---"):
            if not stanzas:
                raise HeaderError("文件头没有收件人 header without a recipient stanza")
            if line[3:4] != b" ":
                raise HeaderError("文件头 MAC 行格式错 malformed MAC line")
            return Header(tuple(stanzas), bytes(lines.seen[: before + 3]), decode(line[4:], 32), len(lines.seen))
        stanzas.append(_read_stanza(line, lines))


def _read_stanza(line: bytes, lines: _Lines) -> Stanza:
    if not line.startswith(b"-> "):
        raise HeaderError("收件人行格式错 malformed recipient stanza")
    arguments = tuple(line[3:].split(b" "))
    if any(not argument or any(not 33 <= byte <= 126 for byte in argument) for argument in arguments):
        raise HeaderError("收件人参数格式错 malformed stanza argument")
    encoded = b""
    while True:
        piece = lines.next()
        if len(piece) > _COLUMNS:
            raise HeaderError("收件人正文行过长 stanza body line too long")
        encoded += piece
        if len(piece) < _COLUMNS:
            return Stanza(arguments, decode(encoded, None))


class _Lines:
    """Header lines without their line feed; everything read so far in ``seen``."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.seen = bytearray()

    def next(self) -> bytes:
        line = self._stream.readline(MAX_HEADER - len(self.seen))
        self.seen += line
        if not line.endswith(b"\n"):
            raise HeaderError("文件头不完整或过长 header is cut short or too long")
        return line[:-1]


def decode(text: bytes, length: int | None) -> bytes:
    """Canonical standard base64 without padding."""
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True) if b"=" not in text else None
    except binascii.Error:
        data = None
    if data is None or base64.b64encode(data).rstrip(b"=") != text or (length is not None and len(data) != length):
        raise HeaderError("文件头 base64 格式错 header base64 is malformed")
    return data
