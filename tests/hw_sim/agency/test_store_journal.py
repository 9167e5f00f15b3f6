"""docs/wire.md, section Journal, row by row, against the store process over real TLS."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hw_sim.agency.agency import StoreProcess
from hw_sim.agency.authority import Authority
from hw_sim.agency.certificates import file_signer
from hw_sim.agency.store_process import StoreServer
from recorder.evidence import jose
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.records import Event, Receipt
from tests.hw_sim.agency.conftest import NewUnit
from tests.hw_sim.agency.unit_double import UnitDouble, client_context, new_key


def vault(store: StoreServer, unit: UnitDouble) -> Path:
    return store.root / unit.unit_id / unit.journal_id


def stored_lines(store: StoreServer, unit: UnitDouble) -> list[bytes]:
    files = sorted((vault(store, unit) / "journal").glob("*.jws"))
    return b"".join(path.read_bytes() for path in files).splitlines()


def alarms(store: StoreServer, unit: UnitDouble) -> list[str]:
    path = store.root / "alarms.log"
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    return [entry["alarm"] for entry in entries if entry.get("unit_id") == unit.unit_id]


def believed(authority: Authority, text: str) -> Receipt:
    key = load_pem_public_key((authority.trust_dir / "store-key.pem").read_bytes())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    parts = jose.verify(text, key)
    assert parts.typ == "receipt"
    return Receipt.model_validate(parts.payload)


def test_lines_are_stored_and_the_answer_anchors_the_head(
    store: StoreProcess, unit: UnitDouble, authority: Authority
) -> None:
    unit.write_boot()
    unit.write_events(20)
    reply = unit.post(0)
    assert reply.status == 200
    answer = reply.json
    assert (answer["next_seq"], answer["head_seq"]) == (21, 20)
    assert answer["head_digest"] == sha256_b64u(unit.lines[-1])
    receipt = believed(authority, answer["receipt"])
    assert (receipt.unit_id, receipt.journal_id) == (unit.unit_id, unit.journal_id)
    assert (receipt.head_seq, receipt.head_digest) == (20, answer["head_digest"])
    assert receipt.device_kid == unit.signer.kid
    assert receipt.segments == ()
    assert stored_lines(store, unit) == unit.lines
    assert (vault(store, unit) / "receipts" / f"{receipt.jti}.jws").read_text().strip() == answer["receipt"]
    position = unit.request("GET", f"/journals/{unit.journal_id}")
    assert position.status == 200
    assert position.json == {"next_seq": 21, "head_seq": 20, "head_digest": answer["head_digest"]}


def test_repeats_and_overlaps_are_skipped_and_no_second_receipt_is_made(store: StoreProcess, unit: UnitDouble) -> None:
    unit.write_boot()
    unit.write_events(5)
    first = unit.post(0)
    again = unit.post(2)
    assert again.status == 200
    assert again.json == first.json
    unit.write_events(3)
    assert unit.post(4).json["next_seq"] == 9
    assert stored_lines(store, unit) == unit.lines


def test_a_never_seen_journal_is_404_and_a_gap_says_where_to_go_on(unit: UnitDouble) -> None:
    assert unit.request("GET", f"/journals/{unit.journal_id}").status == 404
    unit.write_boot()
    unit.write_events(9)
    gap = unit.post(3)
    assert (gap.status, gap.json["type"], gap.json["next_seq"]) == (409, "urn:zfy:journal-gap", 0)
    assert unit.post(0, 4).json["next_seq"] == 4
    gap = unit.post(7)
    assert gap.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "title_zh", "status", "detail", "next_seq"} <= gap.json.keys()
    assert gap.json["next_seq"] == 4
    assert unit.post(gap.json["next_seq"]).json["next_seq"] == 10


def test_a_fork_is_kept_alarmed_and_gets_no_receipt_while_the_stored_branch_goes_on(
    store: StoreProcess, unit: UnitDouble
) -> None:
    unit.write_boot()
    unit.write_events(6)
    assert unit.post(0).status == 200
    honest = list(unit.lines)
    del unit.lines[4:]
    unit.write(Event(event="another history", at_us=1, detail={}))
    unit.write_events(5)
    receipts = len(list((vault(store, unit) / "receipts").iterdir()))
    fork = unit.post(2)
    assert (fork.status, fork.json["type"], fork.json["seq"]) == (409, "urn:zfy:journal-fork", 4)
    assert "receipt" not in fork.json
    assert unit.post(2).status == 409
    kept = list((vault(store, unit) / "forks").iterdir())
    assert [path.read_bytes() for path in kept] == [unit.body(2)]
    # The unit writes on and posts again and again: one fork, one alarm, one file that grows with it.
    unit.write_events(2)
    assert unit.post(3).status == unit.post(3, 6).status == 409
    other = unit.lines[5][:-6] + b"AAAAAA"
    assert unit.post(4, body=unit.lines[4] + b"\n" + other + b"\n" + unit.body(6) + unit.body(6)).status == 409
    kept = list((vault(store, unit) / "forks").iterdir())
    assert [path.read_bytes() for path in kept] == [unit.body(3)]
    assert alarms(store, unit) == ["journal-fork"]
    assert stored_lines(store, unit) == honest
    assert len(list((vault(store, unit) / "receipts").iterdir())) == receipts
    unit.lines[:] = honest
    unit.write_events(1)
    assert unit.post(7).json["next_seq"] == 8


def test_a_signed_line_on_another_head_is_refused_kept_and_alarmed(store: StoreProcess, unit: UnitDouble) -> None:
    unit.write_boot()
    unit.write_events(3)
    assert unit.post(0).status == 200
    other = unit.line(Event(event="x", at_us=1, detail={}), prev=sha256_b64u(b"elsewhere"))
    reply = unit.post(4, body=other + b"\n")
    assert (reply.status, reply.json["type"], reply.json["seq"]) == (422, "urn:zfy:journal-invalid", 4)
    assert alarms(store, unit) == ["journal-broken"]
    assert stored_lines(store, unit) == unit.lines


def test_nothing_from_an_invalid_line_on_is_stored(store: StoreProcess, unit: UnitDouble) -> None:
    unit.write_boot()
    unit.write_events(8)
    bad = unit.lines[5][:-6] + b"AAAAAA"
    reply = unit.post(0, body=b"".join(line + b"\n" for line in [*unit.lines[:5], bad, *unit.lines[6:]]))
    assert (reply.status, reply.json["seq"]) == (422, 5)
    assert reply.json["reason"]
    assert stored_lines(store, unit) == unit.lines[:5]
    assert unit.post(5).json["next_seq"] == 9


@pytest.mark.parametrize("body", [b"garbage\n", b"\n", b"a.b.c\n", b"\xff\xfe\n", b"." * 2_000_000 + b"\n"])
def test_hostile_lines_are_invalid(unit: UnitDouble, body: bytes) -> None:
    unit.write_boot()
    assert unit.post(0).status == 200
    reply = unit.post(1, body=body)
    assert (reply.status, reply.json["seq"]) == (422, 1)


def test_a_line_without_its_end_is_not_stored(store: StoreProcess, unit: UnitDouble) -> None:
    unit.write_boot()
    unit.write_events(2)
    reply = unit.post(0, body=unit.body(0)[:-1])
    assert (reply.status, reply.json["seq"]) == (422, 2)
    assert stored_lines(store, unit) == unit.lines[:2]


def test_the_first_line_must_bring_a_certificate_of_the_agency_for_this_unit(
    unit: UnitDouble, new_unit: NewUnit
) -> None:
    other = new_unit()
    foreign = file_signer(new_key())
    for signer, boot in (
        (unit.signer, unit.boot(x5c=())),
        (other.signer, unit.boot(x5c=other.signer.x5c)),
        (foreign, unit.boot(x5c=unit.signer.x5c)),
        (unit.signer, unit.boot(unit_id=other.unit_id)),
    ):
        writer = UnitDouble(unit.unit_id, signer, unit.tls, unit.directory, unit.journal_id, unit.rnd, unit.port)
        writer.write(boot)
        reply = writer.post(0)
        assert (reply.status, reply.json["seq"]) == (422, 0), reply


def test_a_journal_cannot_be_signed_with_the_tls_key(unit: UnitDouble) -> None:
    """The uplink holds that key and faces the network: it must not be able to write evidence."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key((unit.directory / "client-key.pem").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    chain = tuple(x509.load_pem_x509_certificates((unit.directory / "client-cert.pem").read_bytes()))
    unit.signer = file_signer(key, chain)
    unit.write_boot()
    reply = unit.post(0)
    assert reply.status == 422
    assert "document signing" in reply.json["reason"]


def test_a_later_boot_may_bring_a_new_key_and_only_a_boot(
    unit: UnitDouble, authority: Authority, tmp_path: Path
) -> None:
    unit.write_boot()
    unit.write_events(1)
    assert unit.post(0).status == 200
    renewed = UnitDouble.enrolled(authority, unit.unit_id, tmp_path / "renewed", unit.port)
    old, unit.signer = unit.signer, renewed.signer
    unit.write_events(1)
    assert unit.post(2).status == 422
    unit.lines.pop()
    unit.write_boot()
    unit.write_events(1)
    assert unit.post(2).json["next_seq"] == 4
    unit.signer = old
    unit.write_events(1)
    assert unit.post(4).status == 422


def test_another_units_journal_does_not_exist(unit: UnitDouble, new_unit: NewUnit) -> None:
    unit.write_boot()
    assert unit.post(0).status == 200
    other = new_unit()
    other.journal_id = unit.journal_id
    other.write_boot()
    assert other.request("GET", f"/journals/{unit.journal_id}").status == 404
    assert other.post(0).status == 404


def test_malformed_requests_are_named(unit: UnitDouble) -> None:
    unit.write_boot()
    jose = {"Content-Type": "application/jose"}
    path = f"/journals/{unit.journal_id}"
    assert unit.request("POST", f"{path}?from=x", jose, b"x\n").status == 400
    assert unit.request("POST", path, jose, b"x\n").status == 400
    assert unit.request("POST", f"{path}?from=0", {"Content-Type": "text/plain"}, b"x\n").status == 415
    assert unit.request("POST", f"{path}?from=0", jose, b"").status == 400
    assert unit.request("POST", "/journals/..%2F..%2Fetc?from=0", jose, b"x\n").status == 404
    assert unit.request("GET", "/nothing").status == 404
    assert unit.request("PUT", path, jose, b"x").status == 405
    assert unit.request("POST", f"{path}?from=0", jose, bytes((4 << 20) + 1)).status == 413


def test_without_a_client_certificate_nothing_is_answered(unit: UnitDouble) -> None:
    naked = client_context(unit.directory, with_certificate=False)
    link = http.client.HTTPSConnection("127.0.0.1", unit.port, context=naked, timeout=10)
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        link.request("GET", f"/journals/{unit.journal_id}")
        link.getresponse()
    link.close()


def test_certificates_that_are_not_for_tls_clients_of_units_are_refused(unit: UnitDouble, authority: Authority) -> None:
    signing = client_context(unit.directory, with_certificate=False)
    signing.load_cert_chain(unit.directory / "device-cert.pem", unit.directory / "device-key.pem")
    link = http.client.HTTPSConnection("127.0.0.1", unit.port, context=signing, timeout=10)
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        link.request("GET", f"/journals/{unit.journal_id}")
        link.getresponse()
    link.close()
    unit.tls = client_context(authority.store_client_dir)
    reply = unit.request("GET", f"/journals/{unit.journal_id}")
    assert (reply.status, reply.json["type"]) == (403, "urn:zfy:forbidden")


def test_a_revoked_unit_is_refused_at_its_next_connection(unit: UnitDouble, authority: Authority) -> None:
    assert unit.request("GET", f"/journals/{unit.journal_id}").status == 404
    assert authority.revoke(unit.unit_id) == 2
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        unit.request("GET", f"/journals/{unit.journal_id}")


# --- lines the unit has lost ------------------------------------------------------------------------------------------


def with_lost_lines(unit: UnitDouble) -> None:
    """Lines 3 to 5 are gone; up to 2 are stored."""
    unit.write_boot()
    unit.write_events(8)
    assert unit.post(0, 3).status == 200


def test_what_comes_after_lost_lines_is_taken_and_the_gap_is_named(
    store: StoreProcess, unit: UnitDouble, authority: Authority
) -> None:
    with_lost_lines(unit)
    path = f"/journals/{unit.journal_id}?from=6&after=3"
    jose_type = {"Content-Type": "application/jose"}
    for _ in range(2):  # the answer may be lost on its way
        reply = unit.request("POST", path, jose_type, unit.body(6, 8))
        assert (reply.status, reply.json["next_seq"]) == (200, 8)
        receipt = believed(authority, reply.json["receipt"])
        assert (receipt.head_seq, receipt.gaps) == (7, ((3, 5),))
    assert unit.post(8).status == 200
    assert alarms(store, unit) == ["journal-gap"]
    files = sorted(entry.name for entry in (vault(store, unit) / "journal").iterdir())
    assert files == [f"{0:012d}.jws", f"{6:012d}.jws"]
    assert stored_lines(store, unit) == unit.lines[:3] + unit.lines[6:]
    store.kill()
    store.start()
    assert unit.request("GET", f"/journals/{unit.journal_id}").json["next_seq"] == unit.next_seq
    unit.write_events(1)
    assert believed(authority, unit.post(unit.next_seq - 1).json["receipt"]).gaps == ((3, 5),)


def test_a_gap_that_is_not_where_the_store_stands_is_none(store: StoreProcess, unit: UnitDouble) -> None:
    with_lost_lines(unit)
    for words in ("from=6", "from=6&after=2", "from=6&after=4", "from=6&after=x"):
        reply = unit.request(
            "POST", f"/journals/{unit.journal_id}?{words}", {"Content-Type": "application/jose"}, unit.body(6)
        )
        assert reply.status == (400 if words.endswith("x") else 409)
    assert stored_lines(store, unit) == unit.lines[:3]
    assert alarms(store, unit) == []


def test_behind_a_gap_everything_but_the_first_link_is_judged(store: StoreProcess, unit: UnitDouble) -> None:
    with_lost_lines(unit)
    path, jose_type = f"/journals/{unit.journal_id}?from=6&after=3", {"Content-Type": "application/jose"}
    forged = unit.lines[6][:-8] + b"AAAAAAAA"
    assert unit.request("POST", path, jose_type, forged + b"\n").status == 422
    assert unit.request("POST", path, jose_type, unit.body(5)).status == 422  # its number is not 6
    assert unit.request("POST", path, jose_type, unit.lines[6] + b"\n" + unit.lines[8] + b"\n").status == 422
    assert stored_lines(store, unit) == [*unit.lines[:3], unit.lines[6]]
    # Lines that turn up after all are kept apart, for people: receipts have said that they are lost.
    late = unit.post(3)
    assert (late.status, late.json["type"]) == (409, "urn:zfy:journal-late")
    assert (late.json["seq"], late.json["next_seq"]) == (3, 7)
    assert alarms(store, unit) == ["journal-gap", "journal-late"], "no word of two histories"
    assert [entry.read_bytes() for entry in (vault(store, unit) / "forks").iterdir()] == [unit.body(3)]


def test_a_journal_whose_beginning_is_lost_begins_with_a_certificate(store: StoreProcess, unit: UnitDouble) -> None:
    unit.write_boot()
    unit.write_events(3)
    path, jose_type = f"/journals/{unit.journal_id}?from=2&after=0", {"Content-Type": "application/jose"}
    assert unit.request("POST", path, jose_type, unit.body(2)).status == 422
    unit.write_boot()
    path = f"/journals/{unit.journal_id}?from=4&after=0"
    assert unit.request("POST", path, jose_type, unit.body(4)).status == 200
    assert alarms(store, unit) == ["journal-gap"]
