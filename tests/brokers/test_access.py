"""One description, rendered for each broker: what the RabbitMQ expressions match is what the MQTT filters mean."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from hw_sim.agency.brokers.access import NAMED, RULES, UNIT, Access, topics
from hw_sim.agency.brokers.mosquitto_acl import acl_file
from hw_sim.agency.brokers.rabbitmq_definitions import definitions, main, routing_keys

UNIT_ID = "zfy-000001"
LEVELS = st.sampled_from(
    ["fleet", "v1", UNIT_ID, "zfy-000002", "store", "state", "up", "down", "assign", "assigned", "status", "desk"]
)
TOPICS = st.lists(LEVELS, min_size=1, max_size=6).map("/".join)
LIKELY = st.tuples(st.sampled_from(["up", "down"]), LEVELS).map(lambda each: f"fleet/v1/{UNIT_ID}/{each[0]}/{each[1]}")


def key_of(topic: str) -> str:
    """As the MQTT plugin makes a routing key of a topic or filter."""
    return topic.translate(str.maketrans("./+", "/.*"))


def allowed(who: str, access: Access, topic: str) -> bool:
    return re.search(routing_keys(topics(RULES, who, access), UNIT_ID), key_of(topic)) is not None


@given(st.sampled_from([UNIT, *NAMED]), st.sampled_from(["read", "write"]), TOPICS | LIKELY)
def test_a_topic_is_allowed_exactly_where_a_filter_matches_it(who: str, access: Access, topic: str) -> None:
    meant = any(
        topic_matches_sub(filter_.replace(UNIT, UNIT_ID), topic) and topic.count("/") >= filter_.count("/") - 1
        for filter_ in topics(RULES, who, access)
    )
    assert allowed(who, access, topic) is meant


@pytest.mark.parametrize("filter_", ["#", "+/#", "fleet/#", "fleet/v1/#", "fleet/v1/+/down/#", "fleet/v1/+/down/ack"])
def test_a_subscription_that_reaches_further_is_not_within(filter_: str) -> None:
    assert not allowed(UNIT, "read", filter_)


@pytest.mark.parametrize("filter_", ["fleet/v1/+/down/#", "fleet/v1/#/up/assigned", "fleet/v1/#", "#"])
def test_the_desk_listens_to_what_units_say_only(filter_: str) -> None:
    assert not allowed("desk", "read", filter_)
    assert allowed("desk", "read", "fleet/v1/+/up/assigned") and allowed("desk", "read", "fleet/v1/+/up/#")


def test_who_has_no_rule_may_do_nothing() -> None:
    assert re.search(routing_keys([], UNIT_ID), "") is not None
    assert re.search(routing_keys([], UNIT_ID), "fleet") is None


def test_mosquitto_takes_the_name_from_the_certificate() -> None:
    lines = acl_file().splitlines()
    assert "pattern write fleet/v1/%u/up/#" in lines and "pattern read fleet/v1/%u/down/#" in lines
    assert not any(UNIT in line for line in lines)
    assert lines.index("user store") < lines.index("topic write fleet/v1/#")


def test_queues_of_another_client_id_are_out_of_reach() -> None:
    made = definitions([UNIT_ID])
    permission = next(each for each in made["permissions"] if each["user"] == UNIT_ID)
    for name in (f"mqtt-subscription-{UNIT_ID}qos1", f"mqtt-will-{UNIT_ID}"):
        assert all(re.search(permission[kind], name) for kind in ("configure", "write", "read"))
        assert not any(re.search(permission[kind], name + "0") for kind in ("configure", "write", "read"))
    assert not re.search(permission["configure"], "amq.topic")
    assert not any(re.search(permission[kind], "mqtt-subscription-zfy-000002qos1") for kind in ("configure", "read"))


def test_the_command_makes_definitions_and_refuses_what_is_no_unit() -> None:
    answer = CliRunner().invoke(main, [UNIT_ID])
    made = json.loads(answer.output)
    assert {user["name"] for user in made["users"]} == {UNIT_ID, *NAMED}
    assert all(user["password_hash"] == "" for user in made["users"])
    refused = CliRunner().invoke(main, ["Zfy 1"])
    assert refused.exit_code == 1 and "不是设备编号" in refused.output
