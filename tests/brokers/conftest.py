"""The same suite on every broker: mosquitto always, RabbitMQ with ``./dev test --rabbitmq``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.authority import Authority
from hw_sim.agency.broker import Broker
from tests.brokers.rabbitmq import RabbitMq
from tests.brokers.under_test import BrokerUnderTest, Fleet
from tests.support import require_program, require_whole


class Mosquitto(Broker):
    name = "mosquitto"
    keeps_what_it_acknowledged = False
    expires_within_s = 2.0
    retains_delayed_wills = True
    wildcards_get_what_is_retained = True


@pytest.fixture(scope="session")
def clock() -> SystemClock:
    return SystemClock()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory, clock: SystemClock) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), clock)


@pytest.fixture(scope="session", params=["mosquitto", "rabbitmq"])
def running(
    request: pytest.FixtureRequest,
    authority: Authority,
    clock: SystemClock,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[BrokerUnderTest]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "mosquitto":
        with Mosquitto(folder, authority, clock, require_program("mosquitto")) as mosquitto:
            yield mosquitto
        return
    require_whole("brokers", "RabbitMQ 4 在自己的 Debian 里 in a Debian of its own", flag="rabbitmq")
    require_program("mmdebstrap")
    with RabbitMq(folder, authority, clock) as rabbit:
        yield rabbit


@pytest.fixture
def broker(running: BrokerUnderTest) -> BrokerUnderTest:
    running.start()  # the test before may have killed it
    return running


@pytest.fixture(scope="session")
def fleet(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return Fleet(authority, tmp_path_factory.mktemp("units"))
