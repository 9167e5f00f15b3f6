"""docs/verification.md says what the code does: every code with its axis, every value, every limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder.evidence.verify import bounds, timeline
from recorder.evidence.verify.catalogue import AXES, KINDS

TEXT = (Path(__file__).parents[3] / "docs" / "verification.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", KINDS)
def test_every_code_stands_there_with_its_axis(code: str) -> None:
    kind = KINDS[code]
    effect = f"{kind.axis}: `{kind.value}`" if kind.value else "—" if kind.finding else "说明 note"
    assert f"| `{code}` | {effect} |" in TEXT


def test_every_value_and_limit_stands_there() -> None:
    for values in AXES.values():
        for value in values:
            assert f"`{value}`" in TEXT
    for limit in (
        f"**{timeline.SEAM_US / 1e6:g} s**",
        f"**{timeline.CONTINUITY_US / 1e6:g} s**",
        f"**{bounds.CLOCK_TOLERANCE_S:g} s**",
        f"**{bounds.PROVEN_WITHIN_S / 86400:g} days**",
    ):
        assert limit in TEXT
