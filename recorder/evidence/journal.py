"""The journal's writer: one signed line per record, chained, durable when ``sync`` returns. For one thread only.

A disk that refuses must not stop the recording (promise 1) nor leave a hole (promise 3). So after a failed write or
``fdatasync`` the file is given up, because nobody knows what it holds; every line whose durability is unknown waits in
memory and goes, byte for byte, to the beginning of a new file at the next attempt. The same bytes, not new ones: two
different signed lines with one ``seq`` would be a fork, and the uplink may already have read the first. Reading back
instead would prove nothing: the kernel marks pages it could not write as clean and goes on showing them. Behind the
repeated lines stands, in the same write, a checkpoint signed for that file, so a file that repeats always says something
new as well: by that a repeat is told from a replay (``docs/formats.md`` §4.3).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from firmware_bridge.ports import Clock
from recorder.evidence import jws
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.files import AppendFile, Files
from recorder.evidence.held_lines import held_lines
from recorder.evidence.journal_loader import Keyring
from recorder.evidence.journal_reader import file_name, line_digest
from recorder.evidence.jws import Signer
from recorder.evidence.records import Record
from recorder.evidence.state import JournalState

log = logging.getLogger("recorder.evidence")

_RECENT_DIGESTS = 4096


class JournalError(Exception):
    """The disk refused. Nothing is lost by it: see :meth:`Journal.append` and :meth:`Journal.sync`."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"{path}: 日志写入失败 the journal cannot be written: {error.strerror or error}")
        self.path = path
        self.errno: int | None = error.errno


class SigningError(JournalError):
    """The key refused (a secure element that does not answer, say). To the journal it is as good as a disk that refuses:
    the record was not taken and is appended again."""

    def __init__(self, path: Path, error: jws.SignerRefused) -> None:
        Exception.__init__(self, f"{path}: 签名失败 records cannot be signed: {error}")
        self.path = path
        self.errno = None


@dataclass(frozen=True, slots=True)
class Appended:
    """A signed line. ``line_digest``: SHA-256 of the whole line. ``payload``: what was signed, Common fields included."""

    seq: int
    line_digest: str
    payload: dict[str, Any]


class Journal:
    """Made by ``recovery.recover``, which knows the state of what is on disk."""

    def __init__(
        self,
        directory: Path,
        signer: Signer,
        clock: Clock,
        files: Files,
        state: JournalState,
        *,
        checkpoint_records: int,
        last_file: Path | None = None,
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        """``state`` is that of the newest good line, standing in ``last_file`` (None: there is no journal yet)."""
        self.state = state
        self.directory = directory
        self._signer = signer
        self._clock = clock
        self._files = files
        self._every = checkpoint_records
        self.journal_id = state.journal_id or new_id()
        self._bootseed = clock.boot_id()
        same_boot = state.last is not None and state.last.bootseed == self._bootseed
        self._bootcount = state.bootcount if same_boot else state.bootcount + 1
        self._path = last_file
        self._file: AppendFile | None = None
        self._durable_size = 0
        self._given_up = False
        self._led_over = False
        """The checkpoint that leads over to the next file is signed: it waits behind the lines that file repeats."""
        self._waiting: list[tuple[int, bytes]] = []
        self._durable = state.head
        self._recent: deque[tuple[int, str]] = deque(maxlen=_RECENT_DIGESTS)

    @property
    def durable(self) -> tuple[int, str] | None:
        """(seq, digest) of the newest line known to be durable."""
        return self._durable

    @property
    def unsynced(self) -> int:
        """Lines signed and not yet durable. More than 0 after an error: call ``sync`` again."""
        return len(self._waiting)

    def append(self, record: Record, *, sync: bool = True) -> Appended:
        """Sign and write one record; with ``sync`` it is durable on return, else ``sync()`` makes it so.

        Raises JournalError. When writing failed the record was *not* taken: append it again. When syncing failed it was:
        it waits, and the next ``sync`` or ``append`` takes it to a new file (``unsynced`` tells the two apart, and
        ``append(…, sync=False)`` only ever fails the first way).
        """
        if self._given_up:
            self._new_file_after_error()
        if self.state.since_checkpoint >= self._every and record.TYP not in ("checkpoint", "boot"):
            # Before the record, not behind it: a failure here must mean that the record was not taken. Never before a
            # boot record: that is the first line of its boot, or the verifier takes the new boot id for an inconsistency.
            self._write(self.state.checkpoint("interval"))
        appended = self._write(record)
        if sync:
            self.sync()
        return appended

    def sync(self) -> None:
        """Make every appended line durable. Raises JournalError; the lines then wait for the next attempt."""
        if self._given_up:
            self._new_file_after_error()
            return
        if not self._waiting or self._file is None:
            return
        try:
            self._file.sync()
        except OSError as error:
            raise self._give_up(error) from error
        self._now_durable()

    def rotate(self, reason: Literal["rotation", "interval"] = "rotation") -> Appended | None:
        """Begin a new file whose first record is a checkpoint, durable on return. None before the first record.

        When no new file can be made the checkpoint goes into the old one: a lesser reason never stops the journal.
        Raises JournalError as ``append`` does.
        """
        self.sync()
        if self.state.last is None:
            return None
        path = self.directory / file_name(self.state.next_seq)
        try:
            file = self._files.create(path)
        except OSError as error:
            self._remove_remains(path)
            # The old file still takes lines; if the disk is really failing, the next write says so.
            log.warning("journal.rotate", extra={"fields": {"path": str(path), "error": str(error)}})
            return self.append(self.state.checkpoint(reason))
        self._close()
        self._path, self._file, self._durable_size = path, file, 0
        return self.append(self.state.checkpoint(reason))

    def digest_of(self, seq: int) -> str | None:
        """SHA-256 of our own line ``seq``; from memory for recent ones, else one file is read. None: no such line."""
        for known, digest in reversed(self._recent):
            if known == seq:
                return digest
        return line_digest(self._files, self.directory, seq) if 0 <= seq < self.state.next_seq else None

    def held(self, first: int, last: int) -> tuple[int, int] | None:
        """(first, last) of a run of our own lines among those numbers, also of those a former key signed; None when none of
        them is here. Raises OSError."""
        ring = Keyring([self._signer.public_key()])
        return held_lines(self._files, self.directory, self.journal_id, ring, first, last)

    def close(self) -> None:
        """Sync and close. Raises JournalError."""
        self.sync()
        self._close()

    # --- one line ----------------------------------------------------------------------------------------------------

    def _write(self, record: Record) -> Appended:
        file = self._open()
        appended, line = self._sign(record)
        try:
            file.write(line)
        except OSError as error:
            raise self._give_up(error) from error
        self._take(record.TYP, appended, line)
        return appended

    def _sign(self, record: Record) -> tuple[Appended, bytes]:
        quality = self._clock.quality()
        payload: dict[str, Any] = {
            "ver": 1,
            "journal_id": self.journal_id,
            "seq": self.state.next_seq,
            "prev": self.state.prev,
            "iat": round(self._clock.wall_us() / 1e6, 3),
            "uptime_us": self._clock.boottime_us(),
            "bootcount": self._bootcount,
            "bootseed": self._bootseed,
            "clock": {
                "source": quality.source,
                "synchronized": quality.synchronized,
                "max_error_ms": quality.max_error_ms,
            },
            **record.model_dump(mode="json"),
        }
        try:
            line = jws.sign(record.TYP, payload, self._signer).encode("ascii")
        except jws.SignerRefused as error:
            raise SigningError(self._path or self.directory, error) from error
        return Appended(payload["seq"], sha256_b64u(line), payload), line + b"\n"

    def _take(self, typ: str, appended: Appended, line: bytes) -> None:
        self._waiting.append((appended.seq, line))
        self._recent.append((appended.seq, appended.line_digest))
        self.state.apply(typ, appended.payload, appended.line_digest)

    # --- files -------------------------------------------------------------------------------------------------------

    def _open(self) -> AppendFile:
        if self._file is None:
            path = self._path or self.directory / file_name(self.state.next_seq)
            try:
                if self._path is None:
                    self._files.make_dir(self.directory)
                    self._file = self._files.create(path)
                else:
                    self._file = self._files.append(path)
                    self._durable_size = self._files.size(path) or 0
            except OSError as error:
                raise JournalError(path, error) from error
            self._path = path
        return self._file

    def _give_up(self, error: OSError) -> JournalError:
        self._given_up = True
        return JournalError(self._path or self.directory, error)

    def _remove_remains(self, path: Path) -> None:
        """A file that could not be made whole must not keep its name: an empty newer file would supersede our lines."""
        try:
            if self._files.size(path) is not None:
                self._files.remove(path)
        except OSError as error:
            self._close()
            self._path, self._durable_size = path, 0
            raise self._give_up(error) from error

    def _new_file_after_error(self) -> None:
        """Waiting lines, then a checkpoint, into a new file, synced. Raises JournalError: still given up.

        The checkpoint is signed even when the last waiting line is one already: that one may stand in the old file too,
        and a new file with nothing new in it, given up in its turn, would look like somebody's copy.
        """
        self._close()
        if self.state.last is not None and not self._led_over:
            appended, line = self._sign(self.state.checkpoint("rotation"))
            self._take("checkpoint", appended, line)
            self._led_over = True  # signed once: a second attempt writes the same bytes
        path = self.directory / file_name(self._waiting[0][0] if self._waiting else self.state.next_seq)
        try:
            self._clear_way(path)
            self._file = self._files.create(path)
            self._path, self._durable_size = path, 0
            self._file.write(b"".join(line for _, line in self._waiting))
            self._file.sync()
        except OSError as error:
            raise JournalError(path, error) from error
        self._given_up = self._led_over = False
        self._now_durable()

    def _clear_way(self, path: Path) -> None:
        """Cut from the given-up file what is not durable, and free the name the new one needs: a file of that name has no
        durable line. A file that cannot even be cut may stay as it is: the next file's name supersedes its tail."""
        if self._files.size(path) is not None:
            self._files.remove(path)
        if self._path is None or self._durable_size == 0:
            return
        try:
            if (self._files.size(self._path) or 0) > self._durable_size:
                self._files.truncate(self._path, self._durable_size)
        except OSError as error:
            log.warning("journal.given-up", extra={"fields": {"path": str(self._path), "error": str(error)}})

    def _now_durable(self) -> None:
        self._durable_size += sum(len(line) for _, line in self._waiting)
        self._waiting.clear()
        self._durable = self.state.head

    def _close(self) -> None:
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            file.close()
        except OSError as error:
            # What is durable was synced before, what is not waits in memory: closing decides nothing.
            log.warning("journal.close", extra={"fields": {"path": str(self._path), "error": str(error)}})
