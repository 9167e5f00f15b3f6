"""The documents of the wire agree with each other, with the access list and with the code."""

from __future__ import annotations

import gzip
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, validators
from paho.mqtt.client import topic_matches_sub

from firmware_bridge.clock import SystemClock
from hw_sim.agency.assign import EXPIRY_S
from hw_sim.agency.brokers.access import RULES, UNIT, topics
from hw_sim.agency.store.fleet import ACK_EXPIRY_S, RECEIPT_EXPIRY_S
from hw_sim.agency.store.grant_desk import GrantDesk
from hw_sim.agency.store.register import Register
from recorder.config import pushed
from recorder.evidence.commands import MAX_TEXT as COMMAND_MAX_TEXT
from recorder.fleet.gauge import SlotLimits
from recorder.fleet.settings import CommandsSection
from recorder.health.model import metrics
from recorder.uplink.assignments import ANSWER_EXPIRY_S, MAX_TEXT
from recorder.uplink.commands import ANSWER_EXPIRY_S as COMMAND_ANSWER_EXPIRY_S
from recorder.uplink.commands import MAX_TEXT as CARRIED_MAX_TEXT
from recorder.uplink.mqtt import CONTENT_TYPE, SESSION_EXPIRY_S
from recorder.uplink.resend import ANNOUNCE_EXPIRY_S
from tests.contract.wire import COMMON, DOCS, asyncapi, channels, problems, schemas, validator

META_SCHEMA = Path(__file__).parent / "asyncapi-3.0.0.schema.json.gz"
"""The AsyncAPI initiative's own, of npm's @asyncapi/specs 6.11.1 (Apache-2.0: asyncapi.LICENSE), written without spaces."""

U = "00000000-0000-4000-8000-000000000000"


def test_the_document_is_valid_asyncapi_3() -> None:
    schema = json.loads(gzip.decompress(META_SCHEMA.read_bytes()))
    errors = list(validators.validator_for(schema)(schema).iter_errors(asyncapi()))
    assert errors == [], [f"{error.json_path}: {error.message[:200]}" for error in errors]
    broken = {**asyncapi(), "operations": {"x": {"action": "shout", "channel": {"$ref": "#/channels/upStatus"}}}}
    assert list(validators.validator_for(schema)(schema).iter_errors(broken)), "the check itself finds nothing"


def test_every_schema_is_one_and_belongs_to_a_channel() -> None:
    for schema in schemas().values():
        Draft7Validator.check_schema(schema)
    assert {channel.schema for channel in channels()} == set(schemas()) - {COMMON}
    addresses = [channel.address for channel in channels()]
    assert len(addresses) == len(set(addresses))
    assert {channel["address"] for channel in asyncapi()["channels"].values()} == set(addresses)


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema of an object in it, however deep."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


def test_nothing_that_is_not_listed_gets_through() -> None:
    for name, schema in schemas().items():
        for found in objects(schema):
            assert "additionalProperties" in found, name
            if "properties" in found:
                assert found["additionalProperties"] is False, name


def test_topics_are_those_of_the_words() -> None:
    """docs/wire.md: the table of topics, but for what is reserved."""
    text = (DOCS / "wire.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `fleet/v1/") and "reserved" not in line]
    named = {re.findall(r"`([^`]+)`", row)[0]: row for row in rows}
    assert set(named) == {channel.address for channel in channels()}
    for channel in channels():
        assert ("unit →" in named[channel.address]) is (channel.action == "send"), channel.address


def test_what_the_unit_sends_it_may_write_and_what_it_receives_it_may_read() -> None:
    for channel in channels():
        access = "write" if channel.action == "send" else "read"
        wanted = access if access == "write" else "read"
        filters = topics(RULES, UNIT, "write" if wanted == "write" else "read")
        assert any(topic_matches_sub(filter_, channel.address) for filter_ in filters), channel.address


def test_bindings_are_what_the_code_does() -> None:
    expiry = {
        channel.address.rpartition("/")[2]: channel.bindings.get("messageExpiryInterval") for channel in channels()
    }
    assert expiry["announce"] == ANNOUNCE_EXPIRY_S
    assert expiry["assigned"] == ANSWER_EXPIRY_S
    assert expiry["ack"] == ACK_EXPIRY_S
    assert expiry["receipt"] == RECEIPT_EXPIRY_S
    assert expiry["assign"] == EXPIRY_S
    assert expiry["resp"] == COMMAND_ANSWER_EXPIRY_S
    assert expiry["cmd"] == CommandsSection().expires_s
    assert all(channel.bindings["qos"] <= 1 for channel in channels())
    for channel in channels():
        # What is retained is read by whoever comes later: it must not vanish.
        assert not (channel.bindings["retain"] and "messageExpiryInterval" in channel.bindings), channel.address
    server = asyncapi()["servers"]["broker"]["bindings"]["mqtt"]
    assert server["sessionExpiryInterval"] == SESSION_EXPIRY_S
    defaults = tomllib.loads((DOCS.parent / "config/defaults.toml").read_text(encoding="utf-8"))
    assert server["keepAlive"] == defaults["mqtt"]["keepalive_s"]
    assert asyncapi()["defaultContentType"] == CONTENT_TYPE


def test_health_has_the_names_of_the_model() -> None:
    listed = schemas()["up-health.json"]["properties"]["health"]["properties"]
    assert list(listed) == list(metrics())
    for name, metric in metrics().items():
        assert (listed[name]["type"] == "object") is bool(metric.label), name


def test_an_assignment_is_as_long_as_the_code_takes() -> None:
    assert {"maxLength": MAX_TEXT} in schemas()["down-assign.json"]["properties"]["assignment"]["allOf"]


def test_a_command_is_as_long_as_every_part_of_the_code_takes() -> None:
    assert COMMAND_MAX_TEXT == CARRIED_MAX_TEXT
    assert {"maxLength": CARRIED_MAX_TEXT} in schemas()["down-cmd.json"]["properties"]["command"]["allOf"]


ENVELOPE = {"msg_id": "m", "sent_at": 1.5}
STATUS = {
    **ENVELOPE,
    "online": True,
    "boot_id": U,
    "journal_id": None,
    "head_seq": -1,
    "recording": False,
    "free_mb": None,
    "backlog": {"segments": 0, "bytes": 0, "marked": 0, "earliest_deadline": None},
    "version": "0.1.0",
    "config_version": 0,
    "config_digest": None,
}


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({}, True),
        ({"officer": "x"}, False),
        ({"backlog": {**STATUS["backlog"], "lat": 38.0}}, False),  # type: ignore[dict-item]
        ({"head_seq": "5"}, False),
        ({"msg_id": ""}, False),
        ({"boot_id": "elsewhere"}, False),
    ],
)
def test_a_member_too_many_or_of_another_form_is_found(change: dict[str, Any], good: bool) -> None:
    found = problems("fleet/v1/zfy-1/up/status", json.dumps({**STATUS, **change}).encode())
    assert (found == []) is good, found


def test_a_member_too_few_and_an_unknown_topic_are_found() -> None:
    for name in STATUS:
        rest = {key: value for key, value in STATUS.items() if key != name}
        assert problems("fleet/v1/zfy-1/up/status", json.dumps(rest).encode()), name
    assert "in no channel" in problems("fleet/v1/zfy-1/up/diary", b"{}")[0]


def test_what_a_store_grants_is_a_grant(tmp_path: Path) -> None:
    said: list[tuple[str, dict[str, Any]]] = []
    register = Register(tmp_path / "store.db")
    limits = SlotLimits(least=1, start=1, most=1)
    desk = GrantDesk(register, SystemClock(), limits, lambda unit_id, members, _expiry: said.append((unit_id, members)))
    waiting = {"segments": 3, "bytes": 90, "marked": 0, "earliest_deadline": 2e9}
    for unit_id in ("zfy-1", "zfy-2"):
        desk.status(unit_id, {"online": True, "backlog": waiting})
    desk.tick()
    register.close()
    assert {members["for_s"] > 0 for _, members in said} == {True, False}, "one may, the other shall wait"
    for unit_id, members in said:
        assert problems(f"fleet/v1/{unit_id}/down/grant", json.dumps({**ENVELOPE, **members}).encode()) == []


def reports() -> Iterator[dict[str, Any]]:
    """What the unit says of pushed configurations, by the functions that say it."""
    push = pushed.Push(version=3, jti=U, digest="d" * 43, toml="")
    error = pushed.ConfigError(
        file="desired.toml",
        line=2,
        column=1,
        key="capture.segment_s",
        pointer="/capture/segment_s",
        zh="太小",
        en="small",
    )
    offered = pushed.accepted(pushed.PushedState(), push, ("cam0",))
    taken_back = pushed.failed(offered, pushed.Why(code="restarts", zh="重启", en="restarts"))
    old = pushed.not_considered(offered, pushed.Push(version=2, jti=U, digest="e" * 43, toml="x"))
    assert old is not None
    for state in (
        pushed.PushedState(),
        offered,
        pushed.in_force(offered),
        taken_back,
        pushed.refused(offered, push, (error, error.model_copy(update={"line": None, "column": None}))),
        pushed.rejected(offered, old),
    ):
        yield pushed.report(
            state,
            in_force=False,
            waiting=("capture.segment_s",),
            covered=(),
            waits_for=None,
            effective="f" * 43,
            groups=("north",),
        )


def test_what_a_unit_reports_of_its_configuration_is_a_report() -> None:
    said = list(reports())
    assert {report["state"] for report in said} == {"none", "pending", "applied", "rolled-back", "refused"}
    for report in said:
        assert problems("fleet/v1/zfy-1/up/reported", json.dumps({**ENVELOPE, **report}).encode()) == []


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (
            "up-assigned.json",
            {**ENVELOPE, "in_reply_to": "m", "result": "refused", "code": "no-shift", "zh": "", "en": ""},
        ),
        (
            "up-resp.json",
            {
                **ENVELOPE,
                "in_reply_to": "m",
                "command_id": None,
                "kind": "agency-command",
                "result": "refused",
                "code": "command-signature",
                "zh": "",
                "en": "",
                "seq": None,
            },
        ),
        (
            "up-announce.json",
            {
                **ENVELOPE,
                "kind": "deadline-warning",
                "journal_id": U,
                "seq": 7,
                "level": "urgent",
                "sessions": 1,
                "session_ids": [U],
                "segments": 4,
                "left_s": -60,
            },
        ),
    ],
)
def test_messages_that_a_plain_shift_does_not_have(schema: str, value: dict[str, Any]) -> None:
    assert list(validator(schema).iter_errors(value)) == []
