"""The agency commands from its command line: real broker, real uplink, real unit; nobody else is obeyed, nothing twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.agency import Agency
from hw_sim.agency.authority import Authority
from recorder.evidence.signer import FileSigner
from recorder.fleet.exchange import Report
from recorder.fleet.orders import signed_commands
from recorder.fleet.sending import exchange
from recorder.fleet.settings import load_settings
from recorder.fleet.signing import SignedCommand, load_command_key
from tests.integration.rig import Rig, recorder
from tests.support import leave_to_ci

ALL = ["start", "stop", "mark", "sign-in", "grant", "config", "refetch-receipt", "report-now", "restart"]
OFFICER = ("欧阳建国", "13010077665544")
CLOCK = SystemClock()


class Desk:
    """The admin of ``agency`` and what he knows of one unit."""

    def __init__(self, agency: Agency, unit_id: str) -> None:
        self.settings = load_settings(agency.fleet_file)
        self.signer = load_command_key(self.settings.command_key)
        self.unit_id = unit_id

    def fleet(self, *arguments: str, exit_code: int = 0, units: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """``recorder fleet command`` as an admin types it; the answers."""
        done = recorder(
            "fleet",
            "command",
            "--settings",
            str(self.settings.source),
            "--json",
            *(units or (self.unit_id,)),
            *arguments,
        )
        assert done.returncode == exit_code, done.stdout + done.stderr
        answers = json.loads(done.stdout)
        assert isinstance(answers, list)
        return answers

    def made(
        self,
        kind: str,
        *,
        unit_id: str = "",
        signer: FileSigner | None = None,
        age_s: float = 0,
        term_s: int = 600,
        **options: Any,
    ) -> SignedCommand:
        now_s = CLOCK.wall_us() / 1e6 - age_s
        (command,) = signed_commands((unit_id or self.unit_id,), kind, options, signer or self.signer, now_s, term_s)
        return command

    def send(self, command: SignedCommand, wait_s: float = 20) -> Report:
        (report,) = exchange(self.settings, CLOCK, [command], wait_s)
        return report


@pytest.mark.timeout(240)
def test_a_shift_commanded_from_afar(agency: Agency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_to_ci("一个远程指挥的班次 a whole commanded shift, 40 s")
    monkeypatch.setenv("INVOCATION_ID", "0" * 32)  # as under systemd: somebody starts it again
    with Rig(tmp_path / "run", agency, {"commands": {"allow": ALL}}, unit_id="zfy-afar") as rig:
        rig.enrol(agency)
        rig.start()
        rig.unit.start_uplink()
        desk = Desk(agency, "zfy-afar")

        (started,) = desk.fleet("start", "--matter", "inspection", "--item", "食品经营检查")
        assert (started["result"], started["kind"]) == ("done", "start")
        (start,) = rig.of("session-start")
        assert (start["trigger"], start["matter"]["kind"]) == ("remote", "行政检查")
        (record,) = [record for record in rig.of("command") if record["result"] == "done"]
        assert (record["seq"], record["command_id"]) == (started["seq"], started["command_id"])
        rig.wait(lambda: rig.signed() >= 1, "media is signed")
        assert desk.fleet("start", exit_code=1)[0]["code"] == "already-recording"
        assert desk.fleet("sign-in", "--name", OFFICER[0], "--cert-no", OFFICER[1])[0]["result"] == "done"
        assert rig.of("officer-sign-in")[0]["method"] == "remote"

        # Twice, and again to the next unit process: one mark, one answer.
        mark = desk.made("mark", mark="art22-1")
        first = desk.send(mark)
        assert (first.result, first.code) == ("done", "") and desk.send(mark) == first
        rig.unit.kill("unit")
        rig.start()
        assert desk.send(mark) == first
        assert [entry["kind"] for entry in rig.of("mark")] == ["art22-1"]

        # Too late, for somebody else, by somebody else: on this unit's topic all the same.
        assert desk.send(desk.made("mark", age_s=3600), 0.1).result == "no-answer", "what has expired is not even sent"
        late = desk.send(replace(desk.made("mark", age_s=2, term_s=1), exp=CLOCK.wall_us() / 1e6 + 60))
        assert (late.result, late.code) == ("expired", "command-expired")
        ancient = desk.send(replace(desk.made("mark", age_s=3600), exp=CLOCK.wall_us() / 1e6 + 60))
        assert (ancient.result, ancient.code) == ("refused", "command-too-old"), "older than the unit's journal"
        elsewhere = replace(desk.made("mark", unit_id="zfy-other"), unit_id="zfy-afar")
        assert desk.send(elsewhere).code == "command-unit"
        stranger = Authority(tmp_path / "stranger", CLOCK)
        forged = desk.send(desk.made("stop", signer=load_command_key(stranger.command_key_file)))
        assert (forged.result, forged.code) == ("refused", "command-signature")
        assert rig.unit.status()["recording"], "nobody has stopped it"
        assert len(rig.of("mark")) == 1

        # A unit that is not there, and one that is: each is told of by itself.
        here, gone = desk.fleet("report-now", "--wait", "4", units=("zfy-afar", "zfy-nobody"), exit_code=1)
        assert (here["result"], gone["result"]) == ("done", "no-answer")

        # A restart waits for the end of the recording, and the shift goes on in the next process.
        assert desk.fleet("restart")[0]["code"] == "when-idle"
        assert rig.unit.is_running("unit")
        assert desk.fleet("stop")[0]["result"] == "done"
        rig.wait(lambda: not rig.unit.is_running("unit"), "it ends by itself once nothing is recorded")
        (stop,) = rig.of("session-stop")
        assert stop["reason"] == "remote"
        rig.start()
        rig.record()
        rig.end_recording()
        assert rig.stop() == 0
        rig.unit.stop("uplink")

        assert len(rig.of("shift-start")) == len(rig.of("shift-end")) == 1
        assert {entry["shift_id"] for entry in rig.of("session-start")} == {rig.of("shift-start")[0]["shift_id"]}
        downs = [event["detail"]["cause"] for event in rig.of("event") if event["event"] == "unit-down"]
        assert downs == ["orderly-stop"]
        assert [officer for officer in rig.of("officer-sign-out") if officer["cause"] == "restart"] == []
        verdict = rig.verify(identity=rig.layout.identity)
        assert verdict["commands_checked"] == verdict["commands"] > 0, "each by the agency's own line"
        assert not [code for code in verdict["finding_codes"] if code.startswith("command-")]
        assert (verdict["integrity"], verdict["unaccounted_s"]) == ("incomplete", 0.0), "the kill tore one segment"
        assert OFFICER[0] not in json.dumps(list(rig.records()), ensure_ascii=False)


@pytest.mark.timeout(120)
def test_a_unit_without_a_clock_obeys_nobody_until_it_has_one(agency: Agency, tmp_path: Path) -> None:
    with Rig(tmp_path / "run", agency, unit_id="zfy-timeless", world={"clock_source": "none"}) as rig:
        rig.enrol(agency)
        rig.start()
        rig.unit.start_uplink()
        desk = Desk(agency, "zfy-timeless")
        command = desk.made("report-now")
        early = desk.send(command)
        assert (early.result, early.code) == ("refused", "clock-not-set")
        rig.world.set("clock_source", "gnss")
        rig.wait(lambda: rig.unit.status()["clock_set"], "the clock is set")
        assert desk.send(command).result == "done", "it was not used up"
        assert desk.send(desk.made("stop")).code == "command-not-allowed", "as shipped"
        assert rig.stop() == 0
        rig.unit.stop("uplink")
