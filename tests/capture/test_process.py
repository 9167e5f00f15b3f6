"""The worker as a process: it cannot start, and says why; it starts from what the unit process hands over."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from recorder.capture import process
from recorder.channel.messages import Hello, decode_from_worker
from recorder.channel.worker_lock import hold
from recorder.config.load import canonical as canonical_config
from recorder.config.load import load_config

ROOT = Path(__file__).parents[2]


def config(folder: Path, module: str, **options: str) -> bytes:
    table = json.loads(canonical_config(load_config([], {}, folder).config))
    table["storage"] |= {"data_dir": str(folder), "run_dir": str(folder)}
    table["board"] = {"module": module, "options": options}
    return json.dumps(table).encode()


def refused(arguments: list[str], text: bytes) -> tuple[int, str]:
    errors = io.StringIO()
    return process.main(arguments, text, errors), errors.getvalue()


@pytest.mark.parametrize(
    ("module", "folder", "named"),
    [
        ("no.such.board", "", "no.such.board"),
        ("hw_sim.board", "", "no-world.sock"),
        ("hw_sim.board", "nowhere", "capture-cam0.lock"),
    ],
)
def test_what_is_missing_is_named(module: str, folder: str, named: str, tmp_path: Path) -> None:
    text = config(tmp_path, module, world=f"{tmp_path}/no-world.sock")
    code, said = refused(["cam0", str(tmp_path / folder / "capture-cam0.sock")], text)
    assert code == 2 and named in said


def test_a_camera_nobody_configured(tmp_path: Path) -> None:
    code, said = refused(["cam9", str(tmp_path / "s.sock")], config(tmp_path, "no.such.board"))
    assert code == 2 and "没有摄像头" in said and "cam9" in said


def test_wrong_usage_and_wrong_settings(tmp_path: Path) -> None:
    code, said = refused(["cam0"], b"")
    assert code == 2 and "usage" in said
    code, said = refused(["cam0", str(tmp_path / "s.sock")], b"{}")
    assert code == 2 and "device" in said


def test_a_second_worker_of_a_camera_leaves_at_once(tmp_path: Path) -> None:
    path = tmp_path / "capture-cam0.sock"
    held = hold(path)
    assert held is not None
    try:
        code, said = refused(["cam0", str(path)], config(tmp_path, "no.such.board"))
    finally:
        os.close(held)
    assert code == 75 and "still running" in said


@pytest.mark.parametrize("start", ["by the unit process", "by hand"])
def test_it_says_hello_and_ends_with_its_channel(start: str, tmp_path: Path) -> None:
    """``recorder capture-worker`` reads the configuration itself and becomes what the unit process starts."""
    path = tmp_path / "capture" / "cam0.sock"
    path.parent.mkdir()
    text = config(tmp_path, "tests.capture.board")
    unit_toml = tmp_path / "unit.toml"
    unit_toml.write_text(
        f'[storage]\ndata_dir = "{tmp_path}"\nrun_dir = "{tmp_path}"\n[board]\nmodule = "tests.capture.board"\n'
    )
    commands = {
        "by the unit process": ["-m", process.MODULE, "cam0", str(path)],
        "by hand": ["-m", "recorder", "capture-worker", "--camera", "cam0", "--config", str(unit_toml)],
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen(1)
        server.settimeout(30)
        child = subprocess.Popen([sys.executable, *commands[start]], stdin=subprocess.PIPE, cwd=ROOT)
        try:
            assert child.stdin is not None
            child.stdin.write(text)
            child.stdin.close()
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as lines:
                hello = decode_from_worker(lines.readline())
                assert isinstance(hello, Hello) and hello.pid == child.pid
            assert child.wait(30) == 0
        finally:
            child.kill()
            child.wait(10)
