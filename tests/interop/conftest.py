"""Foreign implementations, fetched when ``./dev test --interop`` asks for them: pinned by the integrity hashes of
``node/package-lock.json`` (npm) and ``requirements-seaweedfs.txt``."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from recorder.uplink.connection import ConnectionOptions
from tests.interop.foreign import Foreign, SeaweedTus, TusNodeServer
from tests.support import require_program, require_whole
from tests.uplink.pki import Pki, make_pki

NODE = Path(__file__).parent / "node"
OPTIONS = ConnectionOptions(connect_s=5.0, io_s=5.0)


@pytest.fixture(scope="session", autouse=True)
def asked_for() -> None:
    require_whole("interop", "外部 tus 实现 foreign tus implementations are fetched")


@pytest.fixture(scope="session")
def pki(asked_for: None, tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def node(asked_for: None) -> Path:
    """A folder with the scripts and the modules of the lock file; made once for each lock file."""
    npm = require_program("npm")
    require_program("node")
    key = hashlib.sha256((NODE / "package-lock.json").read_bytes()).hexdigest()[:16]
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zfy-recorder" / "interop"
    made = base / key
    if not (made / "complete").exists():
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(NODE / name, made)
        # ci: exactly the lock file, every package compared with its integrity hash; no package's own scripts run.
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=made, capture_output=True, text=True, timeout=280, check=False)
        assert done.returncode == 0, done.stderr
        (made / "complete").touch()
    for script in NODE.glob("*.mjs"):
        shutil.copy(script, made)
    return made


@pytest.fixture(params=["@tus/server", "seaweedfs"])
def foreign(request: pytest.FixtureRequest, pki: Pki, tmp_path: Path) -> Iterator[Foreign]:
    made: Foreign
    if request.param == "seaweedfs":
        made = SeaweedTus(tmp_path, pki, SystemClock())
    else:
        made = TusNodeServer(request.getfixturevalue("node"), tmp_path, pki, SystemClock())
    made.start()
    yield made
    made.stop()
