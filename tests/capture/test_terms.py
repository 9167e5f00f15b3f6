from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recorder.capture.segment_writer import Sealer
from recorder.capture.terms import Terms
from recorder.capture.watermark import Watermark
from recorder.channel.messages import Overlay
from recorder.evidence.age import AgeEncryptor, generate_identity
from tests.capture.doubles import ManualClock


class Recording(Watermark):
    """Remembers what it was told to draw."""

    def __init__(self) -> None:
        self.drawn: list[tuple[str, ...]] = []
        super().__init__(ManualClock(), 0, 16, "z")

    def set_text(self, device_id: str, officers: tuple[str, ...]) -> None:
        self.drawn.append(officers)
        super().set_text(device_id, officers)


def overlay(*officers: str) -> Overlay:
    return Overlay(camera_id="cam0", at_us=0, device_id="z", officers=officers)


def sealer(recipients: Sequence[str]) -> Sealer:
    return AgeEncryptor(recipients)


def test_recipients_hold_from_the_next_segment_on() -> None:
    first, second = generate_identity().recipient, generate_identity().recipient
    terms = Terms((first,), sealer, None, lambda evidence: None)
    assert terms.snapshot().recipients == (first,)
    terms.set_recipients((first, second))
    taken = terms.snapshot()
    assert taken.recipients == (first, second) and taken.sealer is not None
    terms.set_recipients(())
    assert (terms.snapshot().recipients, terms.snapshot().sealer) == ((), None)


def test_every_file_has_its_own_key() -> None:
    terms = Terms((generate_identity().recipient,), sealer, None, lambda evidence: None)
    first, second = terms.snapshot().sealer, terms.snapshot().sealer
    assert first is not None and second is not None and first.header != second.header


def test_an_unusable_recipient_is_left_out_and_reported() -> None:
    good = generate_identity().recipient
    faults: list[dict[str, Any]] = []
    terms = Terms((good, "age1nonsense"), sealer, None, faults.append)
    assert terms.snapshot().recipients == (good,)
    assert faults[0]["left_out"] == 1 and faults[0]["sealed"] is True
    terms.set_recipients(("age1nonsense",))
    assert terms.snapshot().sealer is None
    assert faults[1]["sealed"] is False


def test_overlay_waits_for_the_next_segment_while_recording() -> None:
    mark = Recording()
    terms = Terms((), sealer, mark, lambda evidence: None)
    terms.set_overlay(overlay("1"))
    assert list(mark.drawn[-1]) == ["1"]  # outside a session at once
    terms.set_recording(True)
    assert list(terms.snapshot().officers) == ["1"]
    terms.set_overlay(overlay("1", "2"))
    assert mark.drawn[-1:] == [("1",)]
    assert list(terms.snapshot().officers) == ["1", "2"]
    assert list(mark.drawn[-1]) == ["1", "2"]
    terms.set_overlay(overlay())
    terms.set_recording(False)
    assert list(mark.drawn[-1]) == []
