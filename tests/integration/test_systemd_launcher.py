"""The real unit with workers started as systemd does it: recorded, killed, resumed, ended, by socket and switch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hw_sim.agency.agency import Agency
from recorder.channel.places import launch_socket
from tests.integration.rig import Rig
from tests.unit.socket_activator import SocketActivator

CONFIG: dict[str, Any] = {
    "uplink": {"enabled": False},
    "mqtt": {"enabled": False},
    "supervision": {"launcher": "systemd"},
}


class Activated:
    """``worker``: process id of the worker that runs now."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.systemd = SocketActivator(launch_socket(rig.layout.run), umask=0o002)

    @property
    def worker(self) -> int:
        return self.systemd.started[-1].pid


@pytest.fixture
def activated(agency: Agency, tmp_path: Path) -> Iterator[Activated]:
    with Rig(tmp_path / "run", agency, CONFIG, unit_id="zfy-systemd") as rig:
        rig.enrol(agency)
        made = Activated(rig)
        yield made
        rig.unit.abandon()
        made.systemd.close()


def gaps_closed(rig: Rig, count: int) -> bool:
    gaps = rig.view().gaps.values()
    return len(gaps) == count and all(gap.to_us is not None for gap in gaps)


@pytest.mark.timeout(180)
def test_a_stalled_worker_is_ended_by_its_switch_and_the_recording_goes_on(activated: Activated) -> None:
    rig = activated.rig
    rig.start()
    rig.record()
    first = activated.worker
    assert rig.unit.status()["cameras"]["cam0"]["worker_pid"] == first and rig.unit.worker_pids() == []

    rig.world.set("camera.failure", "stuck")
    rig.wait(lambda: len(rig.view().gaps) == 1, "the stall is noticed")
    rig.world.set("camera.failure", "ok")
    rig.wait(lambda: gaps_closed(rig, 1), "the gap is over")
    assert activated.worker != first and activated.systemd.started[0].wait(10) == -9
    (gap,) = rig.view().gaps.values()
    assert gap.cause == "camera-stall"
    rig.end_recording()
    assert rig.stop() == 0
    assert [child.wait(20) for child in activated.systemd.started] == [-9, 0]
    verdict = rig.verify()
    assert verdict["integrity"] == "incomplete", "a file lost its tail with its worker; nothing else is wrong"
    assert verdict["recorded_s"] > 0 and verdict["unaccounted_s"] == 0.0
    for path in rig.segment_files():  # the unit process, another user, cuts and removes them
        assert path.stat().st_mode & 0o777 == 0o664
        assert path.parent.stat().st_mode & 0o777 == 0o775
