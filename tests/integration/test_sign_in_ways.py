"""One officer shows a QR code to the lens, the other is assigned over MQTT: real worker, real mosquitto, real processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.agency import Agency
from hw_sim.agency.authority import Authority
from recorder.evidence.age import parse_identities
from recorder.evidence.base import SealedField
from recorder.evidence.personal import open_field
from tests.integration.rig import Rig, everything_below, parsed, recorder

OFFICERS = (("欧阳建国", "13010077665544"), ("司徒静怡", "13010099887766"))
UNIT = "zfy-ways"
PICTURE = {"cameras": {"cam0": {"width": 640, "height": 360, "frame_rate": 15, "bitrate_kbps": 800}}}


def assigned(rig: Rig) -> list[dict[str, Any]]:
    return [payload for payload in rig.of("command") if payload["name"] == "assign"]


@pytest.mark.timeout(150)
def test_one_by_code_and_one_over_mqtt(agency: Agency, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "stranger", SystemClock())
    with Rig(tmp_path / "run", agency, PICTURE, unit_id=UNIT) as rig:
        rig.enrol(agency)
        rig.start()
        rig.unit.start_uplink()

        # Made by somebody else, it is refused however well it is made.
        rig.world.set("camera.qr", stranger.assignment(UNIT, *OFFICERS[0]))
        rig.wait(lambda: len(assigned(rig)) == 1, "the forged code is refused")
        assert assigned(rig)[0]["result"] == "refused" and assigned(rig)[0]["detail"] == "assignment-signature"
        assert rig.of("officer-sign-in") == []

        rig.world.set("camera.qr", agency.authority.assignment(UNIT, *OFFICERS[0]))
        rig.wait(lambda: len(rig.of("officer-sign-in")) == 1, "the officer is signed in by code")
        assert rig.unit.status()["officers"] in (0, 1)

        first = agency.assign(UNIT, *OFFICERS[1])
        assert first["result"] == "accepted" and first["officers"] == 2, first
        again = agency.assign(UNIT, *OFFICERS[1])
        assert (again["result"], again["code"]) == ("refused", "already-signed-in")
        elsewhere = agency.assign(UNIT, "另一人", "13010000000001")
        assert elsewhere["officers"] == 3, "a third one is welcome"
        rig.world.set("camera.qr", "")

        rig.record()
        rig.wait(lambda: rig.unit.status()["officers"] == 3, "the status says so")
        assert rig.unit.status()["officer_warning"] is None
        rig.end_recording()
        assert rig.stop() == 0
        rig.unit.stop("uplink")

        identities = parse_identities(rig.layout.identity.read_text(encoding="utf-8"))
        signed_in = rig.of("officer-sign-in")
        assert [entry["method"] for entry in signed_in] == ["qr", "remote", "remote"]
        opened = [open_field(SealedField.model_validate(entry["officer"]), identities) for entry in signed_in[:2]]
        assert opened == [{"name": name, "cert_no": number} for name, number in OFFICERS]
        accepted = [command for command in assigned(rig) if command["result"] == "accepted"]
        assert [command["command_id"] for command in accepted] == [entry["assignment_id"] for entry in signed_in]
        assert [command["source"] for command in accepted] == ["qr", "mqtt", "mqtt"]
        assert [fault for fault in rig.of("fault") if fault["code"] == "no-officer"] == []
        verdict = rig.verify(identity=rig.layout.identity)
        assert verdict["integrity"] == "intact"
        assert (verdict["commands"], verdict["commands_checked"]) == (3, 3), "each by the agency's own line"
        for path, content in everything_below(rig.layout.out / "unit", rig.layout.logs):
            for name, number in OFFICERS:
                assert name.encode() not in content and number.encode() not in content, path


@pytest.mark.timeout(100)
def test_a_whole_procedure_stops_with_a_reason_only_and_the_report_shows_it_all(agency: Agency, tmp_path: Path) -> None:
    with Rig(tmp_path / "run", agency, unit_id="zfy-whole") as rig:
        rig.enrol(agency)
        rig.start()
        said = parsed(
            rig.ctl("context", "--mode", "whole", "--kind", "inspection", "--item", "食品经营检查", "--stage", "启动")
        )
        assert (said["mode"], said["context"]["kind"], said["context"]["item"]) == ("全程", "行政检查", True)
        wrong = rig.ctl("context", "--stage", "执行")
        assert wrong.returncode == 1 and "送达执行" in wrong.stderr
        rig.record()
        assert rig.ctl("context", "--stage", "service", "--document", "检查笔录〔2026〕1号").returncode == 0
        assert rig.ctl("context", "--mode", "一般").returncode == 1
        assert rig.ctl("mute").returncode == 2, "there is no such command"
        for kind in ("cert-shown", "art22-1", "art22-5"):
            assert rig.ctl("mark", "--kind", kind).returncode == 0
        listed = rig.ctl("checklist").stdout
        assert listed.count("✓") == 3 and listed.count("✗") == 4

        refused = rig.ctl("stop")
        assert refused.returncode == 1 and "执法结束" in refused.stderr
        rig.unit.kill("unit")
        rig.start()
        assert rig.unit.status()["mode"] == "全程", "a crash does not make it ordinary"
        assert rig.ctl("stop").returncode == 1
        assert rig.ctl("stop", "--reason", "执法结束").returncode == 0
        rig.wait(lambda: not rig.unit.status().get("recording", True), "the recording has ended")
        assert rig.ctl("shift", "end").returncode == 0 and rig.ctl("shift", "end").returncode == 1
        assert rig.ctl("shift", "start").returncode == 0
        assert rig.stop() == 0

        (start,) = rig.of("session-start")
        assert (start["mode"], start["matter"]["kind"], start["matter"]["stage"]) == ("全程", "行政检查", "启动")
        assert "食品" not in json.dumps(start, ensure_ascii=False)
        (stop,) = rig.of("session-stop")
        assert stop["stated"]["choice"] == "执法结束"
        missing = [event["detail"]["missing"] for event in rig.of("event") if event["event"] == "checklist-missing"]
        assert missing == [["art22-2", "art22-3", "art22-4", "art22-6"]]
        assert [f["phase"] for f in rig.of("fault") if f["code"] == "no-officer"][:1] == ["onset"]
        page = tmp_path / "report.html"
        folders = (str(rig.layout.unit), "--trust", str(rig.layout.trust))
        recorder("report", *folders, "--identity", str(rig.layout.identity), "-o", str(page))
        html = page.read_text(encoding="utf-8")
        for text in (
            "食品经营检查",
            "检查笔录〔2026〕1号",
            "全程",
            "送达执行",
            "执法结束",
            "3 / 7",
            "没有登记执法人员",
        ):
            assert text in html, text
