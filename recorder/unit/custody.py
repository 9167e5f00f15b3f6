"""What the unit keeps, believes and lets go: receipts, retention, recovery while running, sealed fields.

All decisions are elsewhere and pure (``evidence.receipts``, ``session.retention``); here they meet disk and journal.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from recorder.config.models import RecorderConfig
from recorder.evidence import jws
from recorder.evidence.files import Files
from recorder.evidence.journal import Journal
from recorder.evidence.personal import OfficerKey, seal_field
from recorder.evidence.receipt_files import read_receipts
from recorder.evidence.receipts import Believed, OwnSegment
from recorder.evidence.records import Event, ReceiptRecord, Release, SealedField
from recorder.evidence.recovery import known_segments
from recorder.evidence.segment_recovery import orphans, recover_orphan, recover_segment
from recorder.evidence.statement_files import Document, StoredDocument, keep
from recorder.session.anchors import Anchor, superseded
from recorder.session.retention import Held, releasable
from recorder.unit.index import Index
from recorder.unit.ledger import Ledger
from recorder.unit.store_gaps import NotNow, StoreGaps
from recorder.unit.store_key import StoreKey
from recorder.units import MB

log = logging.getLogger("recorder.custody")

RETENTION_US = 2_000_000
RECEIPT_SCAN_US = 5_000_000
RECEIPTS_PER_SCAN = 50
"""The uplink may leave thousands: they are looked at in pieces, so that no turn of the main loop is long."""

REFUSALS_RECORDED = 64
"""So many refused receipts are signed facts per start; more of them say nothing new and would swell the journal."""

RELEASES_PER_TURN = 64


class Custody:
    def __init__(
        self,
        config: RecorderConfig,
        data_dir: Path,
        files: Files,
        journal: Journal,
        ledger: Ledger,
        index: Index,
        store_key: StoreKey,
        officer_key: OfficerKey,
    ) -> None:
        self._config = config
        self._data_dir = data_dir
        self._files = files
        self._journal = journal
        self._ledger = ledger
        self._index = index
        self._store_key = store_key
        store_key.look()
        self._officer_key = officer_key
        self._seen: set[str] = set()
        self._next_scan_us = 0
        self._next_retention_us = 0
        self._pending_release: set[str] = set()
        self._anchors: dict[str, Anchor] = {}
        self._newest: str | None = journal.state.last_receipt
        self._newest_seq = -1
        self._newest_iat = 0.0
        self._unrecorded: ReceiptRecord | None = None
        self._now_us = 0
        self._refusals = 0
        self.gaps = StoreGaps(journal, index, ledger.write)
        self._half: tuple[str, str, Believed] | None = None
        """(id, text, verdict) of the receipt whose gaps are being looked for."""
        self._postponed: dict[str, str] = {}
        """Receipts the disk kept from being judged in this round → why. The others are judged all the same."""
        self._finished_to: int | None = None
        """How far the tombstones have been carried out; None: to the end."""
        self.problems: dict[str, str] = {}
        """What the disk refuses just now: ``data`` or ``receipts`` → why. Faults, and no reason to stop."""
        self.free_bytes = 0
        self._look_at_space()

    def reconfigure(self, config: RecorderConfig) -> None:
        self._config = config

    # --- sealed fields -----------------------------------------------------------------------------------------------

    def sealed(self, value: object) -> SealedField:
        """A personal value for the journal, to the agency's recipients (plain only when sealing is off)."""
        sealing = self._config.sealing
        return seal_field(value, sealing.recipients if sealing.enabled else ())

    def officer_ref(self, cert_no: str) -> str:
        return self._officer_key.ref(cert_no)

    # --- statements --------------------------------------------------------------------------------------------------

    def gap(self, gap_id: str) -> dict[str, Any] | None:
        """What the index knows of an interruption (``Index.gap``)."""
        return self._index.gap(gap_id)

    @property
    def index_behind(self) -> bool:
        """The index is being made anew and does not know everything yet."""
        return self._index.behind

    def keep_document(self, stream: BinaryIO, document: Document, statement_id: str) -> tuple[StoredDocument, bool]:
        """The signed document into ``statements/``; and whether it is sealed. Raises DocumentError, AgeError, OSError."""
        sealing = self._config.sealing
        recipients = sealing.recipients if sealing.enabled else ()
        return keep(stream, document, statement_id, self._data_dir, self._files, recipients), bool(recipients)

    # --- recovery while running --------------------------------------------------------------------------------------

    def recover_segment(self, session_id: str, segment_id: str, camera_id: str) -> None:
        """The worker of this open segment is gone: keep what is whole, move the rest aside, record it."""
        # The segment's last heads count as signed only once they are durable; until the disk takes them, wait.
        if not self._ledger.commit():
            self._ledger.after_commit(lambda: self.recover_segment(session_id, segment_id, camera_id))
            return
        segment = self._journal.state.open_segments.get(segment_id)
        if segment is None:
            log.error("recovery.unknown", extra={"fields": {"segment_id": segment_id, "camera_id": camera_id}})
            return
        try:
            self._ledger.write(recover_segment(self._data_dir, self._files, segment, "worker-exit"))
        except OSError as error:
            # It stays open in the journal, so the next start tries again; recording must not wait for it.
            log.error("recovery.failed", extra={"fields": {"segment_id": segment_id, "error": str(error)}})

    def recover_orphans(self) -> None:
        """Files the dead worker made and never reported: no record names them yet, so one has to."""
        committed, session = self._ledger.commit(), self._journal.state.session
        if not committed or session is None:
            return  # a file whose ``segment-open`` is still to be written would look like one nobody reported
        session_id = session.session_id
        try:
            known = known_segments(self._files, self._data_dir, self._journal.state, session_id)
            self._recover_unknown(session_id, known)
        except OSError as error:
            log.error("recovery.failed", extra={"fields": {"session_id": session_id, "error": str(error)}})

    def _recover_unknown(self, session_id: str, known: set[str]) -> None:
        for segment_id in orphans(self._data_dir, self._files, session_id, known.__contains__):
            try:
                self._ledger.write(recover_orphan(self._data_dir, self._files, session_id, segment_id, "worker-exit"))
            except OSError as error:
                log.error("recovery.failed", extra={"fields": {"segment_id": segment_id, "error": str(error)}})

    # --- receipts ----------------------------------------------------------------------------------------------------

    @property
    def anchored(self) -> tuple[int, float] | None:
        """(record, seconds since 1970) of the newest receipt believed since the start; None before the first."""
        return None if self._newest_seq < 0 else (self._newest_seq, self._newest_iat)

    def receipts_arrived(self) -> None:
        """The uplink says there is a new one: look now."""
        self._next_scan_us = 0

    def poll(self, now_us: int, wall_us: int) -> None:
        self._now_us = now_us
        self._look_at_space()
        if self._index.behind:
            return  # without the whole index a receipt for an own segment would look like one for a stranger's
        self.gaps.turn()
        if self._finished_to is not None:
            self._finish_some(self._finished_to)
        if now_us >= self._next_scan_us:
            self._next_scan_us = now_us + RECEIPT_SCAN_US
            self._guarded("receipts", self._scan_receipts)
        if now_us >= self._next_retention_us:
            self._next_retention_us = now_us + RETENTION_US
            self._release(wall_us)
            self._thin_anchors()
            if "release" in self.problems and self._finished_to is None:
                self.finish_releases()

    def _look_at_space(self) -> None:
        def look() -> None:
            self.free_bytes = self._files.free_bytes(self._data_dir)

        self._guarded("data", look)

    def _guarded(self, place: str, act: Callable[[], None]) -> bool:
        """Do it; a disk that refuses is a fault of that place until the next attempt succeeds."""
        try:
            act()
        except OSError as error:
            if place not in self.problems:
                log.error("custody.refused", extra={"fields": {"place": place, "error": str(error)}})
            self.problems[place] = str(error)
            return False
        self.problems.pop(place, None)
        return True

    def reserve_is_short(self) -> bool:
        return self.free_bytes < self._config.storage.reserve_mb * MB

    def _scan_receipts(self) -> None:
        if self._store_key.look():
            self._seen.clear()  # what another key refused, or none could judge, may be believed now
            self._half = None
        if self._store_key.check is None:
            return
        try:
            more = self._look_at_receipts()
        except NotNow:
            more = True
        if more:
            self._next_scan_us = self._now_us
        if self._postponed:
            why = next(iter(self._postponed.values()))
            if not more:
                self._postponed.clear()  # the round is over: the next one tries them again
            raise OSError(why)

    def _look_at_receipts(self) -> bool:
        """Judge some; False when there are no more. Raises NotNow, OSError when the folder cannot be read."""
        if self._half is not None:
            self._take_in()

        def known(receipt_id: str) -> bool:
            return receipt_id in self._seen or receipt_id in self._postponed or self._index.has_receipt(receipt_id)

        more = False
        found = read_receipts(self._files, self._data_dir / "receipts", known)
        for receipt in islice(found, RECEIPTS_PER_SCAN):
            more = True
            if receipt.text is None:
                log.error("receipt.unreadable", extra={"fields": {"id": receipt.receipt_id, "error": receipt.problem}})
            elif (older := self._older(receipt.receipt_id, receipt.text)) is not None:
                self._anchors[older.receipt_id] = older
            else:
                try:
                    self._judge(receipt.receipt_id, receipt.text)
                except OSError as error:
                    self._postponed[receipt.receipt_id] = str(error)
                    continue
            self._seen.add(receipt.receipt_id)  # last: what the disk kept from being judged is judged later
        return more

    def _older(self, receipt_id: str, text: str) -> Anchor | None:
        return older_anchor(receipt_id, text, self._newest_seq, self._newest_iat)

    def _judge(self, receipt_id: str, text: str) -> None:
        assert self._store_key.check is not None
        verdict = self._store_key.check.judge(text, self._journal.digest_of, self._own)
        if not isinstance(verdict, Believed):
            self._refusals += 1
            if self._refusals > REFUSALS_RECORDED:
                return
            log.error("receipt.refused", extra={"fields": {"id": receipt_id, "zh": verdict.zh, "en": verdict.en}})
            # Somebody may be trying to make the unit delete: that is a fact to be signed, not a line in a log.
            detail = {"receipt_id": receipt_id, "code": verdict.code, "reason": verdict.en}
            self._ledger.write(Event(event="receipt-refused", at_us=self._now_us, detail=detail))
            return
        self._half = (receipt_id, text, verdict)
        self._take_in()

    def _take_in(self) -> None:
        """What the receipt in hand says, when all its gaps have been looked for. Raises NotNow: there are more of them."""
        assert self._half is not None
        receipt_id, text, half = self._half
        verdict = half.looked_for(self.gaps.held)
        receipt = verdict.receipt
        self.gaps.believed(verdict, self._now_us)
        self._half = None
        self._seen.add(receipt_id)
        record = ReceiptRecord(receipt_id=receipt.jti, receipt_digest=verdict.receipt_digest, jws=text)
        # Receipts for heads only come every few seconds and would swell the journal: only a session's anchor goes in.
        if receipt.segments or receipt.statements:
            self._ledger.write(record)
        elif math.isfinite(receipt.iat):
            self._anchors[receipt.jti] = Anchor(receipt.jti, receipt.head_seq, receipt.iat)
        if receipt.head_seq >= self._newest_seq:
            self._newest_seq, self._newest_iat = receipt.head_seq, receipt.iat
            self._newest = verdict.receipt_digest
            self._unrecorded = None if receipt.segments or receipt.statements else record

    def session_anchor(self) -> str | None:
        """Digest of the newest believed receipt, for ``session-start``: the session is not older than it. The journal
        gets the receipt itself first, so that the bound can be shown without the receipts folder."""
        if self._unrecorded is not None:
            self._ledger.write(self._unrecorded)
            self._unrecorded = None
        return self._newest

    def _thin_anchors(self) -> None:
        for anchor in superseded(self._anchors.values()):
            path = self._data_dir / "receipts" / f"{anchor.receipt_id}.jws"
            try:
                if self._files.size(path) is not None:
                    self._files.remove(path)
            except OSError as error:
                log.error("receipt.thin", extra={"fields": {"path": str(path), "error": str(error)}})
                return
            del self._anchors[anchor.receipt_id]
            self._seen.discard(anchor.receipt_id)

    def _own(self, segment_id: str) -> OwnSegment | None:
        row = self._index.segment(segment_id)
        if row is None or row["sha256"] is None:
            return None
        return OwnSegment(sha256=row["sha256"], size=row["size"])

    # --- release -----------------------------------------------------------------------------------------------------

    def _release(self, wall_us: int) -> None:
        storage = self._config.storage
        if "data" in self.problems or self.free_bytes >= storage.release_below_free_mb * MB:
            return  # a disk that does not tell its free space has given no reason to delete
        oldest = self._index.receipted(RELEASES_PER_TURN)
        held = [segment for segment in oldest if segment.segment_id not in self._pending_release]
        for segment in releasable(
            held,
            wall_us,
            round(storage.keep_window_h * 3_600_000_000),
            self.free_bytes,
            storage.release_below_free_mb * MB,
        ):
            self._let_go(segment)

    def _let_go(self, segment: Held) -> None:
        """The tombstone is signed and durable first; only then is the file removed. A crash between the two leaves a
        file with a tombstone, which the next start removes."""
        assert segment.receipt_digest is not None
        self._pending_release.add(segment.segment_id)
        self._ledger.write(
            Release(
                session_id=segment.session_id,
                segment_id=segment.segment_id,
                size=segment.size,
                sha256=segment.sha256,
                receipt_digest=segment.receipt_digest,
                reason="free-space",
            )
        )
        self._ledger.after_commit(lambda: self.remove_file(segment.session_id, segment.segment_id))

    def remove_file(self, session_id: str, segment_id: str) -> None:
        """Remove what a durable tombstone names. A disk that refuses is asked again later; the tombstone stands."""
        if self._guarded("release", lambda: self._remove(session_id, segment_id)):
            self._pending_release.discard(segment_id)
            self._index.removed(segment_id)

    def _remove(self, session_id: str, segment_id: str) -> None:
        folder = self._data_dir / "segments" / session_id
        for suffix in (".mp4.age", ".mp4"):
            path = folder / f"{segment_id}{suffix}"
            if self._files.size(path) is not None:
                self._files.remove(path)

    def finish_releases(self) -> None:
        """At start: files whose tombstone is signed and which a crash left behind. An index made anew names all that were
        ever signed: they are gone through over many turns."""
        self._finish_some(-1)

    def _finish_some(self, after: int) -> None:
        page = self._index.released(after, RELEASES_PER_TURN)
        for _, session_id, segment_id in page:
            self.remove_file(session_id, segment_id)
        self._finished_to = page[-1][0] if len(page) == RELEASES_PER_TURN else None


def older_anchor(receipt_id: str, text: str, newest_seq: int, newest_iat: float) -> Anchor | None:
    """A receipt of the head alone, older than one already believed: it decides nothing any more, so it is not verified
    (each check may read a journal file, and hundreds lie here at a start). None for every other receipt."""
    try:
        payload = jws.split(text).payload
    except jws.JwsError:
        return None
    head_seq, iat = payload.get("head_seq"), payload.get("iat")
    if payload.get("segments") != [] or payload.get("statements") or isinstance(iat, bool):
        return None
    if not isinstance(head_seq, int) or not isinstance(iat, int | float):
        return None
    # Nothing here is verified, and the uplink, which faces the network, wrote it: 1e400 is a number in JSON, too, and a
    # time in the far future would make every true anchor look old.
    if not 0 <= iat <= newest_iat or not 0 <= head_seq < newest_seq:
        return None
    return Anchor(receipt_id, head_seq, float(iat))
