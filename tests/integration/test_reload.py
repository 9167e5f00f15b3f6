"""A changed configuration in the real unit: taken up while it records, and not a frame is lost for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hw_sim.runner.frame_audit import OpenSegment, audit
from tests.integration.rig import Rig, paper_agency
from tests.support import leave_to_ci

NO_NETWORK: dict[str, Any] = {"uplink": {"enabled": False}, "mqtt": {"enabled": False}}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    agency, authority = paper_agency(tmp_path / "agency")
    with Rig(tmp_path / "run", agency, NO_NETWORK) as made:
        authority.publish_trust(made.layout.trust, made.layout.identity)
        yield made


def edit(rig: Rig, old: str, new: str) -> None:
    text = rig.config.read_text(encoding="utf-8")
    assert old in text, text
    rig.config.write_text(text.replace(old, new), encoding="utf-8")


def waiting(rig: Rig) -> Any:
    return rig.unit.status()["config"]["waiting"]


@pytest.mark.timeout(180)
def test_while_recording(rig: Rig) -> None:
    leave_to_ci("录制中的重新加载 a reload while recording, 21 s")
    rig.start()
    rig.record()
    rig.wait(lambda: rig.signed() >= 2, "a second segment")
    (before,) = rig.of("config")
    (worker,) = rig.unit.worker_pids()

    # Wrong: refused, recorded, and nothing else happens.
    edit(rig, "segment_s = 3", 'segment_s = "long"')
    rig.unit.hang_up("unit")
    rig.wait(lambda: len(rig.of("config")) == 2, "the refusal is recorded")
    refused = rig.of("config")[1]
    assert (refused["status"], refused["sha256"]) == ("refused", before["sha256"])
    assert any("segment_s" in error for error in refused["errors"])

    # Right: at the next segment; what needs another worker waits.
    edit(rig, 'segment_s = "long"', "segment_s = 2")
    edit(rig, "bitrate_kbps = 500", "bitrate_kbps = 800")
    rig.unit.hang_up("unit")
    rig.wait(lambda: len(rig.of("config")) == 3, "the new configuration is in force")
    applied = rig.of("config")[2]
    assert applied["status"] == "applied" and applied["sha256"] != before["sha256"]
    rig.wait(lambda: waiting(rig) == ["cameras.cam0.bitrate_kbps"], "what needs another worker waits")
    since = rig.signed()
    rig.wait(lambda: rig.signed() >= since + 3, "segments of the new length")
    assert rig.unit.worker_pids() == [worker], "nobody was restarted for it"
    rig.end_recording()
    rig.wait(lambda: len(rig.of("config")) == 4, "now the rest is in force, too")
    rig.wait(lambda: rig.unit.worker_pids() not in ([], [worker]), "a new worker, with another bit rate")
    (again,) = rig.unit.worker_pids()
    rig.wait(lambda: rig.unit.status()["cameras"]["cam0"]["worker_pid"] == again and rig.ready(), "it delivers")
    rig.wait(lambda: waiting(rig) == [], "nothing waits any more")
    assert rig.ctl("start").returncode == 0
    known = len(rig.view().segments)
    rig.wait(lambda: rig.signed(known) >= 1, "it records again")
    rig.end_recording()
    assert rig.stop() == 0

    lengths = [(close["media_end_us"] - close["media_start_us"]) / 1e6 for close in rig.of("segment-close")]
    assert max(lengths[:1]) > 2.5 and min(lengths[2:5]) < 2.5, lengths
    assert rig.of("interruption") == []
    assert "worker-crash" not in {fault["code"] for fault in rig.of("fault")}
    seen = audit(rig.view(), OpenSegment([rig.layout.unit], rig.layout.identity))
    assert (seen.missing, seen.repeated, seen.declared_dropped, seen.unopened) == (0, 0, 0, ())
