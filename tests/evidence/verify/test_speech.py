"""Explanations and voice notes against the fragments they name: what holds, and every way in which one may not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recorder.evidence import records as r
from recorder.evidence.verify.report import Report, VaultReport
from recorder.export.report import render_html
from tests.evidence.verify.checking import check, codes
from tests.evidence.verify.spoken import SPOKEN, explain, explanation, finish, press, resumed, span, stored_digest
from tests.evidence.verify.vault_builder import FRAGMENT_US, BuiltSegment, VaultBuilder

SECOND = 1_000_000


def explained(tmp_path: Path, **changes: Any) -> VaultReport:
    b, gap, before, after = resumed()
    explain(b, gap, before, after, **changes)
    return check(finish(b, after), tmp_path)


def test_a_confirmed_explanation_holds_and_explains_the_gap(tmp_path: Path) -> None:
    vault = explained(tmp_path)
    assert codes(vault) == {"gap-explained"}
    assert "confirmed by the button" in vault.findings[0].en
    assert vault.axes["completeness"] == "gap" and vault.axes["integrity"] == "intact"
    assert not vault.valid, "an explained gap is a gap"
    (gap,) = vault.gaps
    assert (gap.confirmed, gap.counted, gap.explained, gap.stated) == ("button", True, True, False)
    assert gap.speech_us == 18 * FRAGMENT_US


def test_speech_nobody_confirmed_is_shown_and_does_not_count(tmp_path: Path) -> None:
    vault = explained(tmp_path, confirmed="speech", counts=False, mark_id=None)
    assert codes(vault) == {"gap-unexplained"}
    assert "speech was detected; nobody confirmed it" in vault.findings[0].en
    (gap,) = vault.gaps
    assert (gap.confirmed, gap.counted, gap.explained) == ("speech", False, False)


def test_where_the_configuration_counts_speech_it_says_that_nobody_confirmed_it(tmp_path: Path) -> None:
    vault = explained(tmp_path, confirmed="speech", counts=True, mark_id=None)
    assert codes(vault) == {"gap-explained"}
    assert "speech detected only" in vault.findings[0].en


def test_a_class_chosen_later_is_shown_beside_the_confirmed_explanation(tmp_path: Path) -> None:
    b, gap, before, after = resumed()
    explain(b, gap, before, after)
    b.append(explanation(gap, before, after, confirmed="choice", counts=False, legal_cause="天气恶劣", speech=()))
    vault = check(finish(b, after), tmp_path)
    assert codes(vault) == {"gap-explained"}
    assert (vault.gaps[0].confirmed, vault.gaps[0].legal_cause) == ("button", "天气恶劣")


def test_the_report_shows_how_it_was_confirmed_and_whether_it_counted(tmp_path: Path) -> None:
    b, gap, before, after = resumed()
    explain(b, gap, before, after)
    html = render_html(Report("vault", (check(finish(b, after), tmp_path),)))
    assert "3.60 s 按键确认" in html


Change = Callable[[VaultBuilder, BuiltSegment, BuiltSegment], dict[str, Any]]

DIGEST = "A" * 43


def shifted(entries: int) -> Change:
    """Another place in the same segment, everything else as it was."""
    return lambda b, before, after: {
        "speech": (
            span(
                after,
                start_us=span(after).start_us - entries * FRAGMENT_US,
                end_us=span(after).end_us - entries * FRAGMENT_US,
            ),
        )
    }


WRONG: dict[str, tuple[Change, str]] = {
    "another digest": (lambda b, before, after: {"speech": (span(after, sha256=DIGEST),)}, "speech-altered"),
    "the digest of other entries": (
        lambda b, before, after: {"speech": (span(after, sha256=span(after, 4, 21).sha256),)},
        "speech-altered",
    ),
    "other times": (shifted(1), "speech-altered"),
    "other entries": (
        lambda b, before, after: {"speech": (span(after).model_copy(update={"first": 2}),)},
        "speech-altered",
    ),
    "another beginning in the file": (
        lambda b, before, after: {"speech": (span(after, start_offset=0),)},
        "speech-altered",
    ),
    "another end in the file": (
        lambda b, before, after: {"speech": (span(after, end_offset=after.entry_offset(SPOKEN[1] + 1) + 1),)},
        "speech-altered",
    ),
    "entries that were not signed yet": (
        lambda b, before, after: {
            "speech": (span(after, end_us=span(after).end_us + 10 * FRAGMENT_US),),
            "mark_id": press(b, after, at_us=after.end_us + 10 * FRAGMENT_US),
        },
        "speech-misplaced",
    ),
    "the segment before the gap": (
        lambda b, before, after: {"speech": (span(before, 1, 5), span(after))},
        "speech-misplaced",
    ),
    "a segment nobody opened": (
        lambda b, before, after: {"speech": (span(after, segment_id=b.new_id()),)},
        "speech-misplaced",
    ),
    "the same speech twice": (lambda b, before, after: {"speech": (span(after), span(after))}, "speech-misplaced"),
    "too little speech": (lambda b, before, after: {"speech": (span(after, 3, 16),)}, "explanation-unfounded"),
    "no speech": (lambda b, before, after: {"speech": ()}, "explanation-unfounded"),
    "a choice that counts": (
        lambda b, before, after: {"confirmed": "choice", "legal_cause": "天气恶劣"},
        "explanation-unfounded",
    ),
    "no press": (lambda b, before, after: {"mark_id": None}, "explanation-unfounded"),
    "a press nobody recorded": (lambda b, before, after: {"mark_id": b.new_id()}, "explanation-unfounded"),
    "an ordinary mark": (lambda b, before, after: {"mark_id": press(b, after, kind="key")}, "explanation-unfounded"),
    "a press before it was said": (
        lambda b, before, after: {"mark_id": press(b, after, at_us=after.start_us + FRAGMENT_US)},
        "explanation-unfounded",
    ),
    "another fragment before the gap": (
        lambda b, before, after: {"before_sha256": stored_digest(before, 2)},
        "explanation-sides",
    ),
    "no fragment before the gap": (lambda b, before, after: {"before_sha256": None}, "explanation-sides"),
    "another fragment after the gap": (
        lambda b, before, after: {"after_sha256": stored_digest(after, 2)},
        "explanation-sides",
    ),
    "no fragment after the gap": (lambda b, before, after: {"after_sha256": None}, "explanation-sides"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_planted_explanation_signed_by_the_devices_own_key_is_named_and_explains_nothing(
    what: str, tmp_path: Path
) -> None:
    change, code = WRONG[what]
    b, gap, before, after = resumed()
    explain(b, gap, before, after, **change(b, before, after))
    vault = check(finish(b, after), tmp_path)
    assert codes(vault) == {code, "gap-unexplained"}
    assert vault.gaps[0].explained is False


def test_an_explanation_from_another_recording_is_named(tmp_path: Path) -> None:
    b, gap, before, after = resumed()
    b.fill_end(after)
    b.close_segment(after)
    b.session_stop(after.end_us)
    b.session_start()
    other = b.open_segment()
    b.fill(other, 24, close=False)
    explain(b, gap, before, after, speech=(span(other),), mark_id=press(b, other, session_id=after.session_id))
    vault = check(finish(b, other), tmp_path)
    assert "speech-misplaced" in codes(vault) and "gap-unexplained" in codes(vault)


def test_an_explanation_of_a_gap_that_does_not_exist(tmp_path: Path) -> None:
    b, _, before, after = resumed()
    explain(b, b.new_id(), before, after)
    assert codes(check(finish(b, after), tmp_path)) == {"explanation-gap-unknown", "gap-unexplained"}


@pytest.mark.parametrize(
    ("begin_us", "end_us", "clean"), [(-2 * SECOND, -SECOND // 2, True), (-2 * SECOND, -499_999, False)]
)
def test_the_units_own_prompt_and_half_a_second_behind_it_are_no_explanation(
    begin_us: int, end_us: int, clean: bool, tmp_path: Path
) -> None:
    b, gap, before, after = resumed()
    start = span(after).start_us
    detail = {"id": "resumed", "from_us": start + begin_us, "to_us": start + end_us}
    b.append(r.Event(event="prompt", at_us=b.us, detail=detail))
    explain(b, gap, before, after)
    found = codes(check(finish(b, after), tmp_path))
    assert found == ({"gap-explained"} if clean else {"speech-own-voice", "gap-unexplained"})


def test_an_answer_put_in_the_place_of_another_in_the_file_is_found(tmp_path: Path) -> None:
    """Other media in the fragments that hold the explanation: the file no longer is what was signed."""
    b, gap, before, after = resumed()
    explain(b, gap, before, after)
    finish(b, after)
    after.stored[5] = after.stored[5][:-100] + bytes(100)
    after.stored[6], after.stored[7] = after.stored[7], after.stored[6]
    vault = check(b, tmp_path)
    assert {"segment-altered", "speech-damaged"} <= codes(vault)
    assert vault.axes["integrity"] == "altered"


def test_where_nothing_of_the_last_segment_was_signed_the_one_before_it_counts(tmp_path: Path) -> None:
    """Two gaps in a row: the segment between them never got an entry."""
    b, gap, before, after = resumed()
    explain(b, gap, before, after)
    b.fill_end(after)
    b.close_segment(after)
    empty = b.open_segment()
    b.recover(empty, 0)
    second = b.interruption(empty, "worker-crash", after.end_us, b.bootseed)
    b.wait(2)
    last = b.open_segment()
    b.resumption(second, last, last.start_us - after.end_us, "boottime")
    b.fill(last, 24, close=False)
    explain(b, second, after, last, mark_id=press(b, last))
    vault = check(finish(b, last), tmp_path)
    assert codes(vault) == {"gap-explained"}
    assert len(vault.gaps) == 2


def note(b: VaultBuilder, after: BuiltSegment, **changes: Any) -> None:
    values: dict[str, Any] = {
        "note_id": b.new_id(),
        "session_id": after.session_id,
        "from_us": after.start_us,
        "to_us": after.end_us,
        "ended": "press",
        "speech": (span(after, 2, 4), span(after, 7, 9)),
    }
    b.append(r.Note(**(values | changes)))


def noted(tmp_path: Path, **changes: Any) -> set[str]:
    b, gap, before, after = resumed()
    explain(b, gap, before, after)
    note(b, after, **changes)
    return codes(check(finish(b, after), tmp_path)) - {"gap-explained"}


def test_a_voice_note_holds(tmp_path: Path) -> None:
    assert noted(tmp_path) == set()


def test_a_voice_note_that_does_not_hold_is_named(tmp_path: Path) -> None:
    _, _, before, after = resumed()
    assert noted(tmp_path / "a", to_us=after.start_us + FRAGMENT_US) == {"speech-misplaced"}
    assert noted(tmp_path / "b", speech=(span(after, 2, 4, sha256=DIGEST),)) == {"speech-altered"}
    assert noted(tmp_path / "c", speech=(span(before, 2, 4),)) != set()


def test_with_lines_missing_an_explanation_is_not_called_false_for_what_they_held(tmp_path: Path) -> None:
    b, gap, before, after = resumed()
    explain(b, gap, before, after)
    finish(b, after)
    del b.files[0][6]
    found = codes(check(b, tmp_path))
    assert "journal-lines-missing" in found or "journal-chain-broken" in found
    assert not found & {"speech-altered", "speech-misplaced", "explanation-sides", "explanation-unfounded"}
