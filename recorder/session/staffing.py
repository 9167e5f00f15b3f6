"""How many officers are signed in and what follows from it (art. 9; arts. 15, 23 want two). Pure.

Fewer than two warns, nobody keeps recording and is a fault from the beginning of the session to the first sign-in.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from recorder.session.code_look import ENOUGH

Warning: TypeAlias = Literal["no-officer", "one-officer"]


def warning(officers: int) -> Warning | None:
    """Id of the prompt, and ``code`` of the warning in answers and status."""
    if officers >= ENOUGH:
        return None
    return "one-officer" if officers else "no-officer"


def unattended(recording: bool, officers: int) -> bool:
    """Fault ``no-officer``: a recording that names nobody."""
    return recording and officers == 0


WARNING_TEXT: dict[Warning, dict[str, str]] = {
    "no-officer": {
        "code": "no-officer",
        "zh": "当前没有登记执法人员，请登记两名以上执法人员。",
        "en": "no officer is signed in; sign in two or more",
    },
    "one-officer": {
        "code": "one-officer",
        "zh": "当前仅登记一名执法人员，请登记第二名执法人员。",
        "en": "only one officer is signed in; sign in the second",
    },
}
