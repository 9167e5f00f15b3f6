from __future__ import annotations

import pytest

from recorder.evidence import jws
from recorder.uplink import journal_post
from recorder.uplink.faults import UplinkFault
from recorder.uplink.http import StoreClient
from recorder.uplink.journal_lines import JournalLines
from recorder.uplink.journal_post import MAX_BATCH, JournalPoster
from tests.uplink.fake_store import FakeStore, js, problem
from tests.uplink.unit_files import UnitFiles


class Posting:
    def __init__(self, store: FakeStore, client: StoreClient, unit: UnitFiles) -> None:
        self.store, self.unit = store, unit
        self.receipts: list[str] = []
        self.lost: list[UplinkFault] = []
        lines = JournalLines(unit.journal_dir)
        self.poster = JournalPoster(client, lines, self.receipts.append, self.lost.append)

    def post(self, from_seq: int | None = None) -> int:
        return self.poster.post(self.unit.journal_id, from_seq, self.unit.seq - 1)

    @property
    def stored(self) -> list[bytes]:
        return self.store.journal[self.unit.journal_id]


@pytest.fixture
def posting(store: FakeStore, client: StoreClient, unit: UnitFiles) -> Posting:
    unit.record("event", event="one")
    unit.record("event", event="two")
    return Posting(store, client, unit)


def code_of(posting: Posting, from_seq: int | None = None) -> str:
    with pytest.raises(UplinkFault) as caught:
        posting.post(from_seq)
    return caught.value.kind.code


def test_a_new_journal_goes_up_from_the_beginning(posting: Posting) -> None:
    assert posting.post() == 3
    assert posting.stored == posting.unit.lines
    assert len(posting.receipts) == 1


def test_after_a_restart_the_newest_line_is_sent_once_more_and_no_other(posting: Posting) -> None:
    posting.post()
    posting.unit.record("event", event="three")
    assert posting.post(None) == 4
    assert posting.stored == posting.unit.lines
    assert posting.store.requests[-1].path.endswith("?from=2")


def test_posting_again_changes_nothing(posting: Posting) -> None:
    assert posting.post(0) == posting.post(0) == 3
    assert posting.stored == posting.unit.lines


def test_a_store_that_lost_lines_gets_them_again(posting: Posting) -> None:
    posting.post()
    del posting.stored[1:]
    posting.unit.record("event", event="three")
    assert posting.post(3) == 4
    assert posting.stored == posting.unit.lines


def test_a_fork_is_noticed_at_once(posting: Posting) -> None:
    posting.post()
    posting.stored[-1] = b"another line\n"
    assert code_of(posting, None) == "journal-fork"


def test_an_invalid_line_is_named(posting: Posting) -> None:
    posting.store.replies = [("POST", "/journals", problem(422, "urn:zfy:journal-invalid", seq=1, reason="prev"))]
    with pytest.raises(UplinkFault, match="seq 1: prev") as caught:
        posting.post(0)
    assert caught.value.kind.code == "journal-invalid"


def test_a_journal_shorter_than_the_stores_is_an_alarm(posting: Posting) -> None:
    posting.post()
    posting.stored.extend([b"x\n"] * 5)
    assert code_of(posting, None) == "journal-behind"
    posting.store.replies = [("POST", "/journals", problem(409, "urn:zfy:journal-gap", next_seq=8))]
    assert code_of(posting, 3 - 1) == "journal-behind"


def test_gaps_without_end_are_a_fault(posting: Posting) -> None:
    gap = problem(409, "urn:zfy:journal-gap", next_seq=0)
    posting.store.replies = [("POST", "/journals", gap)] * 9
    assert code_of(posting, 2) == "journal-gap"


@pytest.mark.parametrize(
    "answer",
    [
        {"next_seq": 3},
        {"next_seq": 3, "receipt": None},
        {"next_seq": 0, "receipt": "a.b.c"},
        {"receipt": "a.b.c"},
        {"next_seq": "three", "receipt": "a.b.c"},
    ],
)
def test_200_without_what_it_promises_is_no_success(posting: Posting, answer: dict[str, object]) -> None:
    posting.store.replies = [("POST", "/journals", js(200, answer))]
    assert code_of(posting, 0) == "protocol-error"
    assert posting.receipts == []


@pytest.mark.parametrize(
    ("status", "code"), [(401, "unauthorized"), (403, "forbidden"), (503, "store-busy"), (507, "store-full")]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_refusals(posting: Posting, method: str, status: int, code: str) -> None:
    posting.store.replies = [(method, "/journals", problem(status, "urn:test"))]
    assert code_of(posting) == code


def test_a_connection_closed_while_idle_is_no_fault(posting: Posting, client: StoreClient) -> None:
    posting.post()
    connection = client._connection
    assert connection is not None
    connection.sock.shutdown(2)
    posting.unit.record("event", event="three")
    assert posting.post(3) == 4


def test_batches_are_bounded(posting: Posting) -> None:
    for _ in range(30):
        posting.unit.record("event", event="x" * 60_000)
    seq, posts = 0, 0
    while seq < posting.unit.seq:
        seq = posting.post(seq)
        posts += 1
    assert posts == 3
    sizes = [int(r.headers["content-length"]) for r in posting.store.requests if r.method == "POST"]
    assert max(sizes) <= MAX_BATCH
    assert posting.stored == posting.unit.lines


def test_offering_again_goes_batch_by_batch_over_what_is_here(
    posting: Posting, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        posting.unit.record("event", event=f"more {number}")
    posting.post()
    longest = max(map(len, posting.unit.lines))
    monkeypatch.setattr(journal_post, "MAX_BATCH", 2 * longest)
    at: int | None = 1
    asked = len(posting.store.requests)
    while at is not None:
        at = posting.poster.offer(posting.unit.journal_id, at, 6)
    assert [r.path.rpartition("=")[2] for r in posting.store.requests[asked:]] == ["1", "3", "5"]
    assert posting.stored == posting.unit.lines


@pytest.mark.parametrize(("status", "kind"), [(200, ""), (409, "urn:zfy:journal-late"), (409, "urn:zfy:journal-fork")])
def test_an_offer_is_made_when_the_store_has_the_lines_or_has_put_them_aside(
    posting: Posting, status: int, kind: str
) -> None:
    posting.store.replies = [("POST", "/journals", problem(status, kind, seq=1, next_seq=9))]
    assert posting.poster.offer(posting.unit.journal_id, 1, 2) is None


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (422, "urn:zfy:journal-invalid", "journal-invalid"),
        (409, "urn:zfy:journal-gap", "journal-gap"),
        (409, "urn:zfy:else", "protocol-error"),
        (400, "urn:zfy:bad-request", "protocol-error"),
        (500, "urn:test", "store-error"),
    ],
)
def test_an_offer_that_was_refused_was_not_made(posting: Posting, status: int, kind: str, code: str) -> None:
    posting.store.replies = [("POST", "/journals", problem(status, kind, seq=1, next_seq=0, reason="prev"))]
    with pytest.raises(UplinkFault) as caught:
        posting.poster.offer(posting.unit.journal_id, 1, 2)
    assert caught.value.kind.code == code


@pytest.mark.parametrize("helps", [True, False])
def test_the_key_of_offered_lines_is_brought_and_they_are_offered_once_more(
    store: FakeStore, client: StoreClient, unit: UnitFiles, helps: bool
) -> None:
    posting = Posting(store, client, unit)
    kid = jws.split(unit.lines[0].decode().strip()).kid
    unit.record("event", event="one")
    lines = f"/journals/{unit.journal_id}?from=1"
    keys = f"/journals/{unit.journal_id}/keys"
    refused = problem(422, "urn:zfy:journal-invalid", seq=1, reason="key unknown", unknown_kid=kid)
    late = problem(409, "urn:zfy:journal-late", seq=1, next_seq=9)
    store.replies = [("POST", lines, refused), ("POST", keys, js(200, {"kid": kid}))]
    store.replies.append(("POST", lines, late if helps else refused))
    if helps:
        assert posting.poster.offer(unit.journal_id, 1, 1) is None
    else:
        with pytest.raises(UplinkFault, match="key unknown"):
            posting.poster.offer(unit.journal_id, 1, 1)
    assert [request.path for request in store.requests] == [lines, keys, lines]


def test_an_offer_without_an_answer_is_made_again(posting: Posting) -> None:
    posting.store.replies = [("POST", "/journals", problem(503, "urn:zfy:busy"))]
    with pytest.raises(UplinkFault) as caught:
        posting.poster.offer(posting.unit.journal_id, 1, 2)
    assert caught.value.kind.code == "store-busy"


def test_lines_lost_again_are_no_offer(posting: Posting) -> None:
    posting.unit.file.write_bytes(posting.unit.lines[0])
    asked = len(posting.store.requests)
    assert posting.poster.offer(posting.unit.journal_id, 1, 2) is None
    assert len(posting.store.requests) == asked
