"""One fault from onset to end, whatever the condition does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recorder.faults.latch import CALM_US, FLAP_WINDOW_US, FLAPS, Change, Latch, above, below

SECOND = 1_000_000


def play(latch: Latch, samples: list[tuple[int, bool | None]]) -> list[tuple[int, Change]]:
    return [(now, change) for now, value in samples if (change := latch.update(now, value, {})) is not None]


def test_the_evidence_says_when_it_began_and_when_it_was_gone() -> None:
    latch = Latch("x", onset_after_us=SECOND, end_after_us=SECOND)
    times = [(0, False), (1, True), (2, True), (3, True), (4, False), (5, False), (6, False)]
    (at, onset), (over, end) = play(latch, [(at * SECOND, value) for at, value in times])
    assert (at, onset.phase, onset.evidence) == (2 * SECOND, "onset", {"from_us": SECOND})
    assert (over, end.phase, end.evidence) == (5 * SECOND, "end", {"from_us": SECOND, "to_us": 4 * SECOND})


def test_shorter_than_the_dwell_is_nothing() -> None:
    latch = Latch("x", onset_after_us=SECOND)
    assert not play(latch, [(0, True), (SECOND // 2, False), (SECOND, True), (SECOND * 3 // 2, False)])


def test_what_is_not_known_changes_nothing_and_starts_the_dwell_again() -> None:
    latch = Latch("x", onset_after_us=SECOND)
    assert not play(latch, [(0, True), (SECOND // 2, None), (SECOND, True)])
    assert play(latch, [(2 * SECOND, True), (3 * SECOND, None), (4 * SECOND, None)])[0][1].present
    assert latch.present


def test_evidence_is_made_for_news_only() -> None:
    calls: list[int] = []

    def evidence() -> dict[str, int]:
        calls.append(1)
        return {"calls": len(calls)}

    latch = Latch("x")
    changes = [latch.update(now, now > 10, evidence) for now in range(20)]
    assert len(calls) == 1 and [change.evidence["calls"] for change in changes if change is not None] == [1]


@given(st.lists(st.tuples(st.integers(1, 5 * SECOND), st.sampled_from([True, False, None])), max_size=300))
def test_onsets_and_ends_take_turns_and_are_never_too_many(steps: list[tuple[int, bool | None]]) -> None:
    latch = Latch("x", onset_after_us=100_000, end_after_us=100_000)
    now, samples = 0, []
    for step, value in steps:
        now += step
        samples.append((now, value))
    changes = play(latch, samples)
    assert [change.phase for _, change in changes] == [("onset", "end")[i % 2] for i in range(len(changes))]
    onsets = [at for at, change in changes if change.present]
    for first, later in zip(onsets, onsets[FLAPS:], strict=False):
        assert later - first >= min(FLAP_WINDOW_US, CALM_US), "five in a row without a calm between them"
    for at, change in changes:
        assert change.evidence["from_us"] <= change.evidence.get("to_us", at) <= at


def test_flicker_at_any_speed_fills_no_journal() -> None:
    """Ten times a second for ten minutes: 6 000 changes of the condition."""
    latch = Latch("x")
    changes = play(latch, [(tick * 100_000, tick % 2 == 0) for tick in range(6000)])
    assert len(changes) <= 2 * FLAPS
    assert latch.present, "it is still there, and nobody may think that it went away"


@given(st.lists(st.one_of(st.none(), st.floats(-100, 100)), max_size=100))
def test_hysteresis_changes_only_beyond_its_thresholds(values: list[float | None]) -> None:
    high = low = False
    for value in values:
        now_high, now_low = above(value, high, 10, 5), below(value, low, -10, -5)
        if value is None:
            assert now_high is None and now_low is None
            continue
        assert now_high is not None and now_low is not None
        if now_high != high:
            assert value >= 10 if now_high else value < 5
        if now_low != low:
            assert value <= -10 if now_low else value > -5
        high, low = now_high, now_low
