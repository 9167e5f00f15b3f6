"""What a change among the evidence files means, case by case."""

from __future__ import annotations

import pytest

from recorder.session.evidence_watch import Change, Rules, Verdict, judge

S = "00000000-0000-4000-8000-000000000001"
RULES = Rules(open_segment=lambda segment: segment == S, released=lambda segment: segment == S, durable_seq=500)
CLOSED = Rules(open_segment=lambda segment: False, released=lambda segment: False, durable_seq=500)


@pytest.mark.parametrize(
    ("path", "change", "expected"),
    [
        (f"segments/{S}/{S}.mp4.age", "removed", "evidence-deleted"),
        (f"segments/{S}/{S}.mp4", "removed", "evidence-deleted"),
        (f"segments/{S}/{S}.torn", "removed", "evidence-deleted"),
        (f"segments/{S}/{S}.mp4.age", "altered", "evidence-altered"),
        ("journal/000000000000.jws", "removed", "evidence-deleted"),
        ("journal/000000000500.jws", "altered", "evidence-altered"),
        ("journal/000000000501.jws", "removed", None),
        ("journal/torn/000-000-0-0123.torn", "removed", "evidence-deleted"),
        (f"receipts/{S}.jws", "removed", "evidence-deleted"),
        (f"receipts/{S}.jws", "altered", None),
        (f"receipts/.{S}.jws.new", "removed", None),
        ("statements/gap.docx.age", "removed", "evidence-deleted"),
        ("statements/gap.docx.age", "altered", "evidence-altered"),
        (f"segments/{S}/{S}.mp4", "replaced", "evidence-altered"),
        ("journal/000000000000.jws", "replaced", "evidence-altered"),
        (f"receipts/{S}.jws", "replaced", None),
        (f"segments/{S}", "removed", "evidence-deleted"),
        ("segments", "removed", "evidence-deleted"),
        ("journal/torn", "removed", "evidence-deleted"),
        ("run", "removed", None),
        ("index.db", "removed", None),
        (f"segments/{S}/notes.txt", "removed", None),
    ],
)
def test_somebody_elses_hand(path: str, change: Change, expected: Verdict | None) -> None:
    assert judge(path, change, False, CLOSED) == expected


def test_the_units_own_hand_is_never_a_finding() -> None:
    for change in ("removed", "altered"):
        assert judge(f"segments/{S}/{S}.mp4.age", change, True, CLOSED) is None
        assert judge("journal/000000000000.jws", change, True, CLOSED) is None


def test_a_worker_may_write_to_its_open_segment_and_a_released_one_may_go() -> None:
    assert judge(f"segments/{S}/{S}.mp4.age", "altered", False, RULES) is None
    assert judge(f"segments/{S}/{S}.mp4.age", "removed", False, RULES) is None
    open_only = Rules(lambda segment: True, lambda segment: False, 0)
    assert judge(f"segments/{S}/{S}.mp4.age", "removed", False, open_only) == "evidence-deleted"
