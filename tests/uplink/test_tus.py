"""The tus client against a store that misbehaves in one named way at a time."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from recorder.evidence.encoding import b64u
from recorder.uplink.facts import Segment
from recorder.uplink.faults import LinkFault, Stopped, UplinkFault
from recorder.uplink.http import StoreClient
from recorder.uplink.tus import Outcome, TusUploader
from tests.uplink.conftest import QUICK
from tests.uplink.fake_store import FakeStore, problem
from tests.uplink.pki import Pki
from tests.uplink.unit_files import UnitFiles

MB = 1_000_000
HALF_MB = 500_000


class Sender:
    def __init__(self, store: FakeStore, client: StoreClient, unit: UnitFiles) -> None:
        self.store, self.client, self.unit = store, client, unit
        self.progress = 0
        self.tus = TusUploader(client, store.url, self._progressed)

    def _progressed(self) -> None:
        self.progress += 1

    def send(self, segment: Segment) -> Outcome:
        return self.tus.upload(segment, self.unit.path(segment), lambda: None)

    def stored(self, segment: Segment) -> bytes:
        return bytes(self.store.uploads[f"/uploads/{segment.segment_id}"].data)


@pytest.fixture
def sender(store: FakeStore, client: StoreClient, unit: UnitFiles) -> Sender:
    return Sender(store, client, unit)


def fault_code(sender: Sender, segment: Segment) -> str:
    with pytest.raises(UplinkFault) as caught:
        sender.send(segment)
    return caught.value.kind.code


def test_a_segment_arrives_whole_in_one_patch(sender: Sender) -> None:
    segment = sender.unit.segment(3 * MB)
    assert sender.send(segment) is Outcome.COMPLETE
    assert sender.stored(segment) == sender.unit.path(segment).read_bytes()
    assert sender.store.count("PATCH") == 1
    assert sender.client.body_bytes_sent == segment.size


def test_an_upload_already_complete_sends_nothing(sender: Sender) -> None:
    segment = sender.unit.segment(MB)
    sender.send(segment)
    before = sender.client.body_bytes_sent
    assert sender.send(segment) is Outcome.COMPLETE
    assert sender.client.body_bytes_sent == before


@pytest.mark.parametrize("drops", [[MB], [MB, 2 * MB, 700_000]])
def test_a_dropped_connection_costs_at_most_half_a_megabyte(sender: Sender, drops: list[int]) -> None:
    sender.store.drop_after = list(drops)
    segment = sender.unit.segment(8 * MB)
    assert sender.send(segment) is Outcome.COMPLETE
    assert sender.stored(segment) == sender.unit.path(segment).read_bytes()
    waste = sender.client.body_bytes_sent - segment.size
    assert waste <= HALF_MB * len(drops), f"{waste} bytes sent twice"


def test_a_stalled_connection_is_left_and_resumed_at_the_servers_offset(sender: Sender) -> None:
    sender.store.stall_after = [MB]
    segment = sender.unit.segment(12 * MB)
    assert sender.send(segment) is Outcome.COMPLETE
    assert sender.store.count("HEAD") == 1
    assert sender.stored(segment) == sender.unit.path(segment).read_bytes()


def test_a_store_that_lost_bytes_gets_them_again(sender: Sender) -> None:
    sender.store.drop_after, sender.store.lose = [2 * MB], [MB]
    segment = sender.unit.segment(5 * MB)
    assert sender.send(segment) is Outcome.COMPLETE
    assert sender.stored(segment) == sender.unit.path(segment).read_bytes()


def test_without_progress_the_fault_goes_to_the_scheduler(sender: Sender) -> None:
    sender.store.drop_after, sender.store.lose = [2 * MB], [5 * MB]
    segment = sender.unit.segment(5 * MB)
    with pytest.raises(LinkFault) as caught:
        sender.send(segment)
    assert caught.value.kind.code == "connection-lost"
    assert sender.progress == 0


def test_a_wrong_offset_is_corrected_by_409(sender: Sender) -> None:
    sender.store.skew = [1234]
    segment = sender.unit.segment(MB)
    assert sender.send(segment) is Outcome.COMPLETE
    assert sender.stored(segment) == sender.unit.path(segment).read_bytes()


def test_offsets_that_never_settle_are_a_fault(sender: Sender) -> None:
    sender.store.replies = [("PATCH", "/uploads", problem(409, "urn:zfy:offset", offset=7)) for _ in range(9)]
    assert fault_code(sender, sender.unit.segment(MB)) == "offset-conflict"


def test_an_offset_beyond_the_end_is_no_success(sender: Sender) -> None:
    sender.store.skew = [MB + 1]
    assert fault_code(sender, sender.unit.segment(MB)) == "protocol-error"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "unauthorized"),
        (403, "forbidden"),
        (413, "too-large"),
        (423, "upload-locked"),
        (429, "store-busy"),
        (460, "digest-mismatch"),
        (500, "store-error"),
        (503, "store-busy"),
        (507, "store-full"),
        (200, "protocol-error"),
        (302, "protocol-error"),
    ],
)
@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_every_refusal_has_its_own_name_and_is_never_success(
    sender: Sender, status: int, code: str, method: str
) -> None:
    sender.store.replies = [(method, "/uploads", problem(status, "urn:test"))]
    if method == "POST" and status == 200:
        code = "protocol-error"  # no Location: nothing to send to
    assert fault_code(sender, sender.unit.segment(MB)) == code


@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_bytes_the_journal_does_not_name_are_a_fault_of_this_segment_alone(sender: Sender, method: str) -> None:
    """Neither an offset to be corrected nor a broken protocol: the rest of the store's work goes on."""
    sender.store.replies = [(method, "/uploads", problem(409, "urn:zfy:digest-conflict"))]
    with pytest.raises(UplinkFault) as caught:
        sender.send(segment := sender.unit.segment(MB))
    assert (caught.value.kind.code, caught.value.kind.hold) == ("digest-conflict", "segment")
    assert caught.value.subject == segment.segment_id
    assert sender.store.count(method) == 1


@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_another_409_is_no_digest_conflict(sender: Sender, method: str) -> None:
    sender.store.replies = [(method, "/uploads", problem(409, "urn:other"))] * 9
    assert fault_code(sender, sender.unit.segment(MB)) == {"PATCH": "offset-conflict", "POST": "protocol-error"}[method]


def test_retry_after_is_handed_on(sender: Sender) -> None:
    status, headers, body = problem(503, "urn:busy")
    sender.store.replies = [("POST", "/uploads", (status, {**headers, "Retry-After": "17"}, body))]
    with pytest.raises(UplinkFault) as caught:
        sender.send(sender.unit.segment(MB))
    assert caught.value.retry_after_s == 17


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("method", ["PATCH", "HEAD"])
def test_a_forgotten_upload_is_gone_not_recreated(sender: Sender, status: int, method: str) -> None:
    if method == "HEAD":
        sender.store.drop_after = [MB]
    sender.store.replies = [(method, "/uploads", (status, {}, b""))]
    assert sender.send(sender.unit.segment(4 * MB)) is Outcome.GONE
    assert sender.store.count("POST", "/uploads") == 1


def test_an_early_answer_ends_the_sending(sender: Sender) -> None:
    sender.store.early = [(MB, problem(507, "urn:zfy:store-full"))]
    segment = sender.unit.segment(40 * MB)
    assert fault_code(sender, segment) == "store-full"
    assert sender.client.body_bytes_sent < 8 * MB, "the rest of the file went into a closed door"


def test_an_early_204_with_less_goes_on_from_there(sender: Sender) -> None:
    def early_success(store: FakeStore, segment: Segment) -> None:
        store.early = [(MB, (204, {"Upload-Offset": "1000000"}, b""))]
        store.uploads.clear()
        del segment

    segment = sender.unit.segment(6 * MB)
    early_success(sender.store, segment)
    sender.store.on_body = lambda upload: (
        upload.data.__delitem__(slice(MB, None)) if sender.store.count("PATCH") == 1 else None
    )
    assert sender.send(segment) is Outcome.COMPLETE
    assert sender.stored(segment) == sender.unit.path(segment).read_bytes()


def test_a_lost_final_answer_is_no_second_upload(sender: Sender) -> None:
    sender.store.drop_final_answer = 1
    segment = sender.unit.segment(2 * MB)
    assert sender.send(segment) is Outcome.COMPLETE
    assert sender.client.body_bytes_sent == segment.size
    assert sender.store.count("PATCH") == 1


def test_flipped_bytes_on_the_way_are_a_fault_and_start_over(sender: Sender) -> None:
    sender.store.corrupt = 1
    segment = sender.unit.segment(MB)
    assert fault_code(sender, segment) == "digest-mismatch"
    assert sender.send(segment) is Outcome.COMPLETE
    assert b64u(hashlib.sha256(sender.stored(segment)).digest()) == segment.sha256


def checksums(sender: Sender) -> list[str | None]:
    return [request.headers.get("upload-checksum") for request in sender.store.requests if request.method == "PATCH"]


def test_a_creation_says_size_and_digest(sender: Sender) -> None:
    segment = sender.unit.segment(MB)
    sender.send(segment)
    created = next(request for request in sender.store.requests if request.method == "POST")
    assert created.headers["upload-length"] == str(MB)
    assert created.headers["repr-digest"] == f"sha-256=:{digest64(sender.unit.path(segment).read_bytes())}:"


def digest64(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def test_each_patch_says_what_it_holds_the_first_one_without_reading_anything(sender: Sender) -> None:
    sender.store.checksums = True
    sender.store.drop_after = [2 * MB]
    segment = sender.unit.segment(4 * MB)
    data = sender.unit.path(segment).read_bytes()
    assert sender.send(segment) is Outcome.COMPLETE
    offset = int(sender.store.requests[-1].headers["upload-offset"])
    assert checksums(sender) == [f"sha256 {digest64(data)}", f"sha256 {digest64(data[offset:])}"]
    assert sender.stored(segment) == data


def test_on_a_line_that_breaks_early_the_rest_is_not_read_for_its_digest(sender: Sender) -> None:
    sender.store.checksums = True
    sender.store.drop_after = [MB, 5 * MB]
    segment = sender.unit.segment(12 * MB)
    assert sender.send(segment) is Outcome.COMPLETE
    assert [said is not None for said in checksums(sender)] == [True, False, True]


def test_what_was_spoilt_between_line_and_disk_is_sent_again_and_nothing_else(sender: Sender) -> None:
    """460 for a resumed PATCH leaves the offset where it was: only that PATCH goes again."""
    sender.store.checksums = True
    sender.store.drop_after = [6 * MB]
    sender.store.on_body = lambda upload: setattr(sender.store, "corrupt", int(sender.store.count("PATCH") == 2))
    segment = sender.unit.segment(8 * MB)
    assert fault_code(sender, segment) == "digest-mismatch"
    kept = len(sender.stored(segment))
    assert kept >= 6 * MB
    sender.store.on_body = lambda _upload: None
    before = sender.client.body_bytes_sent
    assert sender.send(segment) is Outcome.COMPLETE
    assert sender.client.body_bytes_sent - before == segment.size - kept
    assert sender.stored(segment) == sender.unit.path(segment).read_bytes()


def test_a_store_that_does_not_say_the_offset_at_creation_is_asked(sender: Sender) -> None:
    sender.store.silent_about_offset = True
    sender.store.drop_after, sender.store.lose = [MB], [2 * MB]
    segment = sender.unit.segment(3 * MB)
    with pytest.raises(LinkFault):
        sender.send(segment)
    assert sender.send(segment) is Outcome.COMPLETE
    methods = [request.method for request in sender.store.requests]
    assert methods == ["POST", "HEAD", "PATCH", "HEAD", "HEAD", "PATCH"]
    assert sender.stored(segment) == sender.unit.path(segment).read_bytes()


def test_what_a_link_fault_left_is_looked_for_where_it_was_and_created_again_only_when_gone(sender: Sender) -> None:
    """A store other than ours would make a second upload of a second creation."""
    sender.store.drop_after, sender.store.lose = [MB], [2 * MB]
    segment = sender.unit.segment(3 * MB)
    with pytest.raises(LinkFault):
        sender.send(segment)
    sender.store.replies = [("HEAD", "/uploads", (404, {}, b""))]
    assert sender.send(segment) is Outcome.GONE
    assert sender.store.count("POST") == 1
    assert sender.send(segment) is Outcome.COMPLETE
    assert sender.store.count("POST") == 2
    assert sender.stored(segment) == sender.unit.path(segment).read_bytes()


def test_uploads_may_be_created_elsewhere(store: FakeStore, client: StoreClient, unit: UnitFiles) -> None:
    segment = unit.segment(MB)
    store.replies = [("POST", "/files/", problem(507, "urn:test"))]
    with pytest.raises(UplinkFault) as caught:
        TusUploader(client, store.url, lambda: None, "/files/").upload(segment, unit.path(segment), lambda: None)
    assert caught.value.kind.code == "store-full"


def test_a_file_shorter_than_declared_is_a_fault_not_a_hang(sender: Sender) -> None:
    segment = sender.unit.segment(MB)
    path = sender.unit.path(segment)
    path.write_bytes(path.read_bytes()[:-1])
    assert fault_code(sender, segment) == "segment-size"


def test_a_location_elsewhere_is_not_followed(sender: Sender) -> None:
    headers = {"Location": "https://elsewhere.example/uploads/1", "Upload-Offset": "0"}
    sender.store.replies = [("POST", "/uploads", (201, headers, b""))]
    assert sender.send(sender.unit.segment(MB)) is Outcome.GONE  # asked our own store, which has no such upload
    assert sender.store.requests[-1].path == "/uploads/1"


def test_stop_is_heard_between_blocks(sender: Sender) -> None:
    segment = sender.unit.segment(5 * MB)
    blocks = 0

    def count() -> None:
        nonlocal blocks
        blocks += 1
        if blocks == 3:
            raise Stopped

    with pytest.raises(Stopped):
        sender.tus.upload(segment, sender.unit.path(segment), count)
    assert sender.client.body_bytes_sent == 3 * 65536


def test_our_certificate_refused_has_its_own_name(store: FakeStore, pki: Pki, unit: UnitFiles) -> None:
    client = StoreClient(store.url, pki.rogue_tls, QUICK, SystemClock())
    tus = TusUploader(client, store.url, lambda: None)
    segment = unit.segment(MB)
    with pytest.raises(UplinkFault) as caught:
        tus.upload(segment, unit.path(segment), lambda: None)
    assert caught.value.kind.code == "tls-refused"


def test_an_untrusted_store_gets_nothing(store: FakeStore, pki: Pki, unit: UnitFiles, tmp_path: Path) -> None:
    tls = tmp_path / "tls"
    tls.mkdir()
    for name in ("client-cert.pem", "client-key.pem"):
        (tls / name).write_bytes((pki.tls / name).read_bytes())
    (tls / "ca.pem").write_bytes((pki.rogue_tls / "client-cert.pem").read_bytes())
    client = StoreClient(store.url, tls, QUICK, SystemClock())
    segment = unit.segment(MB)
    with pytest.raises(UplinkFault) as caught:
        TusUploader(client, store.url, lambda: None).upload(segment, unit.path(segment), lambda: None)
    assert caught.value.kind.code == "tls-untrusted"
    assert store.requests == []
