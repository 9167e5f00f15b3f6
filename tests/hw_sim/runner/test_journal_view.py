"""What a run's journal is said to hold: every file that was finished, under whatever record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hw_sim.runner import journal_view
from tests.hw_sim.runner.plain_journal import SESSION, PlainJournal, named


def recovery(segment_id: str, outcome: str, kept_bytes: int) -> dict[str, Any]:
    return {
        "subject": "segment",
        "segment_id": named(segment_id),
        "session_id": SESSION,
        "outcome": outcome,
        "kept_bytes": kept_bytes,
        "sha256": None,
    }


def test_a_file_that_only_a_recovery_names_is_a_file_too(tmp_path: Path) -> None:
    """The worker had made it, and the unit process was killed before it heard of it: it is uploaded like the others."""
    journal = PlainJournal(tmp_path)
    journal.segment("announced", closed=False)
    journal.add("recovery", **recovery("announced", "kept", 70_000))
    journal.add("recovery", **recovery("orphan", "kept", 140_000))
    journal.add("recovery", **recovery("empty-orphan", "empty", 0))

    view = journal_view.view(tmp_path)

    assert view.sizes == {named("announced"): 70_000, named("orphan"): 140_000}
    assert view.uploadable == {named("announced"), named("orphan")}
    assert set(view.segments) == {named("announced")}, "what no segment-open names has no camera and no place in time"
