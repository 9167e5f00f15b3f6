"""Upload slots over a real broker: who holds one, who waits, who gets it next; and the desk by hand."""

from __future__ import annotations

import json
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import ClockQuality
from hw_sim.agency.authority import Authority
from hw_sim.agency.broker import Broker
from hw_sim.agency.store.fleet import Fleet
from hw_sim.agency.store.grant_desk import GrantDesk, demand_of
from hw_sim.agency.store.register import IssuedReceipt, Register, StoredObject
from recorder.fleet.gauge import SlotLimits
from tests.hw_sim.agency.mqtt_client import MqttDouble
from tests.hw_sim.agency.unit_double import UnitDouble
from tests.support import require_program

STATE = "fleet/v1/store/state"


class HandClock:
    def __init__(self) -> None:
        self.s = 1000.0

    def boottime_us(self) -> int:
        return round(self.s * 1e6)

    def wall_us(self) -> int:
        return round((self.s + 1.8e9) * 1e6)

    def boot_id(self) -> str:
        return "boot"

    def quality(self) -> ClockQuality:
        return ClockQuality("none", False, None)


def backlog(segments: int = 3, deadline: float | None = 5000.0, marked: int = 0) -> dict[str, Any]:
    return {"segments": segments, "bytes": segments * 30, "marked": marked, "earliest_deadline": deadline}


def status(online: bool = True, **values: Any) -> dict[str, Any]:
    return {"online": online, "backlog": backlog(**values)}


# --- by hand ---------------------------------------------------------------------------------------------------------


class Bench:
    def __init__(self, folder: Path, slots: int) -> None:
        self.clock = HandClock()
        self.register = Register(folder / "store.db")
        self.told: list[tuple[str, dict[str, Any], int]] = []
        limits = SlotLimits(least=1, start=slots, most=50)
        self.desk = GrantDesk(self.register, self.clock, limits, lambda *word: self.told.append(word))

    def tick(self, seconds: float = 1.0) -> list[str]:
        """Units granted a slot in that time."""
        self.told.clear()
        until = self.clock.s + seconds
        while self.clock.s < until:
            self.clock.s += 1.0
            self.desk.tick()
        return [unit_id for unit_id, members, _ in self.told if members["for_s"] > 0]

    def store(self, unit_id: str, number: int, size: int) -> None:
        receipt = IssuedReceipt(f"r-{unit_id}-{number}", unit_id, "j", number, 0.0, 1, "jws")
        item = StoredObject(unit_id, "j", f"s{number}", "session", "digest", size, "path", 0.0, receipt.receipt_id)
        self.register.add_receipt(receipt, [item])


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, slots=1)
    yield made
    made.register.close()


def test_what_a_unit_is_told_and_for_how_long_the_broker_keeps_it(bench: Bench) -> None:
    bench.desk.status("a", status(deadline=1.0))
    bench.desk.status("b", status(deadline=2.0))
    assert bench.tick() == ["a"]
    assert bench.told == [
        ("a", {"for_s": 120.0, "wait_s": 0.0}, 120),
        ("b", {"for_s": 0.0, "wait_s": 600.0}, 600),
    ]


def test_a_unit_that_goes_offline_loses_its_slot_and_a_bad_backlog_changes_nothing(bench: Bench) -> None:
    bench.desk.status("a", status(deadline=1.0))
    bench.desk.status("b", status(deadline=2.0))
    bench.tick()
    with pytest.raises(ValueError, match="backlog"):
        bench.desk.status("a", {"online": True, "backlog": [1]})
    assert bench.tick() == []
    bench.desk.status("a", status(online=False))
    assert bench.tick() == ["b"]


def test_the_slots_follow_what_the_store_takes(tmp_path: Path) -> None:
    """Ten units' worth of store, from one slot: each slot held gives 10 MB/s."""
    bench = Bench(tmp_path, slots=1)
    number, held = 0, set(bench.tick())
    for _ in range(15):
        for unit in range(20):
            bench.desk.status(f"u{unit:02}", status(deadline=float(unit)))
        held |= set(bench.tick(30.0))
        sending = sorted(held)[:10]
        for unit_id in sending:
            number += 1
            bench.store(unit_id, number, 300_000_000)
    assert 10 <= len(held) <= 14
    bench.register.close()


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["segments", "bytes", "marked", "earliest_deadline"]), inner)
        ),
        max_leaves=8,
    )
)
def test_no_backlog_a_unit_may_send_breaks_the_desk(value: object) -> None:
    try:
        found = demand_of(value)
    except ValueError:
        return
    assert found.segments >= 0 and found.bytes >= 0 and found.marked >= 0


@pytest.mark.parametrize("value", [10**400, 1e300, float("inf"), float("nan"), -1])
@pytest.mark.parametrize("key", ["segments", "bytes", "marked", "earliest_deadline"])
def test_no_number_is_too_large_to_be_refused(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=key):
        demand_of({**backlog(), key: value})


# --- over a broker ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def broker(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("broker"), authority, SystemClock(), require_program("mosquitto")) as made:
        yield made


@pytest.fixture
def fleet(broker: Broker, authority: Authority, tmp_path: Path) -> Iterator[Fleet]:
    register = Register(tmp_path / "store.db")
    made = Fleet(
        register,
        SystemClock(),
        "127.0.0.1",
        broker.port,
        authority.store_client_dir,
        lambda: 0.5,
        SlotLimits(least=1, start=1, most=1),
    )
    made.start()
    yield made
    made.close()
    register.close()


def speak(unit: UnitDouble, mqtt: MqttDouble, **values: Any) -> None:
    payload = {"msg_id": f"m-{json.dumps(values, sort_keys=True)}", "sent_at": 1.0, **status(**values)}
    assert mqtt.publish(f"fleet/v1/{unit.unit_id}/up/status", payload, retain=True) == "Success"


def test_one_slot_goes_from_unit_to_unit(fleet: Fleet, broker: Broker, authority: Authority, tmp_path: Path) -> None:
    units = [UnitDouble.enrolled(authority, f"zfy-9{n:05d}", tmp_path / f"u{n}", 0) for n in range(2)]
    links = [MqttDouble(broker.port, unit.directory, unit.unit_id) for unit in units]
    with links[0] as first, links[1] as second:
        for unit, mqtt in zip(units, links, strict=True):
            mqtt.subscribe(f"fleet/v1/{unit.unit_id}/down/grant", STATE)
        while not first.next(STATE).get("grants"):
            pass  # the retained goodbye of a store before
        speak(units[0], first, deadline=1.0)
        assert first.next(f"fleet/v1/{units[0].unit_id}/down/grant")["for_s"] > 0
        speak(units[1], second, deadline=2.0)
        told = second.next(f"fleet/v1/{units[1].unit_id}/down/grant")
        assert (told["for_s"], told["wait_s"] > 0) == (0, True)
        speak(units[0], first, segments=0, deadline=None)
        assert second.next(f"fleet/v1/{units[1].unit_id}/down/grant")["for_s"] > 0


def test_a_store_that_starts_anew_grants_from_what_units_have_retained(
    fleet: Fleet, broker: Broker, authority: Authority, tmp_path: Path
) -> None:
    unit = UnitDouble.enrolled(authority, "zfy-900009", tmp_path / "u", 0)
    topic = f"fleet/v1/{unit.unit_id}/down/grant"
    with MqttDouble(broker.port, unit.directory, unit.unit_id) as mqtt:
        mqtt.subscribe(topic, STATE)
        speak(unit, mqtt, marked=1)
        assert mqtt.next(topic)["for_s"] > 0
        fleet.close()
        register = Register(tmp_path / "other.db")
        again = Fleet(
            register,
            SystemClock(),
            "127.0.0.1",
            broker.port,
            authority.store_client_dir,
            lambda: 0.5,
            SlotLimits(1, 1, 1),
        )
        again.start()
        try:
            assert mqtt.next(topic)["for_s"] > 0
        finally:
            again.close()
            register.close()
        speak(unit, mqtt, online=False)


def test_a_store_without_slots_says_so(broker: Broker, authority: Authority, tmp_path: Path) -> None:
    register = Register(tmp_path / "store.db")
    plain = Fleet(register, SystemClock(), "127.0.0.1", broker.port, authority.store_client_dir, lambda: 0.5)
    unit = UnitDouble.enrolled(authority, "zfy-900010", tmp_path / "u", 0)
    with MqttDouble(broker.port, unit.directory, unit.unit_id) as mqtt:
        mqtt.subscribe(f"fleet/v1/{unit.unit_id}/down/grant", STATE)
        plain.start()
        try:
            while not (state := mqtt.next(STATE))["online"]:
                pass
            assert state["grants"] is False
            speak(unit, mqtt)
            with pytest.raises(queue.Empty):
                mqtt.messages.get(timeout=2.0)
        finally:
            plain.close()
            register.close()
