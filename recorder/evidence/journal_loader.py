"""The state of a journal at a start: verify from the last checkpoint on, tell a torn tail from damage.

A torn tail is what a power cut leaves: bytes at the very end that do not parse or do not verify, with no line behind
them that does. Anything else that is wrong (a line missing, altered or foreign with good lines behind it) is damage: it
stays where it is, becomes a finding, and the journal goes on behind the newest good line, because recording must not
stop and nothing may be hidden. Signatures here only tell torn from whole; who may be trusted is the verifier's question.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from recorder.evidence import jws
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.files import Files
from recorder.evidence.journal_reader import (
    JournalFile,
    RawLine,
    journal_files,
    parse,
    raw_lines,
    raw_lines_backward,
)
from recorder.evidence.jws import JwsError, Parts
from recorder.evidence.p256 import PublicKey
from recorder.evidence.state import JournalState


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong that a start met. ``code`` is stable; ``zh`` and ``en`` name file, line and record."""

    code: str
    zh: str
    en: str
    subject: str

    def __str__(self) -> str:
        return f"{self.zh} {self.en}"


@dataclass(frozen=True, slots=True)
class TornTail:
    """Bytes from ``offset`` to the end of ``file`` are no lines of the journal."""

    file: JournalFile
    offset: int


@dataclass(slots=True)
class LoadedJournal:
    """``state``: after the newest good line. ``torn``: what to cut. ``last_file``: where that line stands.

    ``checkpoint_seq``: where verification began (None: at the first line). ``foreign_key``: the newest line's key is not
    the first of the keys given.
    """

    state: JournalState = field(default_factory=JournalState)
    torn: tuple[TornTail, ...] = ()
    findings: list[Finding] = field(default_factory=list)
    last_file: Path | None = None
    checkpoint_seq: int | None = None
    foreign_key: bool = False


class Keyring:
    """Public keys that journal lines may be signed with: our own, and those that ``boot`` records bring in ``x5c``."""

    def __init__(self, keys: Iterable[PublicKey]) -> None:
        self._keys = {key.kid: key for key in keys}

    def knows(self, kid: str) -> bool:
        return kid in self._keys

    def verify(self, raw: bytes) -> Parts:
        """Parse and verify one line. Raises JwsError."""
        parts = parse(raw)
        key = self._keys.get(parts.kid)
        if key is None and parts.typ == "boot":
            key = self._from_boot(parts)
        if key is None:
            raise JwsError(f"unknown key {parts.kid}")
        return jws.check(raw.decode("ascii"), parts, key)

    def _from_boot(self, parts: Parts) -> PublicKey | None:
        chain = parts.payload.get("x5c")
        if not isinstance(chain, list) or not chain:
            return None
        try:
            key = PublicKey.of_certificate(base64.b64decode(chain[0], validate=True))
        except (TypeError, ValueError, binascii.Error):
            return None
        if key.kid != parts.kid:
            return None
        self._keys[parts.kid] = key
        return key


def load(files: Files, directory: Path, keys: Iterable[PublicKey]) -> LoadedJournal:
    """Read the end of the journal in ``directory``; ``keys`` begins with the unit's own. Raises OSError only."""
    own = list(keys)
    listed = journal_files(files, directory)
    loader = _Loader(files, listed, Keyring(own))
    index, start = loader.find_checkpoint()
    loader.read_forward(index, start)
    result = loader.result
    if result.state.last is None and (kid := loader.foreign_journal()) is not None:
        loader = _Loader(files, listed, Keyring(own), trusted_kid=kid)
        loader.read_forward(0, 0)
        result = loader.result
        result.findings.append(
            Finding(
                "journal-unverifiable",
                f"日志由未知密钥 {kid} 签名，无法验证，接续其后",
                f"journal is signed by the unknown key {kid}; continued behind it without verification",
                "journal",
            )
        )
    result.foreign_key = loader.newest_kid not in (None, own[0].kid)
    return result


class _Loader:
    def __init__(
        self, files: Files, listed: list[JournalFile], keyring: Keyring, trusted_kid: str | None = None
    ) -> None:
        self._files = files
        self._keyring = keyring
        self._trusted_kid = trusted_kid
        self.result = LoadedJournal()
        self.newest_kid: str | None = None
        # A file without one new line supersedes nothing: it is what a power cut left of a file being begun.
        self._all = listed
        self._listed = list(listed)
        while self._listed and not self._says_something_new():
            self._listed.pop()

    def _says_something_new(self) -> bool:
        """The newest file has a good line that does not stand in the file before it too. Lines are written again when
        their durability is unknown; where the power went meanwhile the old file may hold more of them than the new one,
        and to go on behind the new one's would be a second history of those that are only in the old one."""
        newest = self._newest_good(self._listed[-1])
        return newest is not None and (len(self._listed) < 2 or not self._holds(self._listed[-2], *newest))

    def _newest_good(self, file: JournalFile) -> tuple[bytes, int] | None:
        for piece in raw_lines_backward(self._files, file.path):
            try:
                return piece.raw, int(self._verify(piece).payload["seq"])
            except JwsError:
                continue
        return None

    def _holds(self, file: JournalFile, line: bytes, seq: int) -> bool:
        """The same bytes: what is before them is the same too, for they name its digest."""
        for piece in raw_lines_backward(self._files, file.path):
            if piece.raw == line and piece.complete:
                return True
            try:
                if piece.complete and parse(piece.raw).payload["seq"] < seq:
                    return False
            except JwsError:
                continue
        return False

    def find_checkpoint(self) -> tuple[int, int]:
        """(index of the file, offset behind the newest usable checkpoint), having taken its state; (0, 0) without one."""
        for index in range(len(self._listed) - 1, -1, -1):
            file = self._listed[index]
            for piece in raw_lines_backward(self._files, file.path):
                parts = self._checkpoint(piece, self._limit(index))
                if parts is None:
                    continue
                try:
                    state = JournalState.from_checkpoint(parts.payload, sha256_b64u(piece.raw))
                except (KeyError, TypeError, ValidationError):
                    continue  # of another version: an older one will do
                self.result.state = state
                self.result.checkpoint_seq = state.next_seq - 1
                self.result.last_file = file.path
                self.newest_kid = parts.kid
                return index, piece.end
        return 0, 0

    def _checkpoint(self, piece: RawLine, limit: int | None) -> Parts | None:
        if not piece.complete:
            return None
        try:
            parts = parse(piece.raw)
            if parts.typ != "checkpoint" or parts.payload.get("state") is None:
                return None
            parts = self._verify(piece)
        except JwsError:
            return None
        return parts if limit is None or parts.payload["seq"] < limit else None

    def _limit(self, index: int) -> int | None:
        """Lines of file ``index`` from this seq on are superseded by the next file."""
        return self._listed[index + 1].first_seq if index + 1 < len(self._listed) else None

    def read_forward(self, index: int, start: int) -> None:
        """Verify and take in every line from there on."""
        bad: list[tuple[int, RawLine, str]] = []
        for at in range(index, len(self._listed)):
            file, limit = self._listed[at], self._limit(at)
            for piece in raw_lines(self._files, file.path, start if at == index else 0):
                try:
                    parts = self._verify(piece)
                except JwsError as error:
                    bad.append((at, piece, str(error)))
                    continue
                if limit is not None and parts.payload["seq"] >= limit:
                    continue  # superseded: the next file holds it
                self._good(at, piece, parts, bad)
                bad = []
        self.result.torn = tuple(self._torn(bad))

    def _verify(self, piece: RawLine) -> Parts:
        if not piece.complete:
            raise JwsError("no line end")
        if self._trusted_kid is None:
            return self._keyring.verify(piece.raw)
        parts = parse(piece.raw)
        if parts.kid == self._trusted_kid and not self._keyring.knows(parts.kid):
            return parts
        return self._keyring.verify(piece.raw)

    def _good(self, at: int, piece: RawLine, parts: Parts, bad: list[tuple[int, RawLine, str]]) -> None:
        result, file = self.result, self._listed[at]
        seq, prev = parts.payload["seq"], parts.payload["prev"]
        continues = seq == result.state.next_seq and prev == result.state.prev
        # Remains of a write that failed stand at the end of a file that was given up; the next file continues the chain.
        given_up = continues and all(index < at for index, _, _ in bad)
        if bad and not given_up:
            index, first, why = bad[0]
            self._find("journal-damaged", self._listed[index].path, first.offset, seq, why)
        if not continues:
            self._find("journal-chain-broken", file.path, piece.offset, seq, f"expected seq {result.state.next_seq}")
        try:
            result.state.apply(parts.typ, parts.payload, sha256_b64u(piece.raw))
        except (KeyError, TypeError, ValueError) as error:
            self._find("journal-record-unreadable", file.path, piece.offset, seq, f"{parts.typ}: {error!r}")
        result.last_file = file.path
        self.newest_kid = parts.kid

    def _find(self, code: str, path: Path, offset: int, seq: int, why: str) -> None:
        place = f"{path.name}:{offset}"
        zh = {
            "journal-damaged": "日志行损坏，其后仍有完好的行",
            "journal-chain-broken": "日志链断开",
            "journal-record-unreadable": "日志记录格式不符",
        }[code]
        en = {
            "journal-damaged": "a damaged line with good lines behind it",
            "journal-chain-broken": "the chain is broken",
            "journal-record-unreadable": "a record not of its type's form",
        }[code]
        self.result.findings.append(Finding(code, f"{place} seq {seq}: {zh}", f"{en}: {why}", place))

    def _torn(self, bad: list[tuple[int, RawLine, str]]) -> Iterator[TornTail]:
        firsts: dict[int, int] = {}
        for at, piece, _ in bad:
            firsts.setdefault(at, piece.offset)
        for at, offset in firsts.items():
            yield TornTail(self._listed[at], offset)
        for file in self._all[len(self._listed) :]:
            yield TornTail(file, 0)

    def foreign_journal(self) -> str | None:
        """The key of a journal none of whose lines verify: two chained lines or more with one unknown ``kid``.

        One line alone with an unknown ``kid`` is taken for torn: a power cut can garble a ``kid`` too.
        """
        before: tuple[str, int, str] | None = None
        for file in self._all:
            for piece in raw_lines(self._files, file.path):
                try:
                    parts = parse(piece.raw) if piece.complete else None
                except JwsError:
                    parts = None
                if parts is None or self._keyring.knows(parts.kid):
                    before = None
                    continue
                seq, prev = parts.payload["seq"], parts.payload["prev"]
                if before == (parts.kid, seq - 1, prev):
                    return parts.kid
                before = (parts.kid, seq, sha256_b64u(piece.raw))
        return None
