"""A roll-out from the command line over ten light units at a real broker and store: stages, an abort, an interruption."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from hw_sim.agency.agency import Agency
from recorder.evidence import jws
from recorder.evidence.config_order import MAX_LEAP, MAX_VERSION
from recorder.evidence.encoding import sha256_b64u
from recorder.fleet import rollout as ro
from tests.hw_sim.agency.mqtt_client import MqttDouble
from tests.hw_sim.agency.unit_double import UnitDouble
from tests.integration.fleet_kit import Admin
from tests.integration.rig import wait_until


class LightUnit:
    """Answers as it was told to: ``answers`` by text, ``applied`` for any other."""

    def __init__(self, unit: UnitDouble, mqtt: MqttDouble, answers: dict[str, str], claims: int = 0) -> None:
        self.unit_id = unit.unit_id
        self.group = self.unit_id.rpartition("-")[0]
        self.layers: list[tuple[int, str]] = []
        self._mqtt = mqtt
        self._answers = answers
        self._stop = threading.Event()
        self._version = 0
        self._claims = claims
        self._layer: dict[str, Any] = {"version": 0, "digest": None, "in_force": True}
        mqtt.subscribe(f"fleet/v1/{self.unit_id}/down/desired")
        self._publish("status", {"online": True, "recording": False, "version": "1"})
        self.report(0, "", "none")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                _, message = self._mqtt.messages.get(timeout=0.2)
            except queue.Empty:
                continue
            payload = jws.split(message["desired"]).payload
            if payload["version"] <= self._version:
                continue
            self._version = payload["version"]
            self.layers.append((self._version, payload["toml"]))
            self.report(self._version, payload["toml"], self._answers.get(payload["toml"], "applied"))

    def report(self, version: int, toml: str, state: str) -> None:
        digest = sha256_b64u(toml.encode()) if version else None
        if state == "applied":
            self._layer = {"version": version, "digest": digest, "in_force": True}
        self._publish(
            "reported",
            {
                "version": max(version, self._claims),
                "digest": digest,
                "state": state,
                "probation": False,
                "layer": self._layer,
                "groups": [self.group],
            },
        )

    def _publish(self, kind: str, members: dict[str, Any]) -> None:
        body = {**members, "msg_id": f"{kind}-{self._version}-{members.get('state')}", "sent_at": 1.0}
        assert self._mqtt.publish(f"fleet/v1/{self.unit_id}/up/{kind}", body) == "Success"


@contextmanager
def light_units(
    agency: Agency,
    folder: Path,
    count: int,
    answers: dict[str, dict[str, str]],
    claims: dict[str, int] | None = None,
    name: str = "light",
) -> Iterator[list[LightUnit]]:
    """``answers`` by unit; ``claims``: the version a unit reports, whatever it has."""
    with ExitStack() as stack:
        units = []
        for number in range(count):
            unit_id = f"{name}-{number}"
            double = UnitDouble.enrolled(agency.authority, unit_id, folder / unit_id, agency.store.port)
            mqtt = stack.enter_context(MqttDouble(agency.broker.port, double.directory, unit_id))
            unit = LightUnit(double, mqtt, answers.get(unit_id, {}), (claims or {}).get(unit_id, 0))
            stack.callback(unit.close)
            units.append(unit)
        yield units


GOOD, BAD = "[night]\ndwell_s = 9\n", "[night]\ndwell_s = 3\n"
OPTIONS = ("--group", "light", "--soak", "0", "--poll", "0.2", "--json")


@pytest.mark.timeout(180)
def test_stages_an_interruption_an_abort_and_a_rollback(agency: Agency, tmp_path: Path) -> None:
    admin = Admin(tmp_path / "admin", agency)
    refuses = {f"light-{number}": {BAD: "refused"} for number in range(10)}
    with light_units(agency, tmp_path, 10, refuses) as units:

        def group() -> list[dict[str, Any]]:
            _, out, _ = admin.fleet("units", "--group", "light", "--json")
            return list(json.loads(out))

        wait_until(lambda: len(group()) == 10, "the store has heard of all of them")

        # The first stage only; whoever asked goes away; the rest is carried out later.
        good = admin.layer("good", GOOD)
        code, out, err = admin.fleet("config", "push", str(good), *OPTIONS, "--percent", "20,100")
        assert code == 0, err
        first = json.loads(out)
        assert first["phase"] == "running" and sum(len(unit.layers) for unit in units) <= 2
        code, out, err = admin.fleet(
            "config", "resume", first["plan"]["rollout_id"], "--poll", "0.2", "--wait", "--json"
        )
        done = json.loads(out)
        assert (code, done["phase"], done["stage"]) == (0, "done", 1), err
        assert [unit.layers for unit in units] == [[(1, GOOD)]] * 10
        assert {unit["reported"]["state"] for unit in group()} == {"applied"}

        # Everybody would refuse the next one: the first stage is the last.
        bad = admin.layer("bad", BAD)
        code, out, _ = admin.fleet("config", "push", str(bad), *OPTIONS, "--percent", "20,100", "--wait")
        aborted = json.loads(out)
        assert (code, aborted["phase"], aborted["why"]["code"]) == (1, "aborted", "refused")
        assert sum(len(unit.layers) == 2 for unit in units) <= 2, "nobody beyond the first stage was sent to"
        assert admin.fleet("config", "status", aborted["plan"]["rollout_id"])[0] == 1

        # And the good one is taken back, with a higher version.
        code, out, err = admin.fleet(
            "config", "rollback", first["plan"]["rollout_id"], "--poll", "0.2", "--wait", "--json"
        )
        assert code == 0 and json.loads(out)["phase"] == "aborted", err
        assert {unit.layers[-1][1] for unit in units} == {""}
        listed = json.loads(admin.fleet("config", "status", "--json")[1])
        assert listed[0]["counts"] == {"taken-back": 10}


@pytest.mark.timeout(180)
def test_a_rollback_that_a_unit_refuses_is_no_success(agency: Agency, tmp_path: Path) -> None:
    admin = Admin(tmp_path / "admin", agency)
    with light_units(agency, tmp_path, 2, {"keeps-1": {"": "refused"}}, name="keeps") as units:
        wait_until(
            lambda: len(json.loads(admin.fleet("units", "--group", "keeps", "--json")[1])) == 2, "the store knows them"
        )
        good = str(admin.layer("good", GOOD))
        code, out, err = admin.fleet("config", "push", good, "--group", "keeps", *OPTIONS[2:], "--wait")
        assert code == 0, err
        rollout_id = json.loads(out)["plan"]["rollout_id"]
        code, out, err = admin.fleet("config", "rollback", rollout_id, "--poll", "0.2", "--wait", "--json")
        states = {member["unit_id"]: member["state"] for member in json.loads(out)["members"]}
        assert (code, states) == (1, {"keeps-0": "taken-back", "keeps-1": "not-taken-back"}), err
        assert [unit.layers for unit in units] == [[(1, GOOD), (3, "")]] * 2
        code, out, _ = admin.fleet("config", "status", rollout_id)
        assert code == 1 and "look into each: 1: keeps-1" in out


@pytest.mark.timeout(180)
@pytest.mark.parametrize("claim", [MAX_VERSION - 2, 2 * MAX_LEAP])
def test_what_a_captured_unit_reports_moves_nobodys_version(agency: Agency, tmp_path: Path, claim: int) -> None:
    admin = Admin(tmp_path / "admin", agency)
    name = f"claims{claim}"
    names = [f"{name}-{number}" for number in range(3)]
    with light_units(agency, tmp_path, 3, {}, {names[1]: claim}, name) as units:

        def heard() -> bool:
            return len(json.loads(admin.fleet("units", "--group", name, "--json")[1])) == 3

        wait_until(heard, "the store has heard of all of them")
        for number, text in enumerate((GOOD, BAD)):
            layer = admin.layer(f"layer-{number}", text)
            code, out, err = admin.fleet("config", "push", str(layer), "--group", name, *OPTIONS[2:], "--wait")
            assert code == 0 and "Traceback" not in err, err
            assert f"unit {names[1]} reports version {claim}" in err and names[0] not in err
            sent = {member["unit_id"]: member["version"] for member in json.loads(out)["members"]}
            assert set(sent.values()) == {1 + 2 * number}, "one to send and one to take it back"
        assert [unit.layers for unit in units] == [[(1, GOOD), (3, BAD)]] * 3


@pytest.mark.timeout(180)
def test_an_old_roll_out_that_is_resumed_leaves_the_newer_order_of_a_unit_that_is_away(
    agency: Agency, tmp_path: Path
) -> None:
    admin = Admin(tmp_path / "admin", agency)
    options = ("--units", "away-0", *OPTIONS[2:])
    code, out, err = admin.fleet("config", "push", str(admin.layer("old", BAD)), *options)
    old = json.loads(out)
    assert (code, old["phase"]) == (0, "running"), err
    code, out, err = admin.fleet("config", "push", str(admin.layer("new", GOOD)), *options)
    assert (code, json.loads(out)["members"][0]["version"]) == (0, 3), err
    path = admin.folder / "rollouts" / f"{old['plan']['rollout_id']}.json"
    state = json.loads(path.read_text("utf-8"))
    state["members"][0]["resent_at"] -= ro.SEND_AGAIN_S  # a minute later it would be sent again
    path.write_text(json.dumps(state), "utf-8")

    code, out, err = admin.fleet("config", "resume", old["plan"]["rollout_id"], "--poll", "0.2", "--wait")
    assert code == 0 and "a newer order is out, this one is not sent any more: 1: away-0" in out, err
    with light_units(agency, tmp_path, 1, {}, name="away") as (unit,):
        wait_until(lambda: bool(unit.layers), "it has what waited for it")
        assert unit.layers == [(3, GOOD)]


@pytest.mark.timeout(180)
def test_a_unit_that_records_on_is_named_and_holds_nobody_up_for_good(agency: Agency, tmp_path: Path) -> None:
    admin = Admin(tmp_path / "admin", agency)
    with light_units(agency, tmp_path, 2, {"busy-1": {GOOD: "pending"}}, name="busy") as units:
        wait_until(
            lambda: len(json.loads(admin.fleet("units", "--group", "busy", "--json")[1])) == 2, "the store knows them"
        )
        good = str(admin.layer("good", GOOD))
        options = ("--group", "busy", *OPTIONS[2:], "--result-within", "2", "--wait")
        code, out, err = admin.fleet("config", "push", good, *options)
        told = json.loads(out)
        states = {member["unit_id"]: (member["state"], member["overdue"]) for member in told["members"]}
        assert (code, told["phase"], told["why"]) == (3, "done", None), err
        assert states == {"busy-0": ("applied", False), "busy-1": ("pending", True)}
        rollout_id = told["plan"]["rollout_id"]
        code, out, _ = admin.fleet("config", "status", rollout_id)
        assert code == 3 and "without a result (not counted as failed): 1: busy-1" in out

        units[1].report(1, GOOD, "applied")  # the recording is over

        def answered() -> bool:
            return admin.fleet("config", "resume", rollout_id, "--json")[0] == 0

        wait_until(answered, "the roll-out has its last result")
        assert admin.fleet("config", "status", rollout_id)[0] == 0
