"""Receipts of the journal's head do not pile up, and time stays bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recorder.session.anchors import BUCKET_S, WHOLE_S, Anchor, superseded

TIMES = st.lists(st.floats(0, 40 * 3600, allow_nan=False).map(lambda s: round(s, 1)), max_size=120)


def anchors(times: list[float]) -> list[Anchor]:
    return [Anchor(str(number), number, time) for number, time in enumerate(sorted(times))]


@given(TIMES)
def test_what_stays_bounds_time_as_promised(times: list[float]) -> None:
    every = anchors(times)
    going = superseded(every)
    staying = [anchor for anchor in every if anchor not in going]
    if not every:
        assert going == []
        return
    newest = every[-1].iat
    assert every[-1] in staying
    assert all(anchor in staying for anchor in every if anchor.iat >= newest - WHOLE_S)
    assert {int(anchor.iat // BUCKET_S) for anchor in every} == {int(anchor.iat // BUCKET_S) for anchor in staying}
    assert superseded(staying) == []


def test_a_week_of_receipts_each_five_seconds_becomes_a_thousand() -> None:
    week = anchors([5.0 * n for n in range(7 * 24 * 720)])
    assert len(week) - len(superseded(week)) == 7 * 144 - 6 + 720 + 1
