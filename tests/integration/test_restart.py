"""``restart`` of the real unit process as far as its service manager: how it ends, and what systemd makes of that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.rig import Rig, paper_agency, parsed
from tests.systemd.after_exit import AfterExit, after_exit
from tests.systemd.units import SYSTEMD

NO_NETWORK: dict[str, Any] = {"uplink": {"enabled": False}, "mqtt": {"enabled": False}}


@pytest.mark.timeout(120)
def test_the_process_ends_so_that_systemd_starts_the_next_and_the_shift_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agency, authority = paper_agency(tmp_path / "agency")
    with Rig(tmp_path / "run", agency, NO_NETWORK) as rig:
        authority.publish_trust(rig.layout.trust, rig.layout.identity)
        rig.start()
        refused = rig.ctl("restart")
        assert refused.returncode != 0 and "no service manager" in refused.stderr
        assert rig.stop() == 0

        monkeypatch.setenv("INVOCATION_ID", "0" * 32)  # systemd.exec(5): as every service has it
        rig.start()
        assert parsed(rig.ctl("restart"))["code"] == "when-idle"
        rig.wait(lambda: not rig.unit.is_running("unit"), "it ends by itself")
        # The status of a process that has ended; nothing is sent to it any more.
        status = rig.unit.stop("unit")
        assert after_exit(SYSTEMD / "recorder-unit.service", status) == AfterExit(clean=True, again=True)
        rig.start()
        assert rig.stop() == 0

        shifts = rig.of("shift-start")
        assert len(shifts) == len(rig.of("shift-end")) == 2, "one of the process before, one of the two that took turns"
        assert [event["detail"] for event in rig.of("event") if event["event"] == "unit-restart"] == [
            {"asked_by": "control-socket"}
        ]
        downs = [event["detail"]["cause"] for event in rig.of("event") if event["event"] == "unit-down"]
        assert downs == ["orderly-stop"]
