"""Signed documents of written statements on the unit: ``statements/``, sealed like segments (design §5)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from recorder.evidence.age import CHUNK, AgeEncryptor
from recorder.evidence.encoding import b64u
from recorder.evidence.files import Files

FOLDER = "statements"
MAX_DOCUMENT = 8 << 20
"""Bytes of a document. A sheet scanned at 300 dpi has 1 to 2 MB; more would keep the unit's loop from its other work."""

_TYPES = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"PK\x03\x04", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
)


class DocumentError(ValueError):
    """The document cannot be kept: empty, too large, or not the same from one reading to the next."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} {en}")
        self.zh = zh
        self.en = en


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it was handed over. ``media_type`` by its first bytes, ``application/octet-stream`` otherwise."""

    sha256: str
    size: int
    media_type: str


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """Digest and size of the file in ``statements/``."""

    sha256: str
    size: int


def file_name(statement_id: str, sealed: bool) -> str:
    """Relative to the data folder."""
    return f"{FOLDER}/{statement_id}.document{'.age' if sealed else ''}"


def look_at(stream: BinaryIO) -> Document:
    """Digest and size from the stream's beginning. Raises DocumentError, OSError."""
    stream.seek(0)
    digest, size, first = hashlib.sha256(), 0, b""
    while chunk := stream.read(CHUNK):
        first = first or chunk[:16]
        digest.update(chunk)
        size += len(chunk)
        if size > MAX_DOCUMENT:
            raise DocumentError(
                f"文件超过 {MAX_DOCUMENT >> 20} MiB，请压缩扫描件",
                f"the document is larger than {MAX_DOCUMENT >> 20} MiB: compress the scan",
            )
    if size == 0:
        raise DocumentError("文件是空的", "the document is empty")
    media_type = next((name for magic, name in _TYPES if first.startswith(magic)), "application/octet-stream")
    return Document(b64u(digest.digest()), size, media_type)


def keep(
    stream: BinaryIO, document: Document, statement_id: str, data_dir: Path, files: Files, recipients: Sequence[str]
) -> StoredDocument:
    """Write the document into ``statements/``, sealed to ``recipients`` (plain for none), durable on return.

    It is digested again on the way: what is stored is what was judged, or nothing. Raises DocumentError, AgeError, OSError.
    """
    path = data_dir / file_name(statement_id, bool(recipients))
    files.make_dir(path.parent)
    plain, stored = hashlib.sha256(), hashlib.sha256()
    encryptor = AgeEncryptor(recipients) if recipients else None
    size = 0
    target = files.create(path)
    try:
        if encryptor is not None:
            target.write(encryptor.header)
            stored.update(encryptor.header)
            size += len(encryptor.header)
        stream.seek(0)
        left = document.size
        while left:
            chunk = _exactly(stream, min(left, CHUNK))
            left -= len(chunk)
            plain.update(chunk)
            data = chunk if encryptor is None else encryptor.seal(chunk) if left else encryptor.finish(chunk)
            target.write(data)
            stored.update(data)
            size += len(data)
        if stream.read(1) or b64u(plain.digest()) != document.sha256:
            raise _changed()
        target.sync()
    except BaseException:
        target.close()
        files.remove(path)
        raise
    target.close()
    return StoredDocument(b64u(stored.digest()), size)


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = stream.read(size - len(data))
        if not more:
            raise _changed()
        data += more
    return data


def _changed() -> DocumentError:
    return DocumentError("文件在读取时被改动", "the document changed while it was read")
