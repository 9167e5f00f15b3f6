"""Elapsed time across boots: never shorter than the unit was on, moved by no clock step, honest when no clock was set."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recorder.session.elapsed import BootClock, BootClocks
from recorder.session.events import Moment

A, B, C = (f"00000000-0000-4000-8000-00000000000{digit}" for digit in "abc")
HOUR = 3_600_000_000
T0 = 1_790_000_000_000_000
"""A wall clock that is set, µs since 1970."""


def at(us: int, boot: str = A, wall_us: int = 0) -> Moment:
    return Moment(us, boot, wall_us)


def test_within_a_boot_the_wall_clock_says_nothing() -> None:
    clocks = BootClocks([BootClock(A, 0, 10 * HOUR, T0)])
    assert clocks.elapsed(at(HOUR, A, T0 + 999 * HOUR), at(5 * HOUR, A, 0)).us == 4 * HOUR


def test_between_boots_the_wall_clocks_say_how_long_it_was_off() -> None:
    clocks = BootClocks([BootClock(A, 0, 2 * HOUR, T0), BootClock(B, 0, HOUR, T0 + 20 * HOUR)])
    elapsed = clocks.elapsed(at(HOUR), at(HOUR, B))
    assert (elapsed.us, elapsed.proven) == (20 * HOUR, True)


def test_a_clock_set_later_in_the_boot_speaks_for_all_of_it() -> None:
    # At the moment itself the clock said 1970; by the end of that boot GNSS had set it.
    clocks = BootClocks([BootClock(A, 0, 2 * HOUR, T0), BootClock(B, 0, HOUR, T0 + 30 * HOUR)])
    assert clocks.elapsed(at(HOUR, A, wall_us=17), at(0, B)).us == 29 * HOUR


def test_a_clock_that_was_never_set_leaves_the_time_the_unit_was_on() -> None:
    clocks = BootClocks(
        [BootClock(A, 0, 2 * HOUR, 0), BootClock(B, 100, 3 * HOUR + 100, T0), BootClock(C, 0, HOUR, T0)]
    )
    elapsed = clocks.elapsed(at(HOUR), at(HOUR, C))
    assert (elapsed.us, elapsed.proven) == (HOUR + 3 * HOUR + HOUR, False)


def test_a_wall_clock_turned_back_cannot_shorten_what_the_unit_was_on() -> None:
    clocks = BootClocks([BootClock(A, 0, 9 * HOUR, T0), BootClock(B, 0, 9 * HOUR, T0 - 50 * HOUR)])
    assert clocks.elapsed(at(HOUR), at(9 * HOUR, B)).us == 17 * HOUR


def test_a_boot_older_than_what_is_remembered_counts_by_its_own_claim() -> None:
    clocks = BootClocks([BootClock(B, 0, HOUR, T0)])
    assert clocks.elapsed(at(5, A, T0 - 3 * HOUR), at(HOUR, B)).us == 4 * HOUR
    assert not clocks.elapsed(at(5, A, 0), at(HOUR, B)).proven


def test_nothing_has_passed_when_the_end_lies_in_an_earlier_boot() -> None:
    clocks = BootClocks([BootClock(A, 0, 30 * HOUR, T0), BootClock(B, 0, HOUR, T0 + 31 * HOUR)])
    assert clocks.elapsed(at(HOUR, B), at(25 * HOUR, A)).us == 0


def test_of_two_boots_older_than_what_is_remembered_the_wall_clocks_say_which_came_first() -> None:
    clocks = BootClocks([BootClock(C, 0, HOUR, T0)])
    early, late = at(9 * HOUR, A, T0 - 80 * HOUR), at(HOUR, B, T0 - 60 * HOUR)
    assert clocks.before(early, late) and not clocks.before(late, early)


boots = st.lists(
    st.tuples(st.integers(0, HOUR), st.integers(0, 40 * HOUR), st.integers(0, 90 * HOUR), st.booleans()),
    min_size=2,
    max_size=5,
)


@given(boots, st.data())
def test_elapsed_is_never_less_than_the_time_on_and_grows_with_time(
    shape: list[tuple[int, int, int, bool]], data: st.DataObject
) -> None:
    names = [f"00000000-0000-4000-8000-0000000000{index:02d}" for index in range(len(shape))]
    offset, clocks = T0, []
    for name, (first, length, off, is_set) in zip(names, shape, strict=True):
        clocks.append(BootClock(name, first, first + length, offset if is_set else 0))
        offset += length + off
    book = BootClocks(clocks)
    start = at(data.draw(st.integers(clocks[0].first_us, clocks[0].last_us)), names[0])
    early = data.draw(st.integers(clocks[-1].first_us, clocks[-1].last_us))
    late = data.draw(st.integers(early, clocks[-1].last_us))
    on = (
        clocks[0].last_us
        - start.at_us
        + sum(c.last_us - c.first_us for c in clocks[1:-1])
        + early
        - clocks[-1].first_us
    )
    one, two = book.elapsed(start, at(early, names[-1])), book.elapsed(start, at(late, names[-1]))
    assert one.us >= on
    assert one.us <= two.us
    assert one.proven == (clocks[0].is_set and clocks[-1].is_set)
