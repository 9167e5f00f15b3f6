"""What is remembered of commands: nothing has its effect twice, whatever is delivered how often, over any checkpoint."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from recorder.evidence.command_book import CommandBook

SOME = CommandBook.MOST + 20


def jti(number: int) -> str:
    return f"{number:08d}-1111-4111-8111-111111111111"


def record(number: int, result: str, *, iat: float | None = None, code: str = "", **changes: Any) -> dict[str, Any]:
    """``iat``: it carries the order."""
    order = None if iat is None else {"iat": iat}
    values = {
        "source": "mqtt",
        "command_id": jti(number),
        "name": "mark",
        "result": result,
        "detail": code,
        "seq": number,
    }
    return values | {"order": order} | changes


def test_the_newest_record_of_a_command_says_what_it_came_to() -> None:
    book = CommandBook()
    book.apply(record(1, "accepted", iat=5.0))
    book.apply(record(1, "refused", code="not-recording", seq=9))
    known = book.known(jti(1))
    assert known is not None
    assert (known.outcome, known.final_code, known.seq, known.iat) == ("refused", "not-recording", 9, 5.0)


def test_what_was_never_believed_and_what_is_no_command_of_the_agency_is_not_remembered() -> None:
    book = CommandBook()
    book.apply(record(1, "refused", code="command-signature"))
    book.apply(record(2, "accepted", name="assign"))
    book.apply(record(3, "accepted", iat=1.0, source="control-socket"))
    assert book == CommandBook()
    book.apply(record(4, "accepted", iat=1.0))
    book.apply(record(4, "accepted", name="assign"))
    known = book.known(jti(4))
    assert known is not None and known.kind == "mark"


class Deliveries(RuleBasedStateMachine):
    """An agency that numbers its commands in the order of their ``iat``, a network that repeats and reorders them, a unit
    that restarts from a checkpoint: each command is begun once at most."""

    def __init__(self) -> None:
        super().__init__()
        self.book = CommandBook()
        self.begun: list[int] = []

    @rule(number=st.integers(1, SOME), ends=st.booleans())
    def deliver(self, number: int, ends: bool) -> None:
        if self.book.known(jti(number)) is not None or number <= self.book.floor:
            return  # answered, not begun
        self.begun.append(number)
        self.book.apply(record(number, "accepted", iat=float(number)))
        if ends:
            self.book.apply(record(number, "done"))

    @rule(first=st.integers(1, SOME))
    def deliver_many(self, first: int) -> None:
        for number in range(first, SOME + 1):
            self.deliver(number, True)

    @rule()
    def restart(self) -> None:
        self.book = CommandBook.of(self.book.carried, self.book.carried_floor)

    @invariant()
    def each_once(self) -> None:
        assert len(self.begun) == len(set(self.begun))
        assert len(self.book.carried) <= CommandBook.MOST


TestDeliveries = Deliveries.TestCase


@given(
    st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["accepted", "done", "failed"]), st.booleans()), max_size=30)
)
def test_a_copy_is_independent_and_a_checkpoint_is_the_same(rows: list[tuple[int, str, bool]]) -> None:
    book = CommandBook()
    for number, result, ordered in rows:
        book.apply(record(number, result, iat=float(number) if ordered else None))
    copy = book.copy()
    assert copy == book == CommandBook.of(book.carried, book.carried_floor)
    copy.apply(record(99, "accepted", iat=1.0))
    assert book.known(jti(99)) is None
