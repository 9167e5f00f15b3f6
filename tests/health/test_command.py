"""``recorder status``: exit codes, languages, and a unit that is gone."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder.health.model import known_values
from tests.health.sample import health
from tests.test_cli import CHINESE, ENGLISH, invoke


@pytest.fixture
def run() -> Iterator[Path]:
    """For sockets: a Unix socket's path has 107 bytes at most, and pytest's folders are deep."""
    path = Path(tempfile.mkdtemp(prefix="zfy-", dir="/tmp"))
    (path / "uplink").mkdir()
    yield path
    shutil.rmtree(path)


@pytest.fixture
def layer(run: Path) -> Path:
    path = run / "unit.toml"
    path.write_text(f'[storage]\nrun_dir = "{run}"\n')
    return path


@pytest.mark.parametrize(
    ("env", "words"), [(CHINESE, ("无法连接", "没有可读")), (ENGLISH, ("cannot reach", "no readable"))]
)
def test_status_of_a_unit_that_never_was_is_two(env: dict[str, str], words: tuple[str, str], layer: Path) -> None:
    result = invoke("status", "--config", str(layer), env=env)
    assert result.exit_code == 2
    assert words[0] in result.stderr and "control.sock" in result.stderr and words[1] in result.stdout
    as_json = invoke("status", "--json", "--config", str(layer), env=env)
    assert as_json.exit_code == 2
    assert json.loads(as_json.stdout) == {"reachable": False, "standing": "absent", "age_s": None, "uplink": None}


def answering(run_dir: Path, stack: contextlib.ExitStack) -> None:
    """A unit that answers one request at its control socket."""
    listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    listener.bind(str(run_dir / "control.sock"))
    listener.listen()

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b'{"ok": true, "boot_id": "b", "at_us": 1500000}\n')

    thread = threading.Thread(target=answer)
    thread.start()
    stack.callback(thread.join)


@pytest.mark.parametrize(
    ("faults", "uplink_faults", "code"), [([], [], 0), (["camera-stall"], [], 1), ([], ["store-away"], 1)]
)
def test_status_says_by_its_exit_code_whether_all_is_well(
    faults: list[str], uplink_faults: list[str], code: int, run: Path, layer: Path
) -> None:
    status = {"boot_id": "b", "at_us": 1_000_000, "state": "standby", "faults": faults}
    (run / "status.json").write_text(json.dumps({**status, "health": known_values(health())}))
    uplink = {"pid": os.getpid(), "faults": [{"code": each, "zh": "存储", "en": "store"} for each in uplink_faults]}
    (run / "uplink" / "status.json").write_text(json.dumps(uplink))
    with contextlib.ExitStack() as stack:
        answering(run, stack)
        result = invoke("status", "--config", str(layer), env=ENGLISH)
    assert result.exit_code == code, result.output
    assert all(each in result.stdout for each in (*faults, *uplink_faults, "standby"))


def test_what_a_dead_unit_left_is_shown_as_old(run: Path, layer: Path) -> None:
    status = {"boot_id": "another", "at_us": 1, "state": "recording", "faults": [], "health": {"recording": True}}
    (run / "status.json").write_text(json.dumps(status))
    (run / "uplink" / "status.json").write_text(json.dumps({"pid": 2**22 + 1, "faults": [{"code": "x"}]}))
    result = invoke("status", "--config", str(layer), env=ENGLISH)
    assert result.exit_code == 2
    assert "another boot of the machine (boot id another), not of now" in result.stdout
    assert "upload fault" not in result.stdout, "its writer is gone too"
    shown = json.loads(invoke("status", "--json", "--config", str(layer), env=ENGLISH).stdout)
    assert (shown["reachable"], shown["standing"], shown["state"]) == (False, "other-boot", "recording")
