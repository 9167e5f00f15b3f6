"""The uploader thread against the scripted store: what a segment goes through until its receipt is on disk."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.ports import Clock
from recorder.evidence.files import OsFiles
from recorder.uplink.facts import LinesWanted, Marked
from recorder.uplink.fault_board import FaultBoard
from recorder.uplink.http import StoreClient
from recorder.uplink.line_offers import TRIES
from recorder.uplink.link_watch import Way
from recorder.uplink.links import Link
from recorder.uplink.precedence import STATUTORY_S
from recorder.uplink.receipts import ReceiptStore
from recorder.uplink.settings import UplinkSettings
from recorder.uplink.uploader import Hurry, Uploader, store_client
from tests.uplink.fake_store import FakeStore, Upload, problem
from tests.uplink.pki import Pki
from tests.uplink.running import Running, Watch
from tests.uplink.unit_files import UnitFiles

MB = 1_000_000


@pytest.fixture
def running(store: FakeStore, settings: UplinkSettings, clock: Clock, unit: UnitFiles) -> Iterator[Running]:
    made = Running(store, dataclasses.replace(settings, store_url=store.url), clock, unit)
    made.uploader.start()
    yield made
    store.released.set()
    assert made.uploader.close(5)


def test_a_segment_is_done_when_its_receipt_is_on_disk(running: Running) -> None:
    segment = running.unit.segment(2 * MB)
    running.give(segment)
    running.until(running.done(segment))
    assert (
        bytes(running.store.uploads[f"/uploads/{segment.segment_id}"].data) == running.unit.path(segment).read_bytes()
    )
    found, faults = running.receipt_files.stored()
    assert faults == []
    assert segment.segment_id in {covered.segment_id for receipt in found for covered in receipt.segments}
    running.until(lambda: running.uploader.status["backlog"]["segments"] == 0)
    assert running.uploader.status["online"]
    assert running.uploader.status["posted_seq"] == running.unit.seq - 1


def test_marked_evidence_overtakes(store: FakeStore, settings: UplinkSettings, clock: Clock, unit: UnitFiles) -> None:
    running = Running(store, dataclasses.replace(settings, store_url=store.url), clock, unit)
    order: list[str] = []
    store.on_body = lambda upload: order.append(upload.metadata["segment_id"])
    plain, marked = unit.segment(MB), unit.segment(MB)
    running.give(plain, marked, Marked(marked.session_id, (marked.segment_id,)))
    running.uploader.start()
    running.until(running.done(plain, marked))
    assert list(dict.fromkeys(order)) == [marked.segment_id, plain.segment_id]
    assert running.uploader.close(5)


@pytest.mark.parametrize("status", [401, 403, 413, 423, 460, 500, 503, 507])
def test_after_any_refusal_it_tries_again_and_arrives(running: Running, status: int) -> None:
    running.store.replies = [("PATCH", "/uploads", problem(status, "urn:test"))] * 2
    segment = running.unit.segment(MB)
    running.give(segment)
    running.until(running.done(segment))
    assert running.store.count("PATCH") >= 3


@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_a_digest_conflict_holds_its_segment_and_no_other(running: Running, method: str) -> None:
    """Reported by its name; what was recorded after it goes up, and it is asked for again at its back-off."""
    running.store.replies = [(method, "/uploads", problem(409, "urn:zfy:digest-conflict"))]
    first, second = running.unit.segment(MB), running.unit.segment(MB)
    running.give(first, second)
    running.until(running.done(second))
    assert "digest-conflict" in running.codes()
    assert "protocol-error" not in running.codes()
    running.until(running.done(first))


def test_a_forged_receipt_is_reported_and_not_kept(running: Running, pki: Pki) -> None:
    segment = running.unit.segment(MB)
    running.store.signer = pki.other_signer
    running.give(segment)
    running.until(lambda: "receipt-invalid" in running.codes())
    assert list(running.receipts_dir.glob("*")) == []
    assert running.uploader.status["posted_seq"] == -1, "200 without a receipt that verifies is no success"
    running.store.signer = pki.store_signer
    running.until(running.done(segment))


def test_a_receipt_naming_other_bytes_does_not_end_the_upload(running: Running) -> None:
    segment = running.unit.segment(MB)
    good = running.store.receipt
    lies = [{"segment_id": segment.segment_id, "sha256": "x" * 43, "size": segment.size}]
    running.store.receipt = lambda journal_id, uploads, **changes: good(journal_id, uploads, **changes, segments=lies)  # type: ignore[method-assign]  # the store lies
    running.give(segment)
    running.until(lambda: "receipt-invalid" in running.codes())
    assert running.uploader.status["backlog"]["segments"] == 1
    running.store.receipt = good  # type: ignore[method-assign]  # and stops lying
    running.until(lambda: running.uploader.status["backlog"]["segments"] == 0)


def test_a_store_that_forgot_the_upload_is_asked_for_the_receipt_first(running: Running) -> None:
    running.store.replies = [("PATCH", "/uploads", (404, {}, b""))]
    segment = running.unit.segment(MB)
    running.give(segment)
    running.until(running.done(segment))
    methods = [(r.method, r.path.rpartition("/")[2]) for r in running.store.requests]
    asked = methods.index(("GET", "receipt"))
    assert ("POST", "uploads") in methods[:asked]
    assert ("POST", "uploads") in methods[asked:], "created again only after asking"


def test_what_only_waits_for_the_object_store_is_asked_for_and_not_sent_again(running: Running) -> None:
    running.store.objects_away = True
    segment = running.unit.segment(MB)
    receipt = f"/journals/{segment.journal_id}/segments/{segment.segment_id}/receipt"
    running.give(segment)
    running.until(lambda: running.store.count("GET", receipt) >= 3)
    assert "receipt-pending" in running.codes()
    assert running.uploader.status["backlog"]["segments"] == 1, "nothing is done without its receipt"
    running.store.objects_away = False
    running.until(running.done(segment))
    assert (running.store.count("POST", "/uploads"), running.store.count("PATCH")) == (1, 1)
    assert running.uploader.status["bytes_sent"] == segment.size
    running.until(lambda: running.board.active() == [])


def test_the_journal_keeps_its_rhythm_during_a_long_upload(running: Running) -> None:
    posted: list[int] = []

    def body(_upload: object) -> None:
        if not posted:
            running.unit.record("event", event="meanwhile")
            running.give()
        posted.append(running.store.count("POST", "/journals"))
        threading.Event().wait(0.02)

    running.store.on_body = body
    segment = running.unit.segment(3 * MB)
    running.give(segment)
    running.until(running.done(segment), 30)
    assert posted[-1] > posted[0], "an anchor went up between two blocks"
    assert running.store.count("PATCH") == 1


DOCK, LTE = Way("eth0", Link.DOCK), Way("wwan0", Link.METERED)


def made(store: FakeStore, settings: UplinkSettings, clock: Clock, unit: UnitFiles, watch: Watch) -> Running:
    return Running(store, dataclasses.replace(settings, store_url=store.url), clock, unit, watch)


def test_over_a_metered_line_go_anchors_and_marked_evidence_and_the_rest_at_the_dock(
    store: FakeStore, settings: UplinkSettings, clock: Clock, unit: UnitFiles
) -> None:
    unit.wall = clock.wall_us() / 1e6
    watch = Watch(LTE, DOCK)
    running = made(store, dataclasses.replace(settings, metered="marked"), clock, unit, watch)
    plain, marked = unit.segment(MB), unit.segment(MB)
    running.give(plain, marked, Marked(marked.session_id, (marked.segment_id,)))
    running.uploader.start()
    running.until(running.done(marked))
    running.until(lambda: running.uploader.status["posted_seq"] == unit.seq - 1)
    assert running.uploader.status["link"] == {"interface": "wwan0", "class": "metered", "held": 1}
    assert [upload.metadata["segment_id"] for upload in store.uploads.values()] == [marked.segment_id]
    watch.turn = True
    running.until(running.done(plain))
    assert running.uploader.status["link"]["class"] == "dock"
    assert running.uploader.close(5)


def test_little_slack_outweighs_the_bill(
    store: FakeStore, settings: UplinkSettings, clock: Clock, unit: UnitFiles
) -> None:
    unit.wall = clock.wall_us() / 1e6 - 20 * 3600  # closed 20 hours ago: 4 are left
    running = made(store, dataclasses.replace(settings, metered="anchors"), clock, unit, Watch(LTE))
    urgent = unit.segment(MB)
    running.give(urgent)
    running.uploader.start()
    running.until(running.done(urgent))
    assert running.uploader.close(5)


def test_an_upload_moves_to_the_new_line_and_goes_on_where_it_was(
    store: FakeStore, settings: UplinkSettings, clock: Clock, unit: UnitFiles
) -> None:
    watch = Watch(LTE, DOCK)
    running = made(store, settings, clock, unit, watch)
    segment = unit.segment(6 * MB)

    def body(upload: Upload) -> None:
        watch.turn = upload.received >= 2 * MB and store.count("PATCH") == 1
        threading.Event().wait(0.005)  # so that the unit is still sending when it looks

    store.on_body = body
    running.give(segment)
    running.uploader.start()
    running.until(running.done(segment))
    assert store.count("PATCH") == 2
    assert running.uploader.status["bytes_sent"] - segment.size <= 500_000
    assert running.board.recent() == [], "a better line is no fault"
    assert running.uploader.close(5)


@pytest.mark.parametrize(("way", "capped"), [(LTE, True), (DOCK, False)])
def test_the_cap_holds_everywhere_but_at_the_dock(
    store: FakeStore, settings: UplinkSettings, clock: Clock, unit: UnitFiles, way: Way, capped: bool
) -> None:
    """What may go in a time is arithmetic of the bucket (test_pacing); here, that bytes are counted and waited for."""
    unit.wall = clock.wall_us() / 1e6
    running = made(store, dataclasses.replace(settings, max_kb_s=1000), clock, unit, Watch(way))
    segment = unit.segment(1_500_000)
    began_us = clock.boottime_us()
    running.give(segment)
    running.uploader.start()
    running.until(running.done(segment))
    least_s = (segment.size - 2 * 65536) / 1_000_000
    if capped:
        assert clock.boottime_us() - began_us >= least_s * 1e6
    assert running.uploader.close(5)


def test_the_cap_gives_way_while_something_presses(
    store: FakeStore, settings: UplinkSettings, clock: Clock, unit: UnitFiles
) -> None:
    """At this cap a megabyte takes a quarter of an hour, longer than the test waits."""
    unit.wall = clock.wall_us() / 1e6 - STATUTORY_S + 600
    running = made(store, dataclasses.replace(settings, max_kb_s=1), clock, unit, Watch(LTE))
    segment = unit.segment(MB)
    running.give(segment)
    running.uploader.start()
    running.until(running.done(segment))
    assert running.uploader.close(5)


def test_a_stop_does_not_wait_for_the_cap(
    store: FakeStore, settings: UplinkSettings, clock: Clock, unit: UnitFiles
) -> None:
    unit.wall = clock.wall_us() / 1e6
    running = made(store, dataclasses.replace(settings, max_kb_s=1), clock, unit, Watch(LTE))
    running.give(unit.segment(MB))
    running.uploader.start()
    running.until(lambda: store.count("PATCH") == 1)
    assert running.uploader.close(20), "it was waiting a minute for its next block"


def test_only_the_segments_packets_are_marked_as_bulk(
    store: FakeStore, settings: UplinkSettings, clock: Clock, unit: UnitFiles
) -> None:
    marks: list[int] = []

    def client(settings: UplinkSettings, clock: Clock, dscp: int) -> StoreClient:
        marks.append(dscp)
        return store_client(settings, clock, dscp)

    board = FaultBoard(clock)
    receipts = ReceiptStore(settings.receipts_dir, Path(settings.trust_dir), settings.unit_id, OsFiles())
    Uploader(settings, clock, receipts, board, lambda: 0.1, lambda *_: None, client)
    assert marks == [8, 0]


@pytest.mark.parametrize("answer", [500, 404, 422])
def test_an_offer_of_lines_that_always_fails_holds_up_nothing(running: Running, answer: int) -> None:
    """It is set aside in the end; the journal and the segments go as if it were not there."""
    unit, store = running.unit, running.store
    while unit.seq < 30:  # no post of the journal begins with the digit of the offer
        unit.record("event", event="more")
    running.give()
    running.until(lambda: running.uploader.status["posted_seq"] == unit.seq - 1)
    offers = f"/journals/{unit.journal_id}?from=1"
    store.replies = [("POST", offers, problem(answer, "urn:test"))] * 1000
    for _ in range(2):
        segment = unit.segment(MB)
        running.give(LinesWanted(unit.journal_id, 1, 2), segment)
        running.until(running.done(segment))
        running.until(lambda: "lines-set-aside" in running.codes())
        running.until(lambda: running.uploader.status["posted_seq"] == unit.seq - 1)
    assert store.count("POST", offers) == TRIES, "not offered once more by this process"
    assert running.uploader.status["online"]
    (fault,) = running.board.active()
    assert (fault["area"], fault["code"]) == ("journal-offer-set-aside", "lines-set-aside")
    assert "seq 1..2: " in fault["detail"]


def test_lines_to_offer_that_the_disk_does_not_give_hold_up_nothing(
    store: FakeStore, settings: UplinkSettings, clock: Clock, unit: UnitFiles
) -> None:
    patient = dataclasses.replace(settings, store_url=store.url, backoff_base_s=1.0, backoff_max_s=60.0)
    running = Running(store, patient, clock, unit)
    running.uploader.start()
    unit.record("event", event="wanted")
    file, lines = unit.file, unit.file.read_bytes()
    unit.rotate()
    running.give()
    running.until(lambda: running.uploader.status["posted_seq"] == unit.seq - 1)
    file.unlink()
    file.mkdir()  # the kernel's own refusal to read it
    segment = unit.segment(MB)
    running.give(LinesWanted(unit.journal_id, 1, 1), segment)
    running.until(running.done(segment))
    running.until(lambda: ("journal-offer", "disk") in {(e["area"], e["code"]) for e in running.board.active()})
    file.rmdir()
    file.write_bytes(lines)
    running.until(lambda: running.store.count("POST", f"/journals/{unit.journal_id}?from=1") == 1)
    running.until(lambda: running.board.active() == [])
    assert running.uploader.close(5)


def test_a_file_that_is_gone_holds_up_nothing_else(running: Running) -> None:
    gone, there = running.unit.segment(MB), running.unit.segment(MB)
    running.unit.path(gone).unlink()
    running.give(gone, there)
    running.until(running.done(there))
    assert "segment-missing" in running.codes()


def test_a_file_the_card_changed_is_named_as_such(running: Running) -> None:
    segment = running.unit.segment(MB)
    path = running.unit.path(segment)
    data = bytearray(path.read_bytes())
    data[77] ^= 1
    path.write_bytes(data)
    running.give(segment)
    running.until(lambda: "segment-altered" in running.codes())
    assert not running.done(segment)()


def test_a_store_that_is_away_is_found_again(pki: Pki, settings: UplinkSettings, clock: Clock, unit: UnitFiles) -> None:
    with FakeStore(pki) as first:
        port = first.port
    running = Running(first, dataclasses.replace(settings, store_url=f"https://127.0.0.1:{port}"), clock, unit)
    segment = unit.segment(MB)
    running.uploader.start()
    running.give(segment)
    running.until(lambda: "store-unreachable" in running.codes())
    assert not running.uploader.status["online"]
    with FakeStore(pki, port) as second:
        running.uploader.inbox.put(Hurry())
        running.until(running.done(segment))
        assert second.count("PATCH") == 1
        assert running.uploader.close(5)


def test_closing_interrupts_a_request_that_hangs(
    store: FakeStore, settings: UplinkSettings, clock: Clock, unit: UnitFiles
) -> None:
    slow = dataclasses.replace(settings, store_url=store.url, io_timeout_s=60.0)
    running = Running(store, slow, clock, unit)
    store.stall_after = [MB]
    segment = unit.segment(20 * MB)
    running.uploader.start()
    running.give(segment)
    running.until(lambda: running.uploader.status["bytes_sent"] > 0 or bool(store.uploads))
    running.until(lambda: any(upload.received >= MB for upload in store.uploads.values()))
    before = clock.boottime_us()
    assert running.uploader.close(5)
    assert clock.boottime_us() - before < 3_000_000
