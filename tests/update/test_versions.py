"""The order of versions is dpkg's own."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.update.versions import newer
from tests.support import require_program

ORDERED = (
    "0.1.0~git20261126.1a2b3c4+deb13",
    "0.1.0~rc1",
    "0.1.0",
    "0.1.0+deb13",
    "0.1.1",
    "0.9.0",
    "0.10.0",
    "1.0-1",
    "1.0-2",
    "1.0a",
    "1:0.1",
)
TEXTS = st.from_regex(r"[0-9][0-9a-zA-Z.+~]{0,8}(-[0-9a-z.+~]{1,4})?", fullmatch=True).filter(lambda v: v[-1] != "\n")


def test_the_order() -> None:
    for at, older in enumerate(ORDERED):
        for other, later in enumerate(ORDERED):
            assert newer(later, older) == (other > at), (later, older)


def test_it_is_dpkgs_order() -> None:
    dpkg = require_program("dpkg")
    for older in ORDERED:
        for later in ORDERED:
            done = subprocess.run([dpkg, "--compare-versions", later, "gt", older], check=False)
            assert (done.returncode == 0) == newer(later, older), (later, older)


@given(TEXTS, TEXTS)
def test_of_two_versions_one_is_newer_or_they_are_equal(one: str, other: str) -> None:
    assert not (newer(one, other) and newer(other, one))
    assert not newer(one, one)


@pytest.mark.parametrize(("one", "other"), [("1.0", "1.00"), ("1.0-0", "1.0"), ("0:2", "2")])
def test_written_otherwise_it_is_the_same(one: str, other: str) -> None:
    assert not newer(one, other) and not newer(other, one)
