"""What an admin may ask of the store: each unit's newest words, page by page, and nobody else may."""

from __future__ import annotations

import json
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest

from hw_sim.agency.names import DESK_NAME
from hw_sim.agency.store.admin import FleetDesk, summary
from hw_sim.agency.store.problem import Problem
from hw_sim.agency.store.routes import Exchange, answer

REPORTED = {"msg_id": "m", "version": 3, "state": "applied", "groups": ["traffic"], "errors": []}


class Words:
    def __init__(self, units: int) -> None:
        said = {
            "status": (json.dumps({"online": True, "recording": False, "version": "1.0"}), 10.0),
            "health": (json.dumps({"unit": "fresh", "health": {"faults": {"camera-stall": 1.0, "gone": 0}}}), 11.0),
            "reported": (json.dumps(REPORTED), 12.0),
        }
        self.said: dict[str, dict[str, tuple[str, float]]] = {f"zfy-{n:04d}": said for n in range(units)}

    def fleet_units(self, after: str, limit: int) -> list[str]:
        return sorted(unit for unit in self.said if unit > after)[:limit]

    def latest(self, unit_id: str) -> dict[str, tuple[str, float]]:
        return self.said.get(unit_id, {})


class Asked:
    """A request without a body, as far as these routes look at it."""

    def __init__(self, peer: str, target: str) -> None:
        self.peer = peer
        self._query = parse_qs(urlsplit(target).query)

    def query(self, name: str) -> str:
        return self._query.get(name, [""])[0]


def ask(desk: FleetDesk, target: str, peer: str = DESK_NAME) -> dict[str, Any]:
    reply = answer(desk.routes(), "GET", target, cast(Exchange, Asked(peer, target)))
    told = json.loads(reply.body)
    assert reply.status == 200 and isinstance(told, dict)
    return told


def test_the_summary_of_a_unit() -> None:
    unit = summary("zfy-0000", Words(1).said["zfy-0000"])
    assert (unit["online"], unit["recording"], unit["version"], unit["unit"]) == (True, False, "1.0", "fresh")
    assert unit["faults"] == ["camera-stall"] and unit["seen_at"] == 12.0 == unit["reported_at"]
    assert unit["reported"] == {"version": 3, "state": "applied", "groups": ["traffic"]}
    assert summary("zfy-0000", {"status": ("{}", 1.0)})["reported"] is None


@pytest.mark.parametrize("kind", ["status", "health", "reported"])
@pytest.mark.parametrize(
    "text", ["[]", "1", '{"health": []}', '{"health": {"faults": []}}', '{"health": {"faults": 1}}']
)
def test_one_units_nonsense_is_one_poor_row(kind: str, text: str) -> None:
    words = Words(3)
    words.said["zfy-0001"] = {**words.said["zfy-0001"], kind: (text, 10.0)}
    rows = ask(FleetDesk(words), "/fleet/units")["units"]
    assert [row["unit_id"] for row in rows] == ["zfy-0000", "zfy-0001", "zfy-0002"]
    assert rows[0]["faults"] == rows[2]["faults"] == ["camera-stall"]
    if kind == "health":
        assert rows[1]["faults"] == []


def test_every_unit_once_over_the_pages() -> None:
    desk, found, after = FleetDesk(Words(25)), list[str](), ""
    while True:
        page = ask(desk, f"/fleet/units?limit=10&after={after}")
        found += [unit["unit_id"] for unit in page["units"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert found == sorted(Words(25).said) and len(set(found)) == 25


def test_one_unit_whole() -> None:
    unit = ask(FleetDesk(Words(2)), "/fleet/units/zfy-0001")
    assert unit["reported"] == {"received_at": 12.0, "message": REPORTED} and unit["unit_id"] == "zfy-0001"


@pytest.mark.parametrize("target", ["/fleet/units/zfy-9999", "/fleet/units/store", "/fleet/x", "/fleet/units/a/b"])
def test_what_there_is_not(target: str) -> None:
    with pytest.raises(Problem) as found:
        ask(FleetDesk(Words(1)), target)
    assert found.value.kind.status == 404


def test_a_unit_may_not_ask_and_nonsense_is_named() -> None:
    desk = FleetDesk(Words(1))
    for target in ("/fleet/units", "/fleet/units/zfy-0000"):
        with pytest.raises(Problem) as found:
            ask(desk, target, "zfy-0000")
        assert found.value.kind.status == 403
    with pytest.raises(Problem) as found:
        ask(desk, "/fleet/units?limit=many")
    assert found.value.kind.status == 400
