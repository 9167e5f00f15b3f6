"""A missing program is a printed skip on a desk and a failure in CI."""

from __future__ import annotations

import pytest

from tests.support import leave_to_ci, require_program, tier


def test_a_program_that_is_there() -> None:
    assert require_program("sh").endswith("/sh")


def test_a_missing_program_skips_with_its_name_on_a_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-program"):
        require_program("no-such-program")


def test_a_missing_program_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-program"):
        require_program("no-such-program")


def test_the_set_of_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECORDER_TESTS", raising=False)
    monkeypatch.delenv("CI", raising=False)
    assert tier() == "quick"
    monkeypatch.setenv("CI", "true")
    assert tier() == "ci"
    monkeypatch.setenv("RECORDER_TESTS", "nightly")
    assert tier() == "nightly"


def test_what_is_left_to_ci_says_so_on_a_desk_and_runs_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECORDER_TESTS", raising=False)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="a long shift"):
        leave_to_ci("a long shift")
    monkeypatch.setenv("CI", "true")
    leave_to_ci("a long shift")
    monkeypatch.setenv("RECORDER_TESTS", "nightly")
    leave_to_ci("a long shift")
