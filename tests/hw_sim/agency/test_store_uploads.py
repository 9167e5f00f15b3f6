"""docs/wire.md, sections Segments and Receipts, row by row, against the store process over real TLS."""

from __future__ import annotations

import base64
import hashlib
import http.client
import stat
import threading
from pathlib import Path

import pytest

from hw_sim.agency.agency import StoreProcess
from hw_sim.agency.authority import Authority
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.records import Recovery
from tests.hw_sim.agency.conftest import NewUnit
from tests.hw_sim.agency.test_store_journal import alarms, believed, vault
from tests.hw_sim.agency.underway import underway
from tests.hw_sim.agency.unit_double import TUS, DoubleSegment, UnitDouble, patch_headers

SIZE = 300_000


def object_file(store: StoreProcess, unit: UnitDouble, segment: DoubleSegment, suffix: str = ".mp4.age") -> Path:
    return vault(store, unit) / "segments" / segment.session_id / f"{segment.segment_id}{suffix}"


def begun(unit: UnitDouble, size: int = SIZE) -> DoubleSegment:
    unit.write_boot()
    return unit.segment(size)


def closed(unit: UnitDouble, size: int = SIZE) -> DoubleSegment:
    """A segment whose journal is stored up to its segment-close."""
    segment = begun(unit, size)
    unit.close(segment)
    assert unit.post(0).status == 200
    return segment


# --- the ordinary ways to a receipt -----------------------------------------------------------------------------------


def test_journal_first_then_bytes(store: StoreProcess, unit: UnitDouble, authority: Authority) -> None:
    segment = closed(unit)
    assert unit.receipt(segment).json["state"] == "unknown"
    created = unit.create(segment)
    assert (created.status, created.offset) == (201, 0)
    assert created.headers["upload-length"] == str(SIZE)
    assert "upload-expires" in created.headers
    assert unit.receipt(segment).json["state"] == "uploading"
    done = unit.patch(created.headers["location"], 0, segment.data)
    assert (done.status, done.offset, done.body) == (204, SIZE, b"")
    reply = unit.receipt(segment)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/jose")
    receipt = believed(authority, reply.body.decode())
    (stored,) = receipt.segments
    assert (stored.segment_id, stored.session_id) == (segment.segment_id, segment.session_id)
    assert (stored.sha256, stored.size) == (segment.sha256, SIZE)
    assert stored.retain_until > stored.stored_at
    assert receipt.head_seq == unit.next_seq - 1
    path = object_file(store, unit, segment)
    assert path == store.root / stored.object
    assert path.read_bytes() == segment.data
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert (vault(store, unit) / "receipts" / f"{receipt.jti}.jws").exists()
    assert list((store.root / "staging").glob(f"{created.headers['location'].rpartition('/')[2]}*")) == []
    sums = (vault(store, unit) / "SHA256SUMS").read_text()
    assert sums == f"{hashlib.sha256(segment.data).hexdigest()}  {path.relative_to(vault(store, unit))}\n"


def test_bytes_first_then_journal(store: StoreProcess, unit: UnitDouble, authority: Authority) -> None:
    segment = begun(unit)
    assert unit.post(0).status == 200
    assert unit.upload(segment).status == 204
    waiting = unit.receipt(segment)
    assert (waiting.status, waiting.json["type"], waiting.json["state"]) == (
        404,
        "urn:zfy:no-receipt",
        "awaiting-journal",
    )
    assert not object_file(store, unit, segment).exists()
    unit.close(segment)
    receipt = believed(authority, unit.post(2).json["receipt"])
    assert [item.segment_id for item in receipt.segments] == [segment.segment_id]
    assert object_file(store, unit, segment).read_bytes() == segment.data
    assert unit.receipt(segment).status == 200


def test_a_recovered_segment_is_received_by_its_recovery_record(store: StoreProcess, unit: UnitDouble) -> None:
    segment = begun(unit)
    unit.write(
        Recovery(
            subject="segment",
            reason="unclean-stop",
            session_id=segment.session_id,
            segment_id=segment.segment_id,
            camera_id="cam0",
            outcome="kept",
            kept_bytes=SIZE,
            sha256=segment.sha256,
        )
    )
    assert unit.post(0).status == 200
    assert unit.upload(segment).status == 204
    assert unit.receipt(segment).status == 200
    assert object_file(store, unit, segment).read_bytes() == segment.data


def test_an_unsealed_segment_is_stored_as_mp4(store: StoreProcess, unit: UnitDouble) -> None:
    unit.write_boot()
    segment = unit.segment(SIZE, sealed=False)
    unit.close(segment)
    assert unit.post(0).status == 200
    assert unit.upload(segment).status == 204
    assert object_file(store, unit, segment, ".mp4").exists()


# --- creation ---------------------------------------------------------------------------------------------------------


def test_creation_is_idempotent_and_tells_the_durable_offset(unit: UnitDouble) -> None:
    segment = closed(unit)
    first = unit.create(segment)
    location = first.headers["location"]
    assert unit.patch(location, 0, segment.data[:100_000]).offset == 100_000
    again = unit.create(segment)
    assert (again.status, again.headers["location"], again.offset) == (201, location, 100_000)
    assert unit.patch(location, 100_000, segment.data[100_000:]).status == 204
    after = unit.create(segment)
    assert (after.status, after.headers["location"], after.offset) == (201, location, SIZE)
    assert (unit.head(location).status, unit.head(location).offset) == (200, SIZE)
    assert unit.patch(location, SIZE, b"").offset == SIZE


@pytest.mark.parametrize(
    "changes",
    [
        {"segment_id": "../../../etc/passwd"},
        {"session_id": "A" * 36},
        {"journal_id": ""},
        {"sha256": "00"},
    ],
)
def test_malformed_metadata_is_named(unit: UnitDouble, changes: dict[str, str]) -> None:
    reply = unit.create(begun(unit), changes=changes)
    assert reply.status == 400
    assert next(iter(changes)) in reply.json["detail"]


def test_lengths_versions_and_types_are_checked(unit: UnitDouble) -> None:
    segment = begun(unit)
    assert unit.create(segment, size=0).status == 400
    assert unit.create(segment, size=1 << 45).status == 413
    assert unit.create(segment, size=16_000 * 10**6).status in (201, 507)
    assert unit.request("POST", "/uploads", {"Upload-Length": "1"}).status == 412
    location = unit.create(unit.segment(10)).headers["location"]
    assert unit.request("HEAD", location).status == 412
    assert unit.patch(location, 0, b"x", **{"Content-Type": "text/plain"}).status == 415
    assert unit.request("PATCH", location, {**patch_headers(0), "Upload-Offset": "-1"}, b"x").status == 400
    unit.create(segment)
    assert unit.create(segment, size=SIZE + 1).status == 400


# --- offsets ----------------------------------------------------------------------------------------------------------


def test_a_wrong_offset_is_answered_with_the_right_one(unit: UnitDouble) -> None:
    segment = closed(unit)
    location = unit.create(segment).headers["location"]
    assert unit.patch(location, 0, segment.data[:5000]).offset == 5000
    for wrong in (0, 4999, 5001):
        reply = unit.patch(location, wrong, segment.data[wrong:])
        assert (reply.status, reply.json["offset"]) == (409, 5000)
    assert unit.head(location).offset == 5000


def test_more_than_declared_is_413_and_changes_nothing(unit: UnitDouble) -> None:
    segment = closed(unit)
    location = unit.create(segment).headers["location"]
    assert unit.patch(location, 0, segment.data + b"x").status == 413
    assert unit.head(location).offset == 0
    assert unit.upload(segment).status == 204


def test_an_early_refusal_reaches_a_client_that_is_still_sending(unit: UnitDouble) -> None:
    segment = closed(unit, 2_000_000)
    location = unit.create(segment).headers["location"]
    reply = unit.patch(location, 17, segment.data[17:])
    assert (reply.status, reply.headers["connection"]) == (409, "close")


def test_partial_data_of_a_dropped_connection_is_kept(store: StoreProcess, unit: UnitDouble) -> None:
    segment = closed(unit)
    location = unit.create(segment).headers["location"]
    dropped = unit.start_patch(location, 0, SIZE, segment.data[:200_000])
    underway(store.root, location)
    dropped.close()
    offset = unit.head(location).offset
    assert 0 < offset <= 200_000
    assert unit.patch(location, offset, segment.data[offset:]).status == 204
    assert object_file(store, unit, segment).read_bytes() == segment.data


def test_a_request_throws_off_a_half_dead_connection_of_the_same_upload(store: StoreProcess, unit: UnitDouble) -> None:
    segment = closed(unit)
    location = unit.create(segment).headers["location"]
    stale = unit.start_patch(location, 0, SIZE, segment.data[:100_000])
    underway(store.root, location)
    # Sent in records of 16 KiB, so what HEAD finds is what had arrived.
    offset = unit.head(location).offset
    reply = unit.patch(location, offset, segment.data[offset:])
    assert reply.status == 204
    assert unit.receipt(segment).status == 200
    with pytest.raises((OSError, http.client.HTTPException)):
        stale.send(segment.data[100_000:])
        stale.getresponse()
    stale.close()


def test_two_patches_of_one_upload_at_once_leave_the_right_bytes(store: StoreProcess, unit: UnitDouble) -> None:
    """The later one wins; whatever the earlier one wrote is a prefix."""
    segment = closed(unit, 3_000_000)
    location = unit.create(segment).headers["location"]

    def push() -> None:
        for _ in range(30):
            try:
                offset = unit.head(location).offset
                if offset == len(segment.data) or unit.patch(location, offset, segment.data[offset:]).status == 204:
                    return
            except (OSError, http.client.HTTPException):
                continue  # thrown off by the other one

    threads = [threading.Thread(target=push) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert unit.upload(segment).offset == len(segment.data)
    assert object_file(store, unit, segment).read_bytes() == segment.data


# --- refusals of content ----------------------------------------------------------------------------------------------


def test_bytes_with_another_digest_are_460_kept_apart_and_start_over(store: StoreProcess, unit: UnitDouble) -> None:
    segment = closed(unit)
    location = unit.create(segment).headers["location"]
    flipped = bytearray(segment.data)
    flipped[SIZE // 2] ^= 1
    reply = unit.patch(location, 0, bytes(flipped))
    assert (reply.status, reply.json["type"]) == (460, "urn:zfy:digest-mismatch")
    assert unit.receipt(segment).status == 404
    assert unit.head(location).offset == 0
    assert "digest-mismatch" in alarms(store, unit)
    rejected = list((store.root / "staging" / "rejected").glob(f"{location.rpartition('/')[2]}.*"))
    assert [path.read_bytes() for path in rejected] == [bytes(flipped)]
    assert unit.upload(segment).status == 204
    assert unit.receipt(segment).status == 200
    assert object_file(store, unit, segment).read_bytes() == segment.data


def test_bytes_the_journal_contradicts_are_kept_alarmed_and_get_no_receipt(
    store: StoreProcess, unit: UnitDouble
) -> None:
    segment = begun(unit)
    unit.close(segment, sha256=sha256_b64u(b"what the unit signed"))
    assert unit.post(0).status == 200
    reply = unit.upload(segment)
    assert (reply.status, reply.json["type"]) == (409, "urn:zfy:digest-conflict")
    assert unit.receipt(segment).status == 404
    kept = vault(store, unit) / "conflicts" / f"{segment.segment_id}.{segment.sha256}"
    assert kept.read_bytes() == segment.data
    assert alarms(store, unit) == ["digest-conflict"]
    assert unit.create(segment).status == 409


def test_a_conflict_found_by_the_journal_does_not_stop_the_journal(store: StoreProcess, unit: UnitDouble) -> None:
    segment = begun(unit)
    assert unit.upload(segment).status == 204
    unit.close(segment, size=SIZE + 1)
    unit.write_events(2)
    answer = unit.post(0)
    assert answer.status == 200
    assert answer.json["next_seq"] == unit.next_seq
    assert alarms(store, unit) == ["digest-conflict"]
    assert unit.receipt(segment).status == 404


def test_other_bytes_after_the_receipt_are_kept_apart_too(store: StoreProcess, unit: UnitDouble) -> None:
    segment = closed(unit)
    assert unit.upload(segment).status == 204
    other = DoubleSegment(segment.session_id, segment.segment_id, b"another story")
    assert unit.upload(other).status == 409
    assert object_file(store, unit, segment).read_bytes() == segment.data
    assert (vault(store, unit) / "conflicts" / f"{segment.segment_id}.{other.sha256}").exists()


def test_another_units_upload_and_receipt_do_not_exist(unit: UnitDouble, new_unit: NewUnit) -> None:
    segment = closed(unit)
    location = unit.create(segment).headers["location"]
    other = new_unit()
    other.journal_id = unit.journal_id
    assert other.head(location).status == 404
    assert other.patch(location, 0, segment.data).status == 404
    assert other.request("DELETE", location, TUS).status == 404
    assert unit.head(location).offset == 0
    assert unit.upload(segment).status == 204
    assert other.receipt(segment).status == 404
    assert other.receipt(segment).json["state"] == "unknown"
    assert other.create(segment).headers["location"] != location


def test_termination_gives_up_a_partial_upload_and_never_a_complete_one(unit: UnitDouble) -> None:
    segment = closed(unit)
    location = unit.create(segment).headers["location"]
    assert unit.patch(location, 0, segment.data[:1000]).status == 204
    assert unit.request("DELETE", location, TUS).status == 204
    assert unit.head(location).status == 404
    assert unit.upload(segment).status == 204
    assert unit.request("DELETE", location, TUS).status == 409
    assert unit.receipt(segment).status == 200


def test_a_request_on_a_kept_alive_connection_follows_an_error(unit: UnitDouble) -> None:
    segment = closed(unit)
    link = unit.connect()
    assert unit.request("GET", "/nothing", connection=link).status == 404
    assert unit.request("HEAD", "/uploads/" + "0" * 40, TUS, connection=link).status == 404
    assert unit.request("POST", "/uploads", TUS, b"small body", connection=link).status == 400
    location = unit.create(segment).headers["location"]
    first = unit.request("PATCH", location, patch_headers(0), segment.data[:9], connection=link)
    assert first.offset == 9
    link.close()


def test_a_receipt_is_found_by_the_digest_of_its_bytes(unit: UnitDouble, new_unit: NewUnit) -> None:
    segment = begun(unit)
    path = f"/segments/{segment.sha256}/receipt"
    assert unit.request("GET", path).json["state"] == "unknown"
    assert unit.upload(segment).status == 204
    assert unit.request("GET", path).json["state"] == "awaiting-journal"
    unit.close(segment)
    assert unit.post(0).status == 200
    assert unit.request("GET", path).body == unit.receipt(segment).body
    assert new_unit().request("GET", path).json["state"] == "unknown"
    assert unit.request("PUT", path).status == 405


def test_a_digest_said_twice_must_be_the_same(unit: UnitDouble) -> None:
    """``Repr-Digest`` at the creation (RFC 9530) against ``sha256`` of the metadata; without it that alone counts."""
    segment = begun(unit)
    said = base64.b64encode(hashlib.sha256(segment.data).digest()).decode()
    other = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    for value, status in ((f"sha-256=:{other}:", 400), ("sha-256=nonsense", 400), (f"sha-256=:{said}:", 201)):
        reply = unit.request("POST", "/uploads", {**creation(unit, segment), "Repr-Digest": value})
        assert reply.status == status, value
    assert unit.request("POST", "/uploads", creation(unit, segment)).status == 201


def creation(unit: UnitDouble, segment: DoubleSegment) -> dict[str, str]:
    members = {
        "journal_id": unit.journal_id,
        "session_id": segment.session_id,
        "segment_id": segment.segment_id,
        "sha256": segment.sha256,
    }
    metadata = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in members.items())
    return {**TUS, "Upload-Length": str(len(segment.data)), "Upload-Metadata": metadata}


@pytest.mark.parametrize("target", ["http://[", "http://[::1/uploads"])
def test_a_target_that_is_no_address_is_400(unit: UnitDouble, target: str) -> None:
    link = unit.connect()
    link.connect()
    link.sock.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert link.sock.recv(1000).startswith(b"HTTP/1.1 400 ")
    link.close()
