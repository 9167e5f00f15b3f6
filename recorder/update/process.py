"""The two processes of an update: ``python -m recorder.update.process carry|install``, settings as JSON on standard input.

As the uplink, they run without the libraries of the configuration (:mod:`recorder.lean`).
"""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NoReturn

import recorder
from recorder.evidence.files import OsFiles
from recorder.evidence.p256 import PublicKey
from recorder.lean import exec_module, give_memory_back
from recorder.update import places
from recorder.update.carrier import LOOK_S, Carrier
from recorder.update.client import DdiClient
from recorder.update.ddi import LEAST_SLEEP_S, Attributes
from recorder.update.gates import Conditions
from recorder.update.installer import Installer
from recorder.update.manifest import KEY_FILE, Manifest, Refused, verify_manifest
from recorder.update.programs import Dpkg, Program, Rauc
from recorder.update.settings import UpdateSettings, settings_from_json
from recorder.update.unit_view import UnitView
from recorder.uplink.backoff import BackoffPolicy
from recorder.uplink.connection import ConnectionOptions
from recorder.uplink.faults import Stopped
from recorder.uplink.pacing import TokenBucket
from recorder.uplink.stop_flag import Stop, StopFlag

if TYPE_CHECKING:
    from firmware_bridge.ports import Clock  # numpy comes with it
    from recorder.config.models import RecorderConfig

log = logging.getLogger("recorder.update")

TOKEN: Final = "update-token"
IDLE_LOOK_S: Final = 60.0
DAY_MIN: Final = 24 * 60
OFFSET_MIN: Final = 8 * 60
"""+08:00, as everywhere on a unit."""


def exec_update(config: RecorderConfig, role: Literal["carry", "install"]) -> NoReturn:
    """Replace this process by the lean one. Raises OSError."""
    from recorder.update.settings import settings_of

    exec_module("recorder.update.process", settings_of(config).to_json(), (role,))


def minute_of_day(wall_us: int) -> int:
    return (wall_us // 60_000_000 + OFFSET_MIN) % DAY_MIN


def verifier(settings: UpdateSettings) -> Callable[[str], Manifest | Refused]:
    """Reads the pinned key at each use: it may come after the start."""
    path = Path(settings.trust_dir) / KEY_FILE

    def verify(text: str) -> Manifest | Refused:
        if not settings.enabled:  # whoever asks: the installer is started by a file, not by this setting
            return Refused("update-off", "远程升级未启用", "updates from afar are switched off (update.enabled)")
        try:
            key = PublicKey.from_pem(path.read_bytes())
        except (OSError, ValueError) as error:
            return Refused("update-key-missing", f"{path}: 升级公钥不可用", f"{path}: {error}"[:200])
        installed, board = recorder.__version__, settings.board
        return verify_manifest(text, key, key.kid, installed=installed, board=board, kinds=settings.kinds)

    return verify


def authorization(settings: UpdateSettings, credentials_dir: str) -> str:
    """Of hawkBit's two kinds: a bare token is a target's. Raises OSError, ValueError."""
    path = Path(credentials_dir) / TOKEN if credentials_dir else Path(settings.token_file)
    words = path.read_text(encoding="ascii").split()
    if len(words) == 1 and words != ["absent"]:
        words = ["TargetToken", *words]
    if len(words) != 2 or words[0] not in ("TargetToken", "GatewayToken"):
        raise ValueError(f"{path}: 没有令牌 no TargetToken or GatewayToken in it")
    return " ".join(words)


def carry(settings: UpdateSettings, clock: Clock, stop: Stop, credentials_dir: str = "") -> int:
    """Until ``stop``. Returns the exit code; 78 (EX_CONFIG): this cannot work as configured."""
    if not (settings.enabled and settings.url):
        log.error("update.off", extra={"fields": {"enabled": settings.enabled, "url": settings.url}})
        return 0
    try:
        token = authorization(settings, credentials_dir)
    except (OSError, ValueError) as error:
        log.error("update.token", extra={"fields": {"error": str(error)}})
        return 78
    bucket = TokenBucket(settings.max_kb_s * 1000.0, 64 << 10, clock.boottime_us()) if settings.max_kb_s else None

    def pace(count: int) -> None:
        if stop.is_set() or (bucket is not None and stop.wait(bucket.take(count, clock.boottime_us()))):
            raise Stopped

    files, root_dir, view = OsFiles(), Path(settings.root_dir), UnitView(Path(settings.run_dir), clock)

    def conditions(needed: int) -> Conditions:
        look = view.look()
        version = str(look.status.get("version", ""))
        back = "rauc" in settings.kinds or places.has_kept(root_dir, version)
        minute = minute_of_day(clock.wall_us())
        return Conditions(look.status, look.fresh, files.free_bytes(settings.carrier_dir), needed, minute, back)

    options = ConnectionOptions(settings.connect_timeout_s, settings.io_timeout_s, dscp=settings.dscp)
    client = DdiClient(settings.url, settings.tenant, settings.unit_id, token, Path(settings.ca_file), options, clock)
    carrier = Carrier(
        client,
        files,
        settings.carrier_dir,
        root_dir,
        Attributes(settings.unit_id, settings.model, settings.board, recorder.__version__),
        verifier(settings),
        conditions,
        settings.gate_limits,
        settings.poll_s,
        pace,
    )
    backoff, failures, next_us = BackoffPolicy(LEAST_SLEEP_S, settings.poll_s), 0, clock.boottime_us()
    while not stop.is_set():
        carrier.look()
        if carrier.state.reports and carrier.fault is None:
            next_us = clock.boottime_us()
        if clock.boottime_us() >= next_us:
            try:
                sleep = carrier.ask()
            except Stopped:
                break
            failures = failures + 1 if carrier.fault else 0
            if failures:
                sleep = min(sleep, max(LEAST_SLEEP_S, backoff.delay_s(failures, random.random())))
            # Spread by a tenth to either side: a fleet that was switched on at one moment does not ask at one moment.
            next_us = clock.boottime_us() + round(sleep * (0.9 + 0.2 * random.random()) * 1e6)
        left_s = max(0.0, (next_us - clock.boottime_us()) / 1e6)
        stop.wait(min(left_s, IDLE_LOOK_S if carrier.state.phase == "idle" else LOOK_S))
    return 0


def install(settings: UpdateSettings, clock: Clock, stop: Stop) -> int:
    """Until nothing is left to do, or ``stop``: systemd starts it again where something is."""
    root_dir = Path(settings.root_dir)
    programs: dict[str, Program] = {"deb": Dpkg(root_dir), "rauc": Rauc()}
    installer = Installer(
        OsFiles(),
        settings.carrier_dir,
        root_dir,
        verifier(settings),
        UnitView(Path(settings.run_dir), clock),
        {kind: programs[kind] for kind in settings.kinds},
        settings.gate_limits,
        settings.trial_limits,
        lambda: minute_of_day(clock.wall_us()),
        recorder.__version__,
    )
    while not stop.is_set():
        pause = installer.turn()
        if pause is None:
            break
        stop.wait(pause)
    return 0


def main() -> int:
    give_memory_back()
    stop = StopFlag()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    from recorder.loading import system_clock
    from recorder.unit.logs import configure

    configure()
    settings, clock = settings_from_json(sys.stdin.buffer.read()), system_clock()
    if sys.argv[1:] == ["carry"]:
        return carry(settings, clock, stop, os.environ.get("CREDENTIALS_DIRECTORY", ""))
    if sys.argv[1:] == ["install"]:
        return install(settings, clock, stop)
    sys.stderr.write("用法 usage: python -m recorder.update.process carry|install\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
