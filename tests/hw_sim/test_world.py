"""The world: keys, clients, boots, outputs."""

from __future__ import annotations

import gc
import io
import json
import queue
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.ports import DeviceError
from hw_sim import world as world_module
from hw_sim.world import BOOT_US, World, parse_assignment
from hw_sim.world_client import WorldClient
from hw_sim.world_keys import KEYS, WorldError, checked
from tests.firmware_bridge.manual_clock import ManualClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "world.sock"


@pytest.fixture
def world(path: Path) -> Iterator[World]:
    with World({"lux": 50, "gnss.failure": "silent"}, path) as world:
        yield world


class Raw:
    """A client by hand: one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(5)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile("rb")

    def say(self, message: object) -> None:
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def hear(self) -> dict[str, object]:
        answer = json.loads(self.lines.readline())
        assert isinstance(answer, dict)
        return answer

    def close(self) -> None:
        self.lines.close()
        self.socket.close()


def test_the_protocol_as_documented(world: World, path: Path) -> None:
    client = Raw(path)
    client.say({"hello": "worker", "camera_id": "cam0"})
    greeting = client.hear()
    assert greeting["state"] == world.state()
    assert set(world.state()) == set(KEYS) and world.get("lux") == 50.0
    world.set("lux", 0.5)
    world.set("button.record", True)
    assert client.hear() == {"set": {"lux": 0.5}} and client.hear() == {"set": {"button.record": True}}
    client.say({"output": "led_red", "on": True, "at_us": 77})
    event = world.wait_for_output("led_red", True, 5)
    assert event is not None and event.at_us == 77 and event.boot_id == world.clock.boot_id()
    assert world.is_lit("led_red") and world.clients() == ("worker:cam0",)
    client.close()


def test_the_same_value_is_no_change(world: World, path: Path) -> None:
    client = Raw(path)
    client.say({"hello": "unit"})
    client.hear()
    world.set("lux", 50)
    world.set("lux", 51)
    assert client.hear() == {"set": {"lux": 51.0}}
    client.close()


@pytest.mark.parametrize(
    "line",
    [b"not json\n", b"[1]\n", b"{}\n", b'{"hello": "worker"}\n', b"x" * 70_000],
)
def test_a_client_that_talks_nonsense_is_disconnected_and_the_others_are_not(
    world: World, path: Path, line: bytes
) -> None:
    good, bad = Raw(path), Raw(path)
    good.say({"hello": "unit"})
    good.hear()
    bad.socket.sendall(line)
    assert bad.socket.recv(10) == b""
    world.set("lux", 7)
    assert good.hear() == {"set": {"lux": 7.0}}
    good.close()
    bad.close()


def test_a_client_that_does_not_read_blocks_nobody(world: World, path: Path) -> None:
    lazy, good = Raw(path), Raw(path)
    for client in (lazy, good):
        client.say({"hello": "unit"})
    good.hear()
    heard: list[object] = []
    reader = threading.Thread(target=lambda: heard.extend(good.hear() for _ in range(20_000)))
    reader.start()
    for n in range(20_000):
        world.set("camera.file", f"{n:0200d}")
    reader.join(20)
    assert len(heard) == 20_000
    lazy.close()
    good.close()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("luxx", 1),
        ("lux", "bright"),
        ("lux", -1),
        ("lux", True),
        ("lux", float("nan")),
        ("button.record", 1),
        ("camera.mode", "upside-down"),
        ("seed", None),
    ],
)
def test_wrong_keys_and_values_are_named(key: str, value: object) -> None:
    with pytest.raises(WorldError, match=key):
        checked(key, value)


@pytest.mark.parametrize("key", ["boot_id", "boot_offset_us", "gnss.tty"])
def test_what_the_world_decides_cannot_be_set(world: World, key: str) -> None:
    with pytest.raises(WorldError, match=key):
        world.set(key, "x")


def test_an_unplayable_gnss_log_changes_nothing(world: World, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"none\.nmea"):
        world.set("gnss.file", str(tmp_path / "none.nmea"))
    assert world.get("gnss.file") == ""


def test_a_new_boot(world: World, path: Path) -> None:
    first = world.clock.boot_id()
    client = WorldClient(path, {"hello": "unit"})
    client.start()
    client.report_output("led_red", True, 5)
    assert world.wait_for_output("led_red", True, 5)
    world.set("button.record", True)
    world.new_boot()
    assert world.clock.boot_id() != first
    assert BOOT_US <= world.clock.boottime_us() < BOOT_US + 5_000_000
    assert world.get("button.record") is False and not world.is_lit("led_red")
    assert [(event.name, event.on) for event in world.outputs()] == [("led_red", True), ("led_red", False)]
    assert world.clients() == ()
    client.close()


def test_a_wall_clock_step_leaves_boot_time_alone(world: World) -> None:
    boot, wall = world.clock.boottime_us(), world.clock.wall_us()
    world.step_wall_clock(-3_600_000_000)
    assert world.clock.wall_us() - wall < -3_590_000_000
    assert 0 <= world.clock.boottime_us() - boot < 5_000_000


def test_clients_learn_of_the_end_of_the_world(path: Path) -> None:
    with World({"gnss.failure": "off"}, path):
        client = WorldClient(path, {"hello": "unit"})
        changes: queue.SimpleQueue[str] = queue.SimpleQueue()
        client.subscribe(lambda key, value: changes.put(key))
        client.start()
        assert client.connected()
    client.report_output("led_red", True, 1)
    client._thread.join(5)
    assert not client.connected() and client.get("lux") == KEYS["lux"].default
    client.close()


def test_no_world_is_a_device_error(path: Path) -> None:
    with pytest.raises(DeviceError, match=r"world\.sock"):
        WorldClient(path, {"hello": "unit"})


def test_a_world_that_cannot_start_leaves_nothing_open(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        World({}, tmp_path / "no such folder" / "w").start()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        World({}, tmp_path / "folder").start()
    gc.collect()  # -W error turns a socket left open into a failure


def test_a_socket_path_too_long_is_said(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="longer"):
        World({}, tmp_path / ("x" * 120))


def test_assignments() -> None:
    assert parse_assignment("lux=0.5") == ("lux", 0.5)
    assert parse_assignment("camera.mode=covered") == ("camera.mode", "covered")
    assert parse_assignment("button.record=true") == ("button.record", True)
    with pytest.raises(WorldError):
        parse_assignment("lux")


def test_standalone(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("lux=3\nnonsense=1\npower-cut\noutputs\n"))
    assert world_module.main(["--socket", str(path), "battery_percent=50"]) == 0
    out, err = capsys.readouterr()
    assert out == f"{path}\n" and "nonsense" in err
    assert world_module.main(["--socket", str(path), "lux=dark"]) == 2
    assert world_module.main(["--socket", str(path), "--gnss", "/nonexistent.nmea"]) == 2
    assert "nonexistent.nmea" in capsys.readouterr().err


def test_the_world_remembers_what_was_changed_and_when(tmp_path: Path) -> None:
    with World({}, tmp_path / "w.sock", host_clock=ManualClock(50_000_000)) as world:
        world.set("temperature_c", 90.0)
        world.set("temperature_c", 90.0)
        (change,) = world.changes()
        assert (change.key, change.value, change.boot_id) == ("temperature_c", 90.0, world.clock.boot_id())
        assert change.at_us == world.clock.boottime_us()


def test_a_clock_that_drifts_at_another_rate_does_not_step(tmp_path: Path) -> None:
    host = ManualClock(50_000_000)
    with World({}, tmp_path / "w.sock", host_clock=host) as world:
        world.set("wall_drift_ppm", 1000.0)
        host.now_us += 10_000_000
        before = world.clock.wall_us()
        assert before - host.wall_us() == 10_000
        world.set("wall_drift_ppm", -500.0)
        assert world.clock.wall_us() == before
        host.now_us += 10_000_000
        assert world.clock.wall_us() - host.wall_us() == 5_000
