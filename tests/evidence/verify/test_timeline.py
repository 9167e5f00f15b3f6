"""Every second has one name: the pure part, by example and by property."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recorder.evidence.verify.timeline import (
    CONTINUITY_US,
    PRIORITY,
    SEAM_US,
    BootSpan,
    Kind,
    Line,
    Media,
    Point,
    Ruler,
    Span,
    holes,
    lay_out,
)

S = 1_000_000


def ruler(length_s: float = 100) -> Ruler:
    return Ruler([BootSpan(0, round(length_s * S), 0.0, length_s)], Point(0, 0), Point(0, round(length_s * S)))


def span(kind: Kind, start_s: float, end_s: float, ref: str = "") -> Span:
    return Span(kind, Point(0, round(start_s * S)), Point(0, round(end_s * S)), ref)


def shape(line: Line) -> list[tuple[str, float, float]]:
    return [(stretch.kind, stretch.start_us / S, stretch.end_us / S) for stretch in line.stretches]


def test_a_sound_shift() -> None:
    line = lay_out(ruler(), [span("standby", 0, 40), span("recorded", 40, 90, "a"), span("standby", 90, 100)])
    assert shape(line) == [("standby", 0, 40), ("recorded", 40, 90), ("standby", 90, 100)]
    assert line.total("unaccounted") == 0


def test_preroll_within_standby_is_recorded_and_declared_as_overlap() -> None:
    line = lay_out(ruler(), [span("standby", 0, 50), span("recorded", 30, 60, "a"), span("standby", 60, 100)])
    assert shape(line) == [("standby", 0, 30), ("recorded", 30, 60), ("standby", 60, 100)]
    assert line.overlap_us == 20 * S


def test_what_nobody_signed_for_is_unaccounted() -> None:
    line = lay_out(ruler(), [span("standby", 0, 40), span("standby", 60, 100)])
    assert shape(line) == [("standby", 0, 40), ("unaccounted", 40, 60), ("standby", 60, 100)]


def test_seams_are_tolerated_up_to_the_limit_and_summed() -> None:
    seam = SEAM_US / S
    line = lay_out(ruler(), [span("standby", 0, 40), span("standby", 40 + seam, 70), span("standby", 70.6, 100)])
    assert line.total("seam") == SEAM_US
    assert line.total("unaccounted") == 600_000


def test_the_end_of_an_open_shift_is_pending() -> None:
    line = lay_out(ruler(), [span("standby", 0, 92)], open_end=True)
    assert shape(line)[-1] == ("pending", 92, 100)
    assert lay_out(ruler(), [span("standby", 0, 92)]).total("unaccounted") == 8 * S


def test_a_gap_across_a_boot_is_as_long_as_the_wall_clock_claims() -> None:
    boots = [BootSpan(5 * S, 60 * S, 1_000.0, 1_055.0), BootSpan(4 * S, 50 * S, 1_085.0, 1_131.0)]
    line = lay_out(
        Ruler(boots, Point(0, 10 * S), Point(1, 44 * S)),
        [
            Span("recorded", Point(0, 10 * S), Point(0, 58 * S), "a"),
            Span("gap", Point(0, 58 * S), Point(1, 6 * S), "g"),
            Span("recorded", Point(1, 6 * S), Point(1, 44 * S), "b"),
        ],
    )
    assert [(s.kind, s.length_us // S) for s in line.stretches] == [("recorded", 48), ("gap", 34), ("recorded", 38)]
    assert line.length_us == 120 * S


def test_a_boot_nobody_accounts_for() -> None:
    boots = [BootSpan(5 * S, 60 * S, 1_000.0, 1_055.0), BootSpan(4 * S, 50 * S, 1_085.0, 1_131.0)]
    line = lay_out(
        Ruler(boots, Point(0, 10 * S), Point(1, 44 * S)),
        [
            Span("standby", Point(0, 10 * S), Point(0, 60 * S)),
            Span("standby", Point(1, 4 * S), Point(1, 44 * S)),
        ],
    )
    assert [(s.kind, s.length_us // S) for s in line.stretches] == [
        ("standby", 50),
        ("unaccounted", 30),
        ("standby", 40),
    ]


def test_a_wall_clock_that_goes_back_over_a_boot_gives_no_negative_time() -> None:
    boots = [BootSpan(0, 10 * S, 1_000.0, 1_010.0), BootSpan(0, 10 * S, 500.0, 510.0)]
    assert Ruler(boots, Point(0, 0), Point(1, 10 * S)).length_us == 20 * S


def test_positions_and_points_are_inverse_within_a_boot() -> None:
    boots = [BootSpan(5 * S, 60 * S, 1_000.0, 1_055.0), BootSpan(4 * S, 50 * S, 1_085.0, 1_131.0)]
    laid = Ruler(boots, Point(0, 10 * S), Point(1, 44 * S))
    for point in (Point(0, 10 * S), Point(0, 33 * S), Point(1, 4 * S), Point(1, 40 * S)):
        assert laid.point(laid.position(point)) == point


spans = st.lists(
    st.builds(
        lambda kind, boot, start, length, boots: Span(
            kind, Point(boot, start), Point(min(boot + boots, 2), start + length), "x"
        ),
        st.sampled_from(PRIORITY),
        st.integers(0, 2),
        st.integers(0, 30 * S),
        st.integers(0, 30 * S),
        st.integers(0, 1),
    ),
    max_size=25,
)


@given(spans=spans, open_end=st.booleans(), jumps=st.tuples(st.integers(-50, 50), st.integers(-50, 50)))
def test_the_kinds_always_sum_to_the_shift_and_never_overlap(
    spans: list[Span], open_end: bool, jumps: tuple[int, int]
) -> None:
    boots = [
        BootSpan(0, 30 * S, 0.0, 30.0),
        BootSpan(2 * S, 31 * S, 30.0 + jumps[0], 59.0 + jumps[0]),
        BootSpan(1 * S, 33 * S, 59.0 + jumps[1], 91.0 + jumps[1]),
    ]
    line = lay_out(Ruler(boots, Point(0, 5 * S), Point(2, 30 * S)), spans, open_end=open_end)
    at = 0
    for stretch in line.stretches:
        assert stretch.start_us == at
        assert stretch.end_us > at
        at = stretch.end_us
    assert at == line.length_us


def media(name: str, start_s: float, end_s: float, boot: int = 0) -> Media:
    return Media(name, Point(boot, round(start_s * S)), Point(boot, round(end_s * S)))


def test_adjacent_segments_may_be_one_frame_apart() -> None:
    frame = CONTINUITY_US / S
    assert holes([media("a", 0, 10), media("b", 10 + frame, 20)], []) == []
    (hole,) = holes([media("a", 0, 10), media("b", 10.041, 20)], [])
    assert (hole.before, hole.after) == ("a", "b")


def test_a_recorded_interruption_names_the_hole_only_where_it_covers_it() -> None:
    pieces = [media("a", 0, 10), media("b", 15, 20)]
    assert holes(pieces, [(Point(0, 10 * S), Point(0, 15 * S))]) == []
    assert len(holes(pieces, [(Point(0, 10 * S), Point(0, 13 * S))])) == 1
    assert len(holes(pieces, [(Point(0, 12 * S), Point(0, 15 * S))])) == 1
    assert holes(pieces, [(Point(0, 10 * S), None)]) == []


def test_two_interruptions_may_name_a_hole_together() -> None:
    pieces = [media("a", 0, 10), media("b", 15, 20)]
    assert holes(pieces, [(Point(0, 12 * S), Point(0, 15 * S)), (Point(0, 10 * S), Point(0, 12 * S))]) == []


def test_a_session_owes_media_from_its_start_to_its_stop() -> None:
    pieces = [media("a", 0, 10), media("b", 15, 20), media("c", 25, 30)]
    assert [(h.before, h.after) for h in holes(pieces, [])] == [("a", "b"), ("b", "c")]
    assert [(h.before, h.after) for h in holes(pieces, [], Point(0, 15 * S), Point(1, 0))] == [("b", "c")]
    assert [(h.before, h.after) for h in holes(pieces, [], Point(0, 0), Point(0, 20 * S))] == [("a", "b")]
    (hole,) = holes(pieces[:2], [], Point(0, 11 * S), Point(0, 14 * S))
    assert (hole.start, hole.end) == (Point(0, 11 * S), Point(0, 14 * S))


def test_media_behind_the_stop_takes_no_hole_before_it_out_of_sight() -> None:
    pieces = [media("a", 0, 10), media("late", 15, 20)]
    stop = Point(0, 12 * S)
    assert holes(pieces, [(Point(0, 10 * S), stop)], until=stop) == []
    assert len(holes(pieces, [(Point(0, 11 * S), stop)], until=stop)) == 1
    assert len(holes(pieces, [], until=stop)) == 1


def test_across_a_boot_an_interruption_is_always_owed() -> None:
    pieces = [media("a", 0, 10), media("b", 10, 20, boot=1)]
    assert len(holes(pieces, [])) == 1
    assert holes(pieces, [(Point(0, 10 * S), Point(1, 10 * S))]) == []


def test_order_in_the_journal_does_not_matter() -> None:
    assert holes([media("b", 10, 20), media("a", 0, 10), media("c", 20, 30)], []) == []
