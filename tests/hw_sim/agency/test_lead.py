"""Taking the lead: a step that fails holds up no other and is done later."""

from __future__ import annotations

import json
from pathlib import Path

from firmware_bridge.clock import SystemClock
from hw_sim.agency.store.alarms import Alarms
from hw_sim.agency.store.lead import Takeover


def test_a_step_that_fails_holds_up_no_other_and_is_tried_until_it_succeeds(tmp_path: Path) -> None:
    done: list[str] = []
    failures = ["twice", "once"]

    def recover() -> None:
        if failures:
            raise OverflowError(failures.pop())
        done.append("recover")

    path = tmp_path / "alarms.log"
    takeover = Takeover(
        (
            ("first", lambda: done.append("first")),
            ("recover", recover),
            ("fleet", lambda: done.append("fleet")),
        ),
        Alarms(path, SystemClock()),
    )
    finished = []
    for _ in range(4):
        takeover.run()
        finished.append((takeover.done, list(done)))
    assert finished == [
        (False, ["first", "fleet"]),
        (False, ["first", "fleet"]),
        (True, ["first", "fleet", "recover"]),
        (True, ["first", "fleet", "recover"]),
    ]
    entries = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [(entry["alarm"], entry["step"]) for entry in entries] == [("takeover-step-failed", "recover")]
