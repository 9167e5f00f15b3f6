"""When the lens is watched, and when not."""

from __future__ import annotations

import pytest

from recorder.session.code_look import CodeLook
from recorder.session.staffing import WARNING_TEXT, unattended, warning

S = 1_000_000


def test_a_window_opens_while_officers_are_lacking_and_ends_by_itself() -> None:
    look = CodeLook(60 * S)
    assert look.open(10 * S, 0) and look.until_us == 70 * S
    look.tick(69 * S)
    assert look.until_us == 70 * S
    look.tick(70 * S)
    assert look.until_us == 0


def test_two_officers_are_enough_unless_somebody_asks() -> None:
    look = CodeLook(60 * S)
    assert not look.open(1, 2)
    assert look.open(1, 2, asked=True)
    assert look.signed_in(3) and look.until_us == 0
    assert not look.signed_in(4), "the workers know already"


def test_one_officer_does_not_end_it() -> None:
    look = CodeLook(60 * S)
    look.open(0, 0)
    assert not look.signed_in(1) and look.until_us


def test_zero_seconds_are_never() -> None:
    look = CodeLook(0)
    assert not look.open(1, 0) and not look.open(1, 0, asked=True)


@pytest.mark.parametrize(("officers", "expected"), [(0, "no-officer"), (1, "one-officer"), (2, None), (5, None)])
def test_fewer_than_two_warn(officers: int, expected: str | None) -> None:
    assert warning(officers) == expected
    short = warning(officers)
    assert short is None or all(WARNING_TEXT[short].values())


def test_nobody_matters_only_while_recording() -> None:
    assert [unattended(recording, count) for recording in (False, True) for count in (0, 1)] == [
        False,
        False,
        True,
        False,
    ]
