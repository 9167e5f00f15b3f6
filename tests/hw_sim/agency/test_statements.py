"""Documents of written statements at the store: docs/wire.md, section Statements, row by row."""

from __future__ import annotations

import base64
import hashlib
import os
import sqlite3
import stat
from pathlib import Path

import pytest

from hw_sim.agency.agency import StoreProcess
from hw_sim.agency.authority import Authority
from hw_sim.agency.store.problem import Problem
from hw_sim.agency.store.statement_shelf import MOST_WAITING
from hw_sim.agency.store.statements import MAX_BODY, repr_digest
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.records import Signer, Statement
from recorder.evidence.trust import load_trust
from recorder.evidence.verify.vault import Vault, verify_vault
from tests.hw_sim.agency.conftest import NewUnit
from tests.hw_sim.agency.test_store_journal import alarms, believed, vault
from tests.hw_sim.agency.test_store_uploads import closed
from tests.hw_sim.agency.unit_double import Reply, UnitDouble

DOCUMENT = os.urandom(300_000)


def named(unit: UnitDouble, data: bytes = DOCUMENT, statement_id: str | None = None) -> str:
    """A ``statement`` record in the unit's journal; its id."""
    made = statement_id or unit.uuid()
    unit.write(
        Statement(
            statement_id=made,
            gap_id=unit.uuid(),
            legal_cause="设备故障",
            document_sha256=sha256_b64u(data),
            document_size=len(data),
            document_type="application/pdf",
            stored_sha256=sha256_b64u(data),
            stored_size=len(data),
            sealed=True,
            signers=tuple(
                Signer(officer_ref=sha256_b64u(name), method="certificate", signature=None) for name in (b"1", b"2")
            ),
            bound_by=None,
        )
    )
    return made


def digest(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


def path_of(unit: UnitDouble, statement_id: str) -> str:
    return f"/journals/{unit.journal_id}/statements/{statement_id}"


def put(unit: UnitDouble, statement_id: str, data: bytes = DOCUMENT, **headers: str) -> Reply:
    return unit.request("PUT", path_of(unit, statement_id), {"Repr-Digest": digest(data), **headers}, data)


def receipt(unit: UnitDouble, statement_id: str) -> Reply:
    return unit.request("GET", f"{path_of(unit, statement_id)}/receipt")


def document(store: StoreProcess, unit: UnitDouble, statement_id: str) -> Path:
    return vault(store, unit) / "statements" / f"{statement_id}.document.age"


def begun(unit: UnitDouble) -> str:
    unit.write_boot()
    statement_id = named(unit)
    assert unit.post(0).status == 200
    return statement_id


def test_a_document_the_journal_names_is_stored_and_the_receipt_names_it(
    store: StoreProcess, unit: UnitDouble, authority: Authority
) -> None:
    statement_id = begun(unit)
    assert receipt(unit, statement_id).json["state"] == "unknown"
    reply = put(unit, statement_id)
    assert (reply.status, reply.json["state"]) == (200, "stored")
    made = believed(authority, reply.json["receipt"])
    (held,) = made.statements
    assert (held.statement_id, held.sha256, held.size) == (statement_id, sha256_b64u(DOCUMENT), len(DOCUMENT))
    assert held.retain_until > held.stored_at
    assert (made.segments, made.head_seq) == ((), unit.next_seq - 1)
    path = document(store, unit, statement_id)
    assert path == store.root / held.object
    assert path.read_bytes() == DOCUMENT
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert receipt(unit, statement_id).body.decode() == reply.json["receipt"]
    assert (vault(store, unit) / "receipts" / f"{made.jti}.jws").exists()


def test_sending_it_again_changes_nothing(store: StoreProcess, unit: UnitDouble) -> None:
    statement_id = begun(unit)
    first = put(unit, statement_id)
    assert [put(unit, statement_id).body for _ in range(2)] == [first.body, first.body]
    unit.write_events(3)
    assert unit.post(2).status == 200
    assert put(unit, statement_id).body == first.body
    assert alarms(store, unit) == []
    with sqlite3.connect(f"file:{store.root / 'store.db'}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT COUNT(*) FROM receipt WHERE journal_id = ? AND segments > 0", [unit.journal_id])
        assert rows.fetchone() == (1,)
    db.close()


def test_before_the_journal_names_it_it_waits(store: StoreProcess, unit: UnitDouble, authority: Authority) -> None:
    unit.write_boot()
    statement_id = unit.uuid()
    for _ in range(2):
        assert (put(unit, statement_id).status, put(unit, statement_id).json["state"]) == (202, "awaiting-journal")
    assert receipt(unit, statement_id).json["state"] == "awaiting-journal"
    named(unit, statement_id=statement_id)
    segment = unit.segment(10)
    unit.close(segment)
    made = believed(authority, unit.post(0).json["receipt"])
    assert [item.statement_id for item in made.statements] == [statement_id]
    assert document(store, unit, statement_id).read_bytes() == DOCUMENT
    assert receipt(unit, statement_id).status == 200


def test_another_document_than_the_journal_names_is_kept_apart_and_alarmed(
    store: StoreProcess, unit: UnitDouble
) -> None:
    statement_id = begun(unit)
    other = b"another story"
    reply = put(unit, statement_id, other)
    assert (reply.status, reply.json["type"]) == (409, "urn:zfy:digest-conflict")
    kept = vault(store, unit) / "conflicts" / f"{statement_id}.{sha256_b64u(other)}"
    assert kept.read_bytes() == other
    assert alarms(store, unit) == ["statement-conflict"]
    assert receipt(unit, statement_id).status == 404
    assert put(unit, statement_id).status == 200
    assert put(unit, statement_id, other).status == 409
    assert document(store, unit, statement_id).read_bytes() == DOCUMENT


def test_a_conflict_found_by_the_journal_does_not_stop_the_journal(store: StoreProcess, unit: UnitDouble) -> None:
    unit.write_boot()
    statement_id = unit.uuid()
    assert put(unit, statement_id, b"another story").status == 202
    assert put(unit, statement_id).status == 202
    named(unit, statement_id=statement_id)
    unit.write_events(1)
    assert unit.post(0).json["next_seq"] == unit.next_seq
    assert alarms(store, unit) == ["statement-conflict"]
    assert receipt(unit, statement_id).status == 200


def test_bytes_without_their_digest_are_460_and_not_kept(store: StoreProcess, unit: UnitDouble) -> None:
    statement_id = begun(unit)
    reply = put(unit, statement_id, DOCUMENT, **{"Repr-Digest": digest(b"x")})
    assert (reply.status, reply.json["type"]) == (460, "urn:zfy:digest-mismatch")
    assert receipt(unit, statement_id).json["state"] == "unknown"
    assert list((store.root / "staging").glob("statement-*")) == []
    assert put(unit, statement_id, b"").status == 409
    assert put(unit, statement_id).status == 200


@pytest.mark.parametrize("text", ["", "sha-256", "sha-256=::", "sha-256=:AAAA:", "md5=:AAAA:", "sha-256=:====:"])
def test_what_is_no_digest_is_400(unit: UnitDouble, text: str) -> None:
    with pytest.raises(Problem) as caught:
        repr_digest(text)
    assert caught.value.kind.status == 400
    assert unit.request("PUT", path_of(unit, unit.uuid()), {"Repr-Digest": text}, DOCUMENT).status == 400


def test_size_and_number_are_bounded_and_other_units_see_nothing(unit: UnitDouble, new_unit: NewUnit) -> None:
    statement_id = begun(unit)
    assert put(unit, statement_id, bytes(MAX_BODY + 1)).status == 413
    assert put(unit, statement_id).status == 200
    thief = new_unit()
    thief.journal_id = unit.journal_id
    assert put(thief, statement_id).status == 404
    assert receipt(thief, statement_id).status == 404
    other = new_unit()
    replies = [put(other, other.uuid(), b"x") for _ in range(MOST_WAITING + 1)]
    assert [reply.status for reply in replies] == [202] * MOST_WAITING + [429]
    assert replies[-1].headers["retry-after"] == "60"


def test_what_a_crash_left_waiting_is_settled_at_the_next_start(store: StoreProcess, unit: UnitDouble) -> None:
    statement_id = begun(unit)
    store.kill()
    folder = store.root / "staging" / "statements" / unit.unit_id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{unit.journal_id}.{statement_id}.{sha256_b64u(DOCUMENT)}").write_bytes(DOCUMENT)
    store.start()
    assert document(store, unit, statement_id).read_bytes() == DOCUMENT
    assert receipt(unit, statement_id).status == 200


def test_journals_stored_before_there_were_statements_are_read_once_more(store: StoreProcess, unit: UnitDouble) -> None:
    segment = closed(unit)
    statement_id = named(unit)
    assert unit.post(unit.next_seq - 1).status == 200
    assert unit.upload(segment).status == 204
    store.kill()
    with sqlite3.connect(store.root / "store.db") as db:
        db.execute("DROP TABLE statement")
    db.close()
    store.start()
    assert put(unit, statement_id).status == 200
    assert alarms(store, unit) == []


def test_the_verifier_finds_the_document_in_the_stores_vault(
    store: StoreProcess, unit: UnitDouble, authority: Authority
) -> None:
    statement_id = begun(unit)
    folder = vault(store, unit)

    def files() -> list[str]:
        report = verify_vault(Vault(folder, "."), load_trust(authority.trust_dir))
        return [item.file for item in report.statements]

    assert files() == ["missing"]
    assert put(unit, statement_id).status == 200
    assert files() == ["present"]
    path = document(store, unit, statement_id)
    path.chmod(0o644)
    path.write_bytes(DOCUMENT[:-1])
    assert files() == ["altered"]
