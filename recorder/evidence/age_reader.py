"""Streaming reader of age v1 files (https://c2sp.org/age) with X25519 identities: for the verifier and sealed fields.

A file cut by a power failure is no error here: the whole chunks before the cut are authentic, and :attr:`AgeReader.end`
says how the file ended. Only the holder of an identity can tell a cut from an alteration of the last chunk by the journal's
digests, so the reader reports what it saw and judges nothing.
"""

from __future__ import annotations

import hmac
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from recorder.evidence.age import (
    CHUNK,
    STORED_CHUNK,
    TAG,
    AgeError,
    Identity,
    chunk_nonce,
    header_mac,
    payload_key,
    wrap_key,
)
from recorder.evidence.age_header import Header, HeaderError, Stanza, decode, read_header


class HeaderMacError(AgeError):
    """The header was altered: its MAC does not verify."""


class NoIdentityMatch(AgeError):
    """None of the identities opens this file."""


class PayloadError(AgeError):
    """The payload is torn or altered (raised by :func:`open_bytes` only; streaming reports it in ``end``)."""


@dataclass(frozen=True, slots=True)
class End:
    """How the payload ended. ``chunks`` authentic chunks were read; ``offset`` is where in the stored file they end.

    ``complete``: with its final chunk. ``torn``: the file stops before a final chunk (power cut, or a tail removed).
    ``altered``: a chunk with more behind it does not authenticate, or bytes follow the final chunk.
    """

    state: Literal["complete", "torn", "altered"]
    chunks: int
    offset: int


def unwrap_file_key(header: Header, identities: Sequence[Identity]) -> bytes:
    """The 16-byte file key. Raises NoIdentityMatch, HeaderError, HeaderMacError."""
    if any(stanza.arguments[0] == b"scrypt" for stanza in header.stanzas) and len(header.stanzas) > 1:
        raise HeaderError("口令收件人必须单独 a scrypt stanza must stand alone")
    for stanza in header.stanzas:
        for identity in identities:
            file_key = _open_stanza(stanza, identity)
            if file_key is not None:
                if not hmac.compare_digest(header_mac(file_key, header.signed), header.mac):
                    raise HeaderMacError("文件头被改动 header MAC does not verify")
                return file_key
    raise NoIdentityMatch("没有匹配的私钥 none of the identities opens this file")


def _open_stanza(stanza: Stanza, identity: Identity) -> bytes | None:
    if stanza.arguments[0] != b"X25519":
        return None  # another kind of recipient, or grease: not ours to judge
    if len(stanza.arguments) != 2:
        raise HeaderError("X25519 收件人参数数目错 X25519 stanza needs one argument")
    share = decode(stanza.arguments[1], 32)
    if len(stanza.body) != 16 + TAG:
        raise HeaderError("X25519 收件人正文长度错 X25519 stanza body has a wrong length")
    try:
        key = wrap_key(identity.secret, share, share, identity.public)
    except AgeError as error:
        raise HeaderError(str(error)) from error
    try:
        return ChaCha20Poly1305(key).decrypt(bytes(12), stanza.body, None)
    except InvalidTag:
        return None


class AgeReader:
    """An opened age file. Iterate :meth:`chunks` once; then ``end`` is set.

    ``header_length`` counts header and nonce: the stored chunks begin there. Raises what :func:`read_header` and
    :func:`unwrap_file_key` raise. A file cut inside its nonce is ``torn`` with no chunk.
    """

    def __init__(self, stream: BinaryIO, identities: Sequence[Identity]) -> None:
        header = read_header(stream)
        file_key = unwrap_file_key(header, identities)
        nonce = _read_full(stream, 16)
        self.header_length = header.length + len(nonce)
        self.end: End | None = End("torn", 0, self.header_length) if len(nonce) < 16 else None
        self._aead = ChaCha20Poly1305(payload_key(file_key, nonce))
        self._stream = stream

    def chunks(self) -> Iterator[bytes]:
        """Authentic plaintext chunks, CHUNK bytes each but the final one."""
        if self.end is not None:
            return
        index = 0
        stored = _read_full(self._stream, STORED_CHUNK)
        while True:
            following = _read_full(self._stream, STORED_CHUNK) if len(stored) == STORED_CHUNK else b""
            plain, final = self._open(index, stored, last_of_file=not following)
            if plain is None:
                self.end = self._ended("altered" if following else "torn", index)
                return
            if final and not plain and index:
                self.end = self._ended("altered", index)  # the specification forbids an empty chunk behind others
                return
            yield plain
            index += 1
            if final:
                self.end = self._ended("altered" if following else "complete", index, self._stored_end(index, stored))
                return
            if not following:
                self.end = self._ended("torn", index)
                return
            stored = following

    def _open(self, index: int, stored: bytes, *, last_of_file: bool) -> tuple[bytes | None, bool]:
        """The chunk and whether it is the final one; (None, False) when it does not authenticate."""
        likely_final = last_of_file
        for final in (likely_final, not likely_final):
            if not final and len(stored) != STORED_CHUNK:
                continue
            if len(stored) < TAG:
                continue
            try:
                return self._aead.decrypt(chunk_nonce(index, final), stored, None), final
            except InvalidTag:
                continue
        return None, False

    def _stored_end(self, index: int, last: bytes) -> int:
        return self.header_length + (index - 1) * STORED_CHUNK + len(last)

    def _ended(self, state: Literal["complete", "torn", "altered"], chunks: int, offset: int | None = None) -> End:
        return End(state, chunks, self.header_length + chunks * STORED_CHUNK if offset is None else offset)


def _read_full(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    while data and len(data) < size:  # an unbuffered file may give less than asked for
        more = stream.read(size - len(data))
        if not more:
            break
        data += more
    return data


def open_bytes(sealed: bytes, identities: Sequence[Identity]) -> bytes:
    """Plaintext of a whole small age file. Raises AgeError kinds; PayloadError when it is torn or altered."""
    reader = AgeReader(io.BytesIO(sealed), identities)
    plain = b"".join(reader.chunks())
    if reader.end is None or reader.end.state != "complete":
        raise PayloadError("密文不完整或被改动 payload is torn or altered")
    return plain


__all__ = [
    "CHUNK",
    "AgeReader",
    "End",
    "Header",
    "HeaderError",
    "HeaderMacError",
    "NoIdentityMatch",
    "PayloadError",
    "open_bytes",
    "read_header",
    "unwrap_file_key",
]
