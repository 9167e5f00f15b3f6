"""Starting and ending the unit's processes; a start that fails shows the end of the right log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.runner.unit_processes import NotifySocket, ProcessError, UnitProcesses, tail


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[UnitProcesses]:
    (tmp_path / "logs").mkdir()
    config = tmp_path / "unit.toml"
    config.write_text(
        f'[board]\nmodule = "hw_sim.board"\noptions = {{ world = "{tmp_path}/no-world.sock" }}\n'
        f'[storage]\ndata_dir = "{tmp_path}/unit"\nrun_dir = "{tmp_path}/run"\n'
    )
    notify = NotifySocket(tmp_path / "n.sock")
    made = UnitProcesses(config, tmp_path / "run", tmp_path / "logs", notify, SystemClock())
    yield made
    made.abandon()
    notify.close()


def test_a_unit_that_does_not_start_says_why(unit: UnitProcesses) -> None:
    with pytest.raises(ProcessError) as caught:
        unit.start_unit()
    message = str(caught.value)
    assert "记录单元没有就绪" in message and "did not become ready" in message
    assert "unit.log" in message and "no simulated world" in message
    assert not unit.is_running("unit")


def test_a_refused_command_says_why(unit: UnitProcesses) -> None:
    with pytest.raises(ProcessError, match=r"(?s)recorder ctl mark: .*control\.sock"):
        unit.control("mark")


def test_before_anything_is_started_there_is_nothing(unit: UnitProcesses) -> None:
    assert unit.status() == {}
    assert unit.worker_pids() == []
    assert unit.stop("unit") == 0
    unit.kill("uplink")
    unit.kill("worker")


def test_half_a_status_is_no_status(unit: UnitProcesses, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "status.json").write_text('{"state": "sta')
    assert unit.status() == {}


def test_the_end_of_a_log(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    assert tail(path) == ""
    path.write_bytes(b"\xff\n" + b"".join(b"line %d\n" % number for number in range(50)))
    assert tail(path, 2) == "    line 48\n    line 49"
