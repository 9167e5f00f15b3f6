"""Documents of written statements: what the book decides, and how each answer of the store ends."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.evidence.encoding import sha256_b64u
from recorder.uplink.backoff import BackoffPolicy
from recorder.uplink.facts import JournalReset, Statement, fact_of
from recorder.uplink.faults import UplinkFault
from recorder.uplink.http import Answer, StoreClient
from recorder.uplink.statements import StatementBook, StatementSender

DATA = b"sealed" * 1000
JOURNAL = "00000000-0000-4000-8000-000000000001"


def statement(seq: int, data: bytes = DATA) -> Statement:
    return Statement(JOURNAL, seq, f"{seq:08d}-0000-4000-8000-000000000000", sha256_b64u(data), len(data), True)


def book() -> StatementBook:
    return StatementBook(BackoffPolicy(1.0, 60.0))


# --- the book ---------------------------------------------------------------------------------------------------------


def test_nothing_goes_up_before_its_record_and_the_oldest_goes_first() -> None:
    made = book()
    for seq in (9, 4):
        made.apply(statement(seq))
    assert made.next(0, -1) is None
    assert made.next(0, 3) is None
    assert made.next(0, 4) == statement(4)
    assert made.next(0, 9) == statement(4)
    assert made.receipted(statement(4).statement_id, sha256_b64u(DATA), len(DATA))
    assert made.next(0, 9) == statement(9)
    assert made.waiting == 1


def test_done_is_a_receipt_over_these_bytes_whenever_it_came() -> None:
    made, one = book(), statement(1)
    made.apply(one)
    assert not made.receipted(one.statement_id, sha256_b64u(b"other"), len(DATA))
    assert not made.receipted(one.statement_id, one.sha256, 1)
    assert made.next(0, 9) == one
    early, two = book(), statement(2)
    assert early.receipted(two.statement_id, two.sha256, two.size)  # read from the disk before the journal
    early.apply(two)
    assert early.next(0, 9) is None
    made.apply(JournalReset())
    assert made.next(0, 9) is None


@given(faults=st.lists(st.tuples(st.floats(0, 0.999), st.none() | st.floats(0, 1e6)), max_size=60))
def test_it_never_gives_up_and_rests_no_longer_than_it_may(faults: list[tuple[float, float | None]]) -> None:
    made, now = book(), 0
    made.apply(statement(1))
    for fraction, retry_after in faults:
        assert made.next(now, 1) == statement(1)
        pause = made.failed(statement(1).statement_id, now, fraction, retry_after)
        assert 0 <= pause <= (60.0 if retry_after is None else 3600.0 * 1.2)
        now += round(pause * 1e6)
    assert made.next(now, 1) == statement(1)
    assert made.failed("unknown", now, 0.5) == 0.0


def test_the_fact_is_in_the_record() -> None:
    record = {
        "journal_id": JOURNAL,
        "seq": 7,
        "statement_id": statement(7).statement_id,
        "stored_sha256": sha256_b64u(DATA),
        "stored_size": len(DATA),
        "sealed": True,
    }
    assert fact_of("statement", record) == statement(7)
    with pytest.raises(ValueError, match="statement_id"):
        fact_of("statement", {**record, "statement_id": "../../etc/passwd"})


# --- the sender -------------------------------------------------------------------------------------------------------


class ScriptedClient:
    """Answers in order; what was asked is kept."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str]] = []
        self.headers: Mapping[str, str] = {}
        self.body = b""

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        self.asked.append((method, path))
        return self.answers.pop(0)

    def send_file(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        file: io.FileIO,
        length: int,
        between_blocks: Callable[[], None],
    ) -> Answer:
        self.headers, self.body = headers, file.read(length)
        between_blocks()
        return self.request(method, path, headers)


def answer(status: int, **members: object) -> Answer:
    return Answer(status, {}, json.dumps(members).encode())


NO_RECEIPT = answer(404, state="unknown")


def send(tmp_path: Path, client: ScriptedClient, data: bytes = DATA) -> str:
    (tmp_path / f"{statement(1).statement_id}.document.age").write_bytes(data)
    return StatementSender(cast(StoreClient, client), tmp_path).send(statement(1), lambda: None)


def test_a_receipt_that_is_there_is_taken_and_nothing_sent(tmp_path: Path) -> None:
    client = ScriptedClient(Answer(200, {}, b"a.b.c\n"))
    assert send(tmp_path, client) == "a.b.c"
    assert client.asked == [("GET", f"/journals/{JOURNAL}/statements/{statement(1).statement_id}/receipt")]


def test_the_document_goes_up_under_its_digest(tmp_path: Path) -> None:
    client = ScriptedClient(NO_RECEIPT, answer(200, state="stored", receipt="a.b.c"))
    assert send(tmp_path, client) == "a.b.c"
    assert client.asked[1] == ("PUT", f"/journals/{JOURNAL}/statements/{statement(1).statement_id}")
    assert client.body == DATA
    assert client.headers["Repr-Digest"].startswith("sha-256=:") and client.headers["Repr-Digest"].endswith("=:")


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([answer(503)], "store-busy"),
        ([answer(404, state="awaiting-store")], "receipt-pending"),
        ([NO_RECEIPT, answer(202, state="awaiting-journal")], "receipt-pending"),
        ([NO_RECEIPT, answer(409, detail="other")], "statement-conflict"),
        ([NO_RECEIPT, answer(460)], "digest-mismatch"),
        ([NO_RECEIPT, answer(429)], "store-busy"),
        ([NO_RECEIPT, answer(507)], "store-full"),
        ([NO_RECEIPT, answer(200, state="stored")], "protocol-error"),
        ([NO_RECEIPT, answer(201)], "protocol-error"),
        ([NO_RECEIPT, answer(403)], "forbidden"),
    ],
)
def test_every_other_answer_is_a_fault_of_its_own(tmp_path: Path, answers: list[Answer], code: str) -> None:
    with pytest.raises(UplinkFault) as caught:
        send(tmp_path, ScriptedClient(*answers))
    assert caught.value.kind.code == code


def test_a_document_that_is_not_what_the_journal_says_is_not_sent(tmp_path: Path) -> None:
    client = ScriptedClient(NO_RECEIPT)
    with pytest.raises(UplinkFault) as caught:
        send(tmp_path, client, DATA[:-1])
    assert caught.value.kind.code == "statement-size"
    with pytest.raises(UplinkFault) as caught:
        StatementSender(cast(StoreClient, ScriptedClient(NO_RECEIPT)), tmp_path / "none").send(
            statement(1), lambda: None
        )
    assert caught.value.kind.code == "statement-missing"
