"""Where unit process, capture workers and whoever gives commands meet, below ``run_dir``.

``capture/`` is the workers' own folder: on a unit they may write there and nowhere else in ``run_dir`` (docs/services.md).
"""

from __future__ import annotations

from pathlib import Path


def capture_dir(run_dir: Path) -> Path:
    return run_dir / "capture"


def channel_socket(run_dir: Path, camera_id: str) -> Path:
    """The unit process listens there for the worker of this camera; lock and kill switch lie beside it."""
    return capture_dir(run_dir) / f"{camera_id}.sock"


def control_socket(run_dir: Path) -> Path:
    return run_dir / "control.sock"


def launch_socket(run_dir: Path) -> Path:
    """systemd listens there and starts a capture worker for each connection (``recorder-capture.socket``)."""
    return run_dir / "launch.sock"
