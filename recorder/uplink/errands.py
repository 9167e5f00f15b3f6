"""The uploader's errands to the store: one journal post, one segment, one statement, one question for a receipt,
one offer of lines.

Each tells the queue what has come about, or raises UplinkFault; what a fault means for the rest is the uploader's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from recorder.uplink.answers import NoReceipt, fault_of, members, no_receipt
from recorder.uplink.backoff import BackoffPolicy
from recorder.uplink.facts import Segment, Statement
from recorder.uplink.fault_board import FaultBoard
from recorder.uplink.faults import (
    DIGEST_MISMATCH,
    DISK,
    INTERNAL,
    LINES_SET_ASIDE,
    RECEIPT_INVALID,
    RECEIPT_NOT_KEPT,
    RECEIPT_PENDING,
    Stopped,
    UplinkFault,
)
from recorder.uplink.http import StoreClient
from recorder.uplink.journal_lines import JournalLines
from recorder.uplink.journal_post import JournalPoster
from recorder.uplink.line_offers import LineOffers, Offer
from recorder.uplink.pace import Pace
from recorder.uplink.queue import PostJournal, UploadQueue
from recorder.uplink.receipts import Receipt, ReceiptStore
from recorder.uplink.segment_file import check_digest, segment_file
from recorder.uplink.settings import UplinkSettings
from recorder.uplink.statements import StatementBook, StatementSender
from recorder.uplink.tus import TusUploader

if TYPE_CHECKING:
    from firmware_bridge.ports import Clock

log = logging.getLogger("recorder.uplink")
OFFER_AREA, ASIDE_AREA = "journal-offer", "journal-offer-set-aside"
"""Of the fault board: what is tried again, and what waits for the next start."""


class Errands:
    """``segments``, ``journal``: the two connections. ``answered()``: the store did what it was asked;
    ``between_blocks()``: called while bytes are on their way, may raise to end that; ``keep_receipt``: as of the uploader.
    """

    def __init__(
        self,
        settings: UplinkSettings,
        clock: Clock,
        segments: StoreClient,
        journal: StoreClient,
        upload_queue: UploadQueue,
        statements: StatementBook,
        receipts: ReceiptStore,
        board: FaultBoard,
        keep_receipt: Callable[[Receipt, bool], None],
        answered: Callable[[], None],
        between_blocks: Callable[[], None],
    ) -> None:
        self._segments_dir: Path = settings.segments_dir
        self._clock = clock
        self._client = segments
        self._queue = upload_queue
        self._statements = statements
        self._receipts = receipts
        self._board = board
        self._keep_receipt = keep_receipt
        self._answered = answered
        self._between_blocks = between_blocks
        self._tus = TusUploader(segments, settings.store_url, upload_queue.upload_progressed)
        self._statement_sender = StatementSender(segments, settings.statements_dir)
        self._poster = JournalPoster(
            journal,
            JournalLines(settings.journal_dir),
            self._carry,
            lambda fault: board.report("journal-file", fault),
        )
        self.offers = LineOffers(
            BackoffPolicy(settings.backoff_base_s, settings.backoff_max_s), settings.journal_interval_s
        )
        self.goodput = Pace()
        self.active = ""
        """Id of the segment on its way."""
        self.receipted = 0

    def post(self, action: PostJournal) -> None:
        next_seq = self._poster.post(action.journal_id, action.from_seq, action.head_seq)
        self._queue.journal_posted(next_seq, self._clock.boottime_us())
        self._answered()
        self._board.clear("journal")
        log.info("journal.posted", extra={"fields": {"next_seq": next_seq}})

    def offer(self, offer: Offer, fraction: float) -> None:
        """One batch of lines to be offered again. Whatever fails here is reported and rests this alone: it is no reason to
        leave the store, for evidence goes the same way. Raises Stopped."""
        try:
            further = self._poster.offer(offer.gap.journal_id, offer.first, offer.last)
        except Stopped:
            raise
        except UplinkFault as fault:
            self._not_offered(offer, fault, fraction)
        except OSError as error:
            self._not_offered(offer, UplinkFault(DISK, str(error)), fraction)
        except Exception as error:
            log.exception("uplink.internal")
            self._not_offered(offer, UplinkFault(INTERNAL, f"{type(error).__name__}: {error}"), fraction)
        else:
            self.offers.offered(offer, further, self._clock.boottime_us())
            self._board.clear(OFFER_AREA)

    def _not_offered(self, offer: Offer, fault: UplinkFault, fraction: float) -> None:
        lines = f"seq {offer.first}..{offer.last}"
        pause_s, aside = self.offers.failed(offer, self._clock.boottime_us(), fraction, fault.retry_after_s)
        if aside:
            self._board.clear(OFFER_AREA)
            self._board.report(ASIDE_AREA, UplinkFault(LINES_SET_ASIDE, f"{lines}: {fault}"))
        else:
            detail = UplinkFault(fault.kind, f"{lines}: {fault.detail}")
            self._board.report(OFFER_AREA, detail, retry_in_s=round(pause_s, 3))

    def upload(self, segment: Segment, priority: Mapping[str, str]) -> None:
        path = segment_file(self._segments_dir, segment)
        self.active = segment.segment_id
        sent_before, began_us = self._client.body_bytes_sent, self._clock.boottime_us()
        try:
            outcome = self._tus.upload(segment, path, self._between_blocks, priority)
        except UplinkFault as fault:
            if fault.kind is DIGEST_MISMATCH:
                check_digest(segment, path)
            raise
        finally:
            self.active = ""
            seconds = (self._clock.boottime_us() - began_us) / 1e6
            self.goodput.sent(self._client.body_bytes_sent - sent_before, seconds)
        self._queue.uploaded(segment.segment_id)
        self._answered()
        fields = {
            "segment_id": segment.segment_id,
            "outcome": outcome.value,
            "size": segment.size,
            "bytes_sent": self._client.body_bytes_sent - sent_before,
        }
        log.info("segment.sent", extra={"fields": fields})

    def send_statement(self, statement: Statement) -> None:
        receipt = self._carry(self._statement_sender.send(statement, self._between_blocks))
        self._answered()
        if not any(covered.segment_id == statement.statement_id for covered in receipt.statements):
            raise UplinkFault(RECEIPT_INVALID, "不含所问说明 does not cover the statement asked for")
        log.info("statement.stored", extra={"fields": {"statement_id": statement.statement_id}})

    def ask(self, segment: Segment) -> None:
        path = f"/journals/{segment.journal_id}/segments/{segment.segment_id}/receipt"
        answer = self._client.request("GET", path, {})
        if answer.status == 200:
            receipt = self._carry(answer.body.decode("ascii", "replace").strip())
            self._answered()
            if not any(covered.segment_id == segment.segment_id for covered in receipt.segments):
                raise UplinkFault(RECEIPT_INVALID, "不含所问片段 does not cover the segment asked for")
            return
        if answer.status != 404:
            raise fault_of(answer, segment.segment_id)
        self._answered()
        wanted = no_receipt(answer)
        if wanted is NoReceipt.POST_JOURNAL:
            self._queue.journal_position(None)  # it may have fewer lines than we think: look again
        elif wanted is NoReceipt.SEND:
            self._queue.must_upload(segment.segment_id)
        state = members(answer).get("state")
        raise UplinkFault(RECEIPT_PENDING, f"state {state}", subject=segment.segment_id)

    # --- receipts ----------------------------------------------------------------------------------------------------

    def _carry(self, text: str) -> Receipt:
        """Keep a receipt from an answer; only then does the answer count. Raises UplinkFault."""
        try:
            receipt, new = self._receipts.accept(text)
        except OSError as error:
            raise UplinkFault(RECEIPT_NOT_KEPT, str(error)) from error
        self.settle(receipt)
        self._keep_receipt(receipt, new)
        return receipt

    def settle(self, receipt: Receipt) -> None:
        """A receipt that verified is on disk: what it covers is done, if it names the very bytes."""
        for covered in receipt.segments:
            if self._queue.receipted(covered.segment_id, covered.sha256, covered.size):
                self._board.clear(covered.segment_id)
                self.receipted += 1
            else:
                fault = UplinkFault(RECEIPT_INVALID, f"{receipt.receipt_id}: 摘要或大小不符 other digest or size")
                self._board.report(covered.segment_id, fault)
        for stated in receipt.statements:
            if self._statements.receipted(stated.segment_id, stated.sha256, stated.size):
                self._board.clear(stated.segment_id)
            else:
                fault = UplinkFault(RECEIPT_INVALID, f"{receipt.receipt_id}: 摘要或大小不符 other digest or size")
                self._board.report(stated.segment_id, fault)
