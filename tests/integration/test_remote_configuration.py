"""A configuration from the admin's command line to the real unit: taken up, refused, taken back, killed between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hw_sim.agency.agency import Agency
from hw_sim.runner.frame_audit import OpenSegment, audit
from tests.integration.fleet_kit import Admin
from tests.integration.rig import Rig, recorder
from tests.support import leave_to_ci

QUICK: dict[str, Any] = {"remote": {"probation_s": 4, "unready_s": 20}}
PUSH = ("--soak", "0", "--poll", "0.5", "--abort-if", "refused=0,rolled-back=0,faulty=100", "--wait", "--json")


def told(rig: Rig) -> dict[str, Any]:
    """What the unit says of configurations from afar."""
    found = rig.unit.status().get("config", {}).get("remote")
    return found if isinstance(found, dict) else {}


@pytest.mark.timeout(240)
def test_from_the_command_line_to_the_segment_boundary_and_back(agency: Agency, tmp_path: Path) -> None:
    unit = "zfy-remote-1"
    admin = Admin(tmp_path / "admin", agency)
    with Rig(tmp_path / "run", agency, QUICK, unit_id=unit) as rig:
        rig.enrol(agency)
        rig.start()
        rig.unit.start_uplink()
        rig.record()
        rig.wait(lambda: told(rig).get("state") == "none", "it says that nothing was pushed")
        (worker,) = rig.unit.worker_pids()

        # Pushed while it records: in force from the next segment on, not a frame is lost for it. The new length counts for
        # the segment that is open, too, so one of the old length is waited for.
        rig.wait(lambda: rig.of("segment-close") != [], "a segment of the old length")
        good = admin.layer("good", "[capture]\nsegment_s = 2\n[uplink]\njournal_interval_s = 1\n")
        code, out, err = admin.fleet("config", "push", str(good), "--units", unit, *PUSH)
        assert code == 0, (out, err, told(rig))
        rollout = json.loads(out)
        assert rollout["phase"] == "done" and rollout["members"][0]["state"] == "applied"
        assert rig.unit.status()["recording"] and rig.unit.worker_pids() == [worker]
        shown = json.loads(recorder("config", "show", "--json", "--config", str(rig.config)).stdout)
        heard = admin.unit(unit)
        assert heard["reported"]["message"]["effective"] == shown["sha256"] == rig.of("config")[-1]["sha256"]
        assert heard["delta"] == [] and heard["reported"]["message"]["state"] == "applied"
        rig.wait(lambda: "uplink.settings-changed" in rig.log("uplink"), "the uplink reads its own settings again")

        # In error only together with the unit's own files: refused there, with key and line, and the old one stays.
        bad = admin.layer("bad", "# night\n[night]\non_below_lux = 900\n")
        code, out, _ = admin.fleet("config", "push", str(bad), "--units", unit, *PUSH)
        rollout = json.loads(out)
        assert code == 1 and rollout["why"]["code"] == "refused", rollout
        (error,) = admin.unit(unit)["reported"]["message"]["errors"]
        assert (error["file"], error["line"], error["key"]) == ("pushed.toml", 3, "night.on_below_lux")
        assert error["zh"] and error["en"] and error["pointer"] == "/night/on_below_lux"
        assert told(rig)["layer"]["version"] == 1

        # An older one is none any more.
        admin.send(unit, 1, "")
        rig.wait(lambda: (told(rig).get("rejected") or {}).get("version") == 1, "the replay is refused")
        assert (
            told(rig)["rejected"]["code"] == "desired-version-reused"
            or told(rig)["rejected"]["code"] == "desired-replayed"
        )
        assert told(rig)["layer"]["version"] == 1

        since = rig.signed()
        rig.wait(lambda: rig.signed() >= since + 2, "segments of the new length")
        rig.end_recording()
        assert rig.stop() == 0
        rig.unit.stop("uplink")
        lengths = [(close["media_end_us"] - close["media_start_us"]) / 1e6 for close in rig.of("segment-close")]
        assert lengths[0] > 2.5 and min(lengths[1:-1]) < 2.5, lengths
        assert rig.of("interruption") == []
        seen = audit(rig.view(), OpenSegment([rig.layout.unit], rig.layout.identity))
        assert (seen.missing, seen.repeated, seen.declared_dropped, seen.unopened) == (0, 0, 0, ())
        commands = [
            (each["name"], each["source"], each["result"]) for each in rig.of("command") if each["source"] == "mqtt"
        ]
        assert commands[0] == ("config", "mqtt", "accepted") and ("config", "mqtt", "refused") in commands
        verdict = rig.verify(identity=rig.layout.identity)
        assert verdict["integrity"] == "intact"
        assert verdict["commands_checked"] == verdict["commands"] > 1, "each by the agency's own line"


@pytest.mark.timeout(240)
def test_what_the_unit_is_not_well_with_is_taken_back_and_a_kill_between_loses_nothing(
    agency: Agency, tmp_path: Path
) -> None:
    leave_to_ci("下发配置的撤回 a push that is taken back, 35 s")
    unit = "zfy-remote-2"
    admin = Admin(tmp_path / "admin", agency)
    with Rig(tmp_path / "run", agency, QUICK, unit_id=unit) as rig:
        rig.enrol(agency)
        rig.start()
        rig.unit.start_uplink()
        rig.wait(lambda: told(rig).get("state") == "none", "it says that nothing was pushed")
        before = told(rig)["effective"]

        # Accepted while it records, needs another worker, and waits; then the process is killed in between.
        rig.record()
        admin.send(unit, 1, "[cameras.cam0]\nbitrate_kbps = 800\n")
        rig.wait(lambda: told(rig).get("waiting") == ["cameras.cam0.bitrate_kbps"], "accepted, and waits")
        assert (told(rig)["state"], told(rig)["why"]["code"]) == ("pending", "recording")
        rig.unit.kill("unit")
        rig.start()
        rig.wait(lambda: told(rig).get("state") == "applied", "in force with the next start")
        first = told(rig)
        assert first["effective"] != before and first["layer"] == {
            "version": 1,
            "digest": first["digest"],
            "in_force": True,
        }
        rig.end_recording()
        rig.wait(lambda: not told(rig)["probation"], "healthy for the whole probation")

        # The camera falls silent with the next one: back to the one before, by itself, and signed.
        admin.send(unit, 2, "[watermark]\nmargin_px = 8\n")
        rig.wait(
            lambda: told(rig).get("version") == 2 and told(rig)["state"] == "applied",
            "in force after a quiet moment",
            40,
        )
        rig.world.set("camera.failure", "stuck")
        rig.wait(lambda: told(rig).get("state") == "rolled-back", "taken back", 90)
        rig.world.set("camera.failure", "ok")
        rig.wait(lambda: told(rig)["effective"] == first["effective"], "what was good is in force again", 60)
        assert told(rig)["layer"]["version"] == 1
        rig.wait(rig.ready, "and the unit delivers")
        rig.record()
        rig.end_recording()
        assert rig.stop() == 0
        rig.unit.stop("uplink")
        (event,) = [each for each in rig.of("event") if each["event"] == "config-rolled-back"]
        assert (event["detail"]["version"], event["detail"]["back_to"]) == (2, 1)
        assert event["detail"]["code"] in ("camera-silent", "worker-restarts", "faults")
        # The kill left a torn segment, as any kill does; nothing else is wrong.
        assert rig.verify(identity=rig.layout.identity)["integrity"] == "incomplete"
        said = admin.unit(unit)["reported"]["message"]
        assert (said["version"], said["state"], said["layer"]["version"]) == (2, "rolled-back", 1)
