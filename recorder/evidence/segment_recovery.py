"""A segment whose writer is gone: keep every whole chunk, set the torn rest aside, say exactly what is left.

Nothing is decrypted, for the unit cannot: an age file consists of its header and 64 KiB chunks of 65552 stored bytes, so
what is whole follows from the size alone; with sealing off the same holds for plain blocks of 64 KiB. A last piece as
long as the closing ``free`` box is the final chunk, written but not yet recorded, and stays.
"""

from __future__ import annotations

import errno
import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recorder.evidence.age import CHUNK, STORED_CHUNK, TAG
from recorder.evidence.age_header import MAX_HEADER, HeaderError, read_header
from recorder.evidence.carried import OpenSegment
from recorder.evidence.encoding import b64u
from recorder.evidence.files import Files
from recorder.evidence.records import Recovery, UnsignedRange
from recorder.evidence.set_aside import set_aside

Reason = Literal["unclean-stop", "worker-exit", "io-error"]

SEALED_SUFFIX = ".mp4.age"
PLAIN_SUFFIX = ".mp4"
TORN_SUFFIX = ".torn"
FREE_BOX = b"\x00\x00\x00\x08free"
"""The empty ``free`` box (ISO/IEC 14496-12 §8.1.2) a writer closes each segment with."""
_NONCE = 16
_BLOCK = 1 << 20
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_SEGMENT = re.compile(rf"^({_UUID})(\.mp4\.age|\.mp4)$")


def session_dir(data_dir: Path, session_id: str) -> Path:
    return data_dir / "segments" / session_id


def segment_path(data_dir: Path, session_id: str, segment_id: str, *, sealed: bool) -> Path:
    """Where the stored bytes of a segment are: ``segments/<session>/<segment>.mp4.age``, or ``.mp4`` without sealing."""
    return session_dir(data_dir, session_id) / f"{segment_id}{SEALED_SUFFIX if sealed else PLAIN_SUFFIX}"


def recover_segment(data_dir: Path, files: Files, segment: OpenSegment, reason: Reason) -> Recovery:
    """Cut the file of an open segment to what is whole; returns the record, which the caller appends. Idempotent.

    ``segment`` comes from ``Journal.state.open_segments`` once every head is appended. Its writer must be gone. Raises
    OSError.
    """
    path = segment_path(data_dir, segment.session_id, segment.segment_id, sealed=segment.sealed)
    cut = _cut(files, path, sealed=segment.sealed, signed_end=segment.signed_end)
    return _record(
        cut,
        data_dir,
        reason,
        session_id=segment.session_id,
        segment_id=segment.segment_id,
        camera_id=segment.camera_id,
        signed_entries=segment.entries,
        signed_end=segment.signed_end,
    )


def orphans(data_dir: Path, files: Files, session_id: str, known: Callable[[str], bool]) -> list[str]:
    """Segment ids that have a file in the session's folder and are not ``known`` to the journal."""
    names = files.names(session_dir(data_dir, session_id))
    return sorted({match[1] for name in names if (match := _SEGMENT.match(name)) and not known(match[1])})


def recover_orphans(
    data_dir: Path, files: Files, session_id: str, known: Callable[[str], bool], reason: Reason
) -> list[Recovery]:
    """As :func:`recover_segment` for every file of the session that no record names: kept, with nothing signed before.

    A worker creates a file before it reports it, so a death in between leaves one. Ask only while *no* worker runs: what
    another camera's worker has just begun looks the same. Raises OSError.
    """
    return [
        recover_orphan(data_dir, files, session_id, segment_id, reason)
        for segment_id in orphans(data_dir, files, session_id, known)
    ]


def recover_orphan(data_dir: Path, files: Files, session_id: str, segment_id: str, reason: Reason) -> Recovery:
    """One file no ``segment-open`` names. Raises OSError."""
    sealed = files.size(segment_path(data_dir, session_id, segment_id, sealed=True)) is not None
    path = segment_path(data_dir, session_id, segment_id, sealed=sealed)
    cut = _cut(files, path, sealed=sealed, signed_end=0)
    return _record(
        cut,
        data_dir,
        reason,
        session_id=session_id,
        segment_id=segment_id,
        camera_id=None,
        signed_entries=0,
        signed_end=0,
    )


@dataclass(frozen=True, slots=True)
class _Cut:
    """``kept`` is None when there was no file."""

    kept: int | None
    sha256: str | None = None
    unsigned: UnsignedRange | None = None
    torn_path: Path | None = None
    torn_bytes: int = 0
    torn_digest: str | None = None


def _cut(files: Files, path: Path, *, sealed: bool, signed_end: int) -> _Cut:
    if files.size(path) is None:
        return _Cut(None)
    files.settle(path)
    size = files.size(path) or 0
    kept = whole_bytes(files, path, size, sealed=sealed, signed_end=signed_end)
    torn_path = path.with_name(_SEGMENT.sub(rf"\1{TORN_SUFFIX}", path.name))
    if size > kept:
        set_aside(files, path, kept, torn_path)
        files.truncate(path, kept)
    sha256, unsigned = _digests(files, path, kept, signed_end)
    if files.size(path) != kept:
        # A worker that outlived its unit process would make the record a lie: rather none than a wrong one.
        raise OSError(errno.EBUSY, "仍在被写入 still being written", str(path))
    torn = files.size(torn_path)
    if torn is None:
        return _Cut(kept, sha256, unsigned)
    return _Cut(kept, sha256, unsigned, torn_path, torn, b64u(_digest(files, torn_path, 0).digest()))


def whole_bytes(files: Files, path: Path, size: int, *, sealed: bool, signed_end: int) -> int:
    """How many bytes of a file of ``size`` bytes are whole chunks, or signed."""
    if sealed:
        start = _payload_start(files.read_at(path, 0, MAX_HEADER))
        chunk, final = STORED_CHUNK, len(FREE_BOX) + TAG
    else:
        start, chunk, final = 0, CHUNK, len(FREE_BOX)
    if start is None or size < start + chunk:
        whole = 0
    else:
        whole = start + (size - start) // chunk * chunk
        # Sealed, nothing but the length tells the final chunk; keeping as many torn bytes would do no harm either:
        # a reader stops before them in both cases.
        if size - whole == final and (sealed or files.read_at(path, whole, final) == FREE_BOX):
            whole = size
    return max(whole, signed_end) if signed_end <= size else whole


def _payload_start(beginning: bytes) -> int | None:
    try:
        return read_header(io.BytesIO(beginning)).length + _NONCE
    except HeaderError:
        return None


def _digest(files: Files, path: Path, offset: int) -> hashlib._Hash:
    digest = hashlib.sha256()
    while block := files.read_at(path, offset, _BLOCK):
        digest.update(block)
        offset += len(block)
    return digest


def _digests(files: Files, path: Path, kept: int, signed_end: int) -> tuple[str, UnsignedRange | None]:
    """Of the whole kept file (which may be empty), and of what in it was not signed; in one reading."""
    whole, unsigned = hashlib.sha256(), hashlib.sha256()
    offset = 0
    for block in files.read_chunks(path):
        whole.update(block)
        if offset + len(block) > signed_end:
            unsigned.update(memoryview(block)[max(0, signed_end - offset) :])
        offset += len(block)
    left = kept - signed_end
    rest = UnsignedRange(offset=signed_end, length=left, sha256=b64u(unsigned.digest())) if left > 0 else None
    return b64u(whole.digest()), rest


def _record(
    cut: _Cut,
    data_dir: Path,
    reason: Reason,
    *,
    session_id: str,
    segment_id: str,
    camera_id: str | None,
    signed_entries: int,
    signed_end: int,
) -> Recovery:
    outcome: Literal["kept", "empty", "missing"] = "kept" if cut.kept else "empty"
    return Recovery(
        subject="segment",
        reason=reason,
        session_id=session_id,
        segment_id=segment_id,
        camera_id=camera_id,
        outcome="missing" if cut.kept is None else outcome,
        signed_entries=signed_entries,
        last_signed_offset=signed_end,
        kept_bytes=cut.kept or 0,
        torn_bytes=cut.torn_bytes,
        torn_digest=cut.torn_digest,
        torn_file=None if cut.torn_path is None else cut.torn_path.relative_to(data_dir).as_posix(),
        sha256=cut.sha256,
        unsigned=cut.unsigned,
    )
