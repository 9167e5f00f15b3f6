from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest

from recorder.evidence import jws
from recorder.evidence.files import OsFiles
from recorder.uplink.faults import UplinkFault
from recorder.uplink.receipts import ReceiptStore
from tests.uplink.pki import UNIT, Pki

J = "00000000-0000-4000-8000-000000000000"
SEGMENT = {"segment_id": "s", "sha256": "d", "size": 5}


def payload(**changes: Any) -> dict[str, Any]:
    return {
        "jti": str(uuid.uuid4()),
        "unit_id": UNIT,
        "journal_id": J,
        "head_seq": 3,
        "segments": [SEGMENT],
        **changes,
    }


@pytest.fixture
def store(tmp_path: Path, pki: Pki) -> ReceiptStore:
    return ReceiptStore(tmp_path / "receipts", pki.trust, UNIT, OsFiles())


def names(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "receipts").glob("*"))


def test_a_good_receipt_is_written_whole_and_found_again(store: ReceiptStore, pki: Pki, tmp_path: Path) -> None:
    text = jws.sign("receipt", payload(), pki.store_signer)
    receipt, new = store.accept(text)
    assert (receipt.verified, new) == (True, True)
    assert (tmp_path / "receipts" / f"{receipt.receipt_id}.jws").read_text() == text + "\n"
    assert store.accept(text) == (receipt, False)
    assert store.stored() == ([receipt], [])


@pytest.mark.parametrize(
    ("typ", "changes"),
    [
        ("statement", {}),
        ("receipt", {"unit_id": "another"}),
        ("receipt", {"jti": "../../../etc/cron.d/x"}),
        ("receipt", {"jti": 5}),
        ("receipt", {"journal_id": None}),
        ("receipt", {"head_seq": -1}),
        ("receipt", {"head_seq": True}),
        ("receipt", {"segments": None}),
        ("receipt", {"segments": [1]}),
        ("receipt", {"segments": [{"segment_id": "s"}]}),
    ],
)
def test_a_wrong_one_is_not_kept(
    store: ReceiptStore, pki: Pki, tmp_path: Path, typ: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(UplinkFault, match="receipt-invalid"):
        store.accept(jws.sign(typ, payload(**changes), pki.store_signer))
    assert names(tmp_path) == []


def test_a_forgery_is_not_kept(store: ReceiptStore, pki: Pki, tmp_path: Path) -> None:
    """Another key, another key under the store's name, and the store's own line with one character changed."""
    forged = jws.sign("receipt", payload(), pki.other_signer)
    good = jws.sign("receipt", payload(), pki.store_signer)
    head, body, signature = good.split(".")
    other_body = jws.sign("receipt", payload(), pki.store_signer).split(".")[1]
    for text in (forged, f"{head}.{forged.split('.')[1]}.{forged.split('.')[2]}", f"{head}.{other_body}.{signature}"):
        with pytest.raises(UplinkFault, match="receipt-invalid"):
            store.accept(text)
    with pytest.raises(UplinkFault, match="receipt-invalid"):
        store.accept(f"{head}.{body}.{signature[:-4]}AAAA")
    assert names(tmp_path) == []


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c.d", "...", "é.é.é", "x" * 600_000])
def test_rubbish_is_a_fault(store: ReceiptStore, text: str) -> None:
    with pytest.raises(UplinkFault, match="receipt-invalid"):
        store.accept(text)


def test_one_id_with_two_contents_is_refused(store: ReceiptStore, pki: Pki) -> None:
    one = payload()
    store.accept(jws.sign("receipt", one, pki.store_signer))
    with pytest.raises(UplinkFault, match="same id"):
        store.accept(jws.sign("receipt", {**one, "head_seq": 4}, pki.store_signer))


def test_without_a_store_key_it_is_carried_and_says_so_until_the_key_comes(tmp_path: Path, pki: Pki) -> None:
    trust = tmp_path / "trust"
    trust.mkdir()
    store = ReceiptStore(tmp_path / "receipts", trust, UNIT, OsFiles())
    receipt, _ = store.accept(jws.sign("receipt", payload(), pki.other_signer))
    assert not receipt.verified
    shutil.copy(pki.trust / "store-key.pem", trust)
    with pytest.raises(UplinkFault, match="receipt-invalid"):
        store.accept(jws.sign("receipt", payload(), pki.other_signer))
    found, faults = store.stored()
    assert found == []
    assert [fault.subject for fault in faults] == [f"{receipt.receipt_id}.jws"]


def test_a_key_file_that_is_none_verifies_nothing(tmp_path: Path, pki: Pki) -> None:
    (tmp_path / "store-key.pem").write_text("rubbish")
    store = ReceiptStore(tmp_path / "receipts", tmp_path, UNIT, OsFiles())
    with pytest.raises(UplinkFault, match=r"store-key\.pem"):
        store.accept(jws.sign("receipt", payload(), pki.store_signer))


def test_leftovers_of_an_interrupted_write_are_no_fault(store: ReceiptStore, tmp_path: Path) -> None:
    (tmp_path / "receipts").mkdir()
    (tmp_path / "receipts" / ".x.jws.new").write_text("half")
    assert store.stored() == ([], [])
