"""An outbox that is damaged while the uplink runs: all that the store has not acknowledged is announced again, not the
newest of it alone. The whole main loop over a real journal, ticked by hand; nobody listens at the broker's port."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Iterator

import pytest

from firmware_bridge.ports import Clock
from recorder.uplink.outbox_keeper import OutboxKeeper
from recorder.uplink.service import UplinkProcess
from recorder.uplink.settings import UplinkSettings
from tests.uplink.unit_files import UnitFiles


@pytest.fixture
def uplink(settings: UplinkSettings, clock: Clock) -> Iterator[UplinkProcess]:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        made = UplinkProcess(
            dataclasses.replace(
                settings,
                uplink_enabled=False,
                mqtt_enabled=True,
                mqtt_host="127.0.0.1",
                mqtt_port=nobody.getsockname()[1],
            ),
            clock,
        )
        yield made
        made.close()


def outbox_of(uplink: UplinkProcess) -> OutboxKeeper:
    assert uplink._desk is not None
    outbox = uplink._desk._outbox
    assert isinstance(outbox, OutboxKeeper)
    return outbox


@pytest.mark.parametrize("found", ["as the journal grows", "between", "as news waits"])
def test_all_is_announced_again(uplink: UplinkProcess, unit: UnitFiles, found: str) -> None:
    seqs = [unit.segment(10).seq for _ in range(5)]
    uplink.tick()
    outbox = outbox_of(uplink)
    assert outbox.count() == 5
    if found == "as news waits":
        outbox._not_before_us = 1 << 62  # the pause after a failure
    outbox.close()
    uplink._settings.outbox_file.write_bytes(b"no database any more" * 500)
    if found == "between":
        uplink.tick()
    seqs.append(unit.segment(10).seq)
    uplink.tick()
    outbox._not_before_us = 0
    for _ in range(3):
        uplink.tick()
    assert [message.msg_id for message in outbox.pending(10)] == [f"{unit.journal_id}:{seq}" for seq in seqs]
