"""The checklist of art. 22 in the regulation's order, and what a stop finds missing."""

from __future__ import annotations

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from recorder.config.models import CheckPoint
from recorder.session.marks import CHECKLIST, MARKS, covered, missing

KINDS = st.sets(st.sampled_from([*MARKS, "of-another-time"]))


def test_the_checklist_is_the_certificates_and_the_six_points() -> None:
    assert CHECKLIST == ("cert-shown", *(f"art22-{n}" for n in range(1, 7))) == get_args(CheckPoint)
    assert [MARKS[kind].article for kind in CHECKLIST] == ["9(1)", *(f"22({n})" for n in range(1, 7))]
    assert MARKS["cert-shown"].zh == "出示证件"


@given(marked=KINDS, asked=st.sets(st.sampled_from(CHECKLIST)))
def test_every_point_asked_for_is_covered_or_missing(marked: set[str], asked: set[str]) -> None:
    assert set(covered(marked)) == marked & set(CHECKLIST)
    lacking = missing(marked, asked)
    assert set(lacking) == asked - marked
    assert list(lacking) == [kind for kind in CHECKLIST if kind in lacking], "in the order of the regulation"
