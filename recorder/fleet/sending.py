"""Commands on their way: publishes what :class:`recorder.fleet.exchange.Exchange` says is due, hands it what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recorder.fleet.connection import FleetConnection, json_body, real_link
from recorder.fleet.exchange import Exchange, Report
from recorder.fleet.settings import FleetSettings
from recorder.fleet.signing import SignedCommand

if TYPE_CHECKING:
    from firmware_bridge.ports import Clock


def exchange(
    settings: FleetSettings, clock: Clock, commands: Sequence[SignedCommand], wait_s: float
) -> tuple[Report, ...]:
    """Send ``commands`` and wait for their answers, ``wait_s`` at most. Raises FleetError when the broker cannot be
    reached."""
    topics = tuple(f"fleet/v1/{command.unit_id}/up/resp" for command in commands)
    link = real_link(settings, clock, topics)
    with FleetConnection(link, clock, settings.file.broker.connect_timeout_s) as connection:
        return converse(connection, clock, commands, wait_s)


def converse(
    connection: FleetConnection, clock: Clock, commands: Sequence[SignedCommand], wait_s: float
) -> tuple[Report, ...]:
    """:func:`exchange` over a connection that stands."""
    start_us = clock.boottime_us()
    talk, end_us, sessions = Exchange(commands, start_us), start_us + round(wait_s * 1e6), connection.sessions
    while not talk.complete and (now := clock.boottime_us()) < end_us:
        if connection.sessions != sessions:
            sessions = connection.sessions
            talk.connected_again(now)
        wall_s = clock.wall_us() / 1e6
        for command in talk.due(now, wall_s):
            _send(connection, command, wall_s)
        message = connection.next(min(end_us, talk.next_us() or end_us))
        body = None if message is None else json_body(message)
        if message is not None and body is not None:
            talk.answered(message.topic.split("/")[2], body)
    return talk.reports()


def _send(connection: FleetConnection, command: SignedCommand, wall_s: float) -> None:
    connection.publish(
        f"fleet/v1/{command.unit_id}/down/cmd",
        {"msg_id": command.command_id, "command": command.text},
        response_topic=f"fleet/v1/{command.unit_id}/up/resp",
        correlation=command.command_id.encode("ascii"),
        # The broker need not keep for an absent unit what that unit would refuse.
        expiry_s=max(1, round(command.exp - wall_s)),
    )
