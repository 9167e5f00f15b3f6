"""tus checksum: what a body must be before the offset moves (docs/wire.md, Segments)."""

from __future__ import annotations

import base64
import hashlib
import os

import pytest

from hw_sim.agency.agency import StoreProcess
from hw_sim.agency.store.durable import SYNC_BYTES
from hw_sim.agency.store.problem import Problem
from hw_sim.agency.store.upload_routes import checksum
from tests.hw_sim.agency.test_segments import UNIT, Desks, claim, reader
from tests.hw_sim.agency.test_segments import desks as desks  # the fixture
from tests.hw_sim.agency.test_store_uploads import SIZE, closed, object_file
from tests.hw_sim.agency.unit_double import UnitDouble, patch_headers


def header(data: bytes) -> dict[str, str]:
    return {"Upload-Checksum": f"sha256 {base64.b64encode(hashlib.sha256(data).digest()).decode()}"}


def test_options_announce_what_is_offered(unit: UnitDouble) -> None:
    for path in ("/uploads", "/uploads/" + "0" * 40):
        reply = unit.request("OPTIONS", path)
        assert reply.status == 204
        assert reply.headers["tus-resumable"] == reply.headers["tus-version"] == "1.0.0"
        assert reply.headers["tus-extension"].split(",") == ["creation", "checksum", "expiration", "termination"]
        assert reply.headers["tus-checksum-algorithm"] == "sha256"
        assert int(reply.headers["tus-max-size"]) == 16_000 * 10**6
    assert unit.request("OPTIONS", "/journals").status == 404


def test_a_body_with_its_checksum_is_taken_and_one_without_is_460_at_the_old_offset(
    store: StoreProcess, unit: UnitDouble
) -> None:
    segment = closed(unit)
    location = unit.create(segment).headers["location"]
    first, rest = segment.data[:100_000], segment.data[100_000:]
    assert unit.patch(location, 0, first, **header(first)).offset == 100_000
    flipped = bytearray(rest)
    flipped[7] ^= 1
    reply = unit.patch(location, 100_000, bytes(flipped), **header(rest))
    assert (reply.status, reply.json["type"]) == (460, "urn:zfy:checksum-mismatch")
    assert reply.json["offset"] == reply.offset == 100_000
    assert unit.head(location).offset == 100_000
    assert unit.patch(location, 100_000, rest, **header(rest)).offset == SIZE
    assert object_file(store, unit, segment).read_bytes() == segment.data


def test_a_body_that_ends_early_cannot_be_judged_and_is_kept(unit: UnitDouble) -> None:
    segment = closed(unit)
    location = unit.create(segment).headers["location"]
    link = unit.connect()
    link.putrequest("PATCH", location)
    for name, value in {**patch_headers(0), **header(segment.data), "Content-Length": str(SIZE)}.items():
        link.putheader(name, value)
    link.endheaders()
    link.send(segment.data[:200_000])
    link.close()
    offset = unit.head(location).offset
    assert 0 < offset <= 200_000
    rest = segment.data[offset:]
    assert unit.patch(location, offset, rest, **header(rest)).status == 204
    assert unit.receipt(segment).status == 200


@pytest.mark.parametrize("text", ["sha1 AAAA", "sha256", "sha256 !", "sha256 AAAA", ""])
def test_what_is_no_checksum_is_400_before_a_byte_is_taken(unit: UnitDouble, text: str) -> None:
    with pytest.raises(Problem) as caught:
        checksum(text)
    assert caught.value.kind.status == 400
    location = unit.create(closed(unit)).headers["location"]
    assert unit.patch(location, 0, b"x", **{"Upload-Checksum": text}).status == 400
    assert unit.head(location).offset == 0


def test_a_refused_body_longer_than_a_sync_is_taken_back_whole(desks: Desks) -> None:
    """Its first 8 MiB were synced and registered on the way."""
    data = os.urandom(SYNC_BYTES + 3_000_000)
    upload_id = desks.segments.create(UNIT, claim(data), None).upload_id
    assert desks.segments.patch(UNIT, upload_id, 0, 1000, reader(data[:1000]), None) is not None
    with pytest.raises(Problem) as caught:
        desks.segments.patch(UNIT, upload_id, 1000, len(data) - 1000, reader(data[1000:]), None, bytes(32))
    assert caught.value.kind.status == 460
    assert desks.staging.part(upload_id).stat().st_size == 1000
    for boot in ("boot-1", "boot-2"):  # the register says the same, should the machine go down now
        desks.clock.boot = boot
        desks.restart()
        assert desks.segments.head(UNIT, upload_id, None).offset == 1000
