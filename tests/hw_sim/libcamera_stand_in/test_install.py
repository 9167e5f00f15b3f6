"""In a process of its own: what a worker does before it imports picamera2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support import require_module


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def test_picamera2_is_the_real_one_on_the_stand_in(tmp_path: Path) -> None:
    require_module("picamera2")
    code = """
from hw_sim.libcamera_stand_in import install
install(); install()
import importlib.metadata, libcamera, picamera2, pykms
assert "modules" in libcamera.__file__ and "modules" in pykms.__file__
assert "site-packages" in picamera2.__file__ and importlib.metadata.version("picamera2")
print(picamera2.Picamera2.global_camera_info())
"""
    done = run(code, tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_another_libcamera_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "libcamera.py").write_text("")
    done = run("import libcamera\nfrom hw_sim.libcamera_stand_in import install\ninstall()", tmp_path)
    assert done.returncode != 0 and "StandInError" in done.stderr and str(tmp_path) in done.stderr
