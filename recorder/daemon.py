"""Composition root of ``recorder run``: builds the parts, connects them, and turns the loop until the end."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import queue
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.ports import Clock, DeviceError, UnitBoard
from recorder import __version__
from recorder.board_options import board_options
from recorder.channel.places import capture_dir, channel_socket, control_socket, launch_socket
from recorder.channel.worker_lock import wait_until_gone
from recorder.config.load import Loaded, canonical, save_last_good
from recorder.config.models import RecorderConfig
from recorder.evidence.files import Files, OsFiles
from recorder.evidence.journal import Journal, JournalError
from recorder.evidence.journal_loader import Finding
from recorder.evidence.personal import load_officer_key
from recorder.evidence.receipts import LockPolicy, ReceiptCheck
from recorder.evidence.records import Config
from recorder.evidence.recovery import BootFacts, Recovered, recover
from recorder.evidence.signer import FileSigner, KeyFileError, load_or_create, load_or_create_key
from recorder.lean import give_memory_back
from recorder.loading import BoardLoadError, load_board_module, system_clock
from recorder.notify import Notifier
from recorder.officer.indicators import Indicators
from recorder.session import events as ev
from recorder.session.gestures import GestureRecogniser
from recorder.session.machine import MachineSettings, SessionMachine
from recorder.session.previous import previous_of
from recorder.session.supervision import Limits, WorkerSupervisor
from recorder.unit import logs
from recorder.unit.catch_up import CatchUp
from recorder.unit.control_socket import ControlSocket
from recorder.unit.custody import Custody
from recorder.unit.devices import guard, listen
from recorder.unit.duties import DUTIES
from recorder.unit.events import ReloadRequested, Shutdown, UnitEvent
from recorder.unit.fault_book import FaultBook
from recorder.unit.hangup import HangUp
from recorder.unit.heads import HeadBook
from recorder.unit.index import Index
from recorder.unit.journal_check import JournalCheck, backlog_end
from recorder.unit.launcher import ChildProcessLauncher, WorkerLauncher
from recorder.unit.ledger import Ledger
from recorder.unit.noted_files import NotedFiles
from recorder.unit.officers import Officers
from recorder.unit.parts import CameraParts, Parts
from recorder.unit.process import UnitProcess
from recorder.unit.pushed_store import PushedStore
from recorder.unit.reloading import Reloading
from recorder.unit.sensors import Sensors
from recorder.unit.start_log import slow_down, supervised
from recorder.unit.status_writer import StatusWriter
from recorder.unit.store_key import StoreKeyFile
from recorder.unit.systemd_launcher import SystemdLauncher
from recorder.unit.termination import Termination
from recorder.unit.worker_link import WorkerLink

log = logging.getLogger("recorder.unit")

CANNOT_START = 2
LAST_RECORDS_LOST = 1
CATCH_UP_FIRST_US = 300_000
CATCH_UP_US = 10_000
"""How long the index may catch up: before the unit is ready, and in each turn of the loop."""
OLD_WORKER_S = 6.0
"""A worker whose unit process died closes its file and exits within this, or it hangs and is killed."""

WORKERS_END_S = 8.0
"""How long workers may take to close their files at the end, all together; TimeoutStopSec= of the unit is longer."""


class CannotStart(Exception):
    """The unit cannot run at all; the message says why, in Chinese and English."""


def run_unit(loaded: Loaded, read: Callable[[], Loaded], check: Callable[[bytes], Loaded]) -> int:
    """Run until SIGTERM or SIGINT. ``read`` reads the configuration again (SIGHUP), ``check`` with another pushed layer.

    Returns 0 after an orderly end, 1 when the disk refused the last records, 2 when the unit cannot start at all (the
    service manager tries again).
    """
    give_memory_back()
    logs.configure()
    termination = Termination()
    termination.install()
    try:
        return _locked(loaded, Reading(read, check), termination)
    except (CannotStart, JournalError, KeyFileError, BoardLoadError, DeviceError, OSError) as error:
        log.critical("start.refused", extra={"fields": {"error": str(error)}})
        return CANNOT_START


@dataclass(frozen=True, slots=True)
class Reading:
    """The ways to the configuration's files: as they are, and as they would be with this text as the pushed layer."""

    read: Callable[[], Loaded]
    check: Callable[[bytes], Loaded]


def _locked(loaded: Loaded, reading: Reading, termination: Termination) -> int:
    config = loaded.config
    data_dir, run_dir = Path(config.storage.data_dir), Path(config.storage.run_dir)
    OsFiles().make_dir(data_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    OsFiles().make_dir(capture_dir(run_dir))
    with contextlib.ExitStack() as held:
        # The run folder too: a second unit there would take over the first one's sockets.
        for folder in dict.fromkeys((data_dir.resolve(), run_dir.resolve())):
            held.callback(os.close, _lock(folder))
        if supervised():
            slow_down(run_dir / "starts.json", system_clock(), termination.wait)
        if _settle_pushed(config, data_dir):
            loaded = reading.read()
            config = loaded.config
        signer, unusable = _signer(data_dir)
        options = board_options(config.model_dump(mode="json"))
        board = load_board_module(config.board.module).unit_board(options)
        held.callback(board.close)
        return _run(loaded, reading, termination, NotedFiles(board.medium), signer, board, unusable)


def _settle_pushed(config: RecorderConfig, data_dir: Path) -> bool:
    """What was pushed from afar is finished, or taken back, before it is used; True when the files say otherwise now."""
    try:
        return PushedStore(OsFiles(), data_dir).settle(config.remote.failed_starts)
    except OSError as error:
        log.error("config.pushed", extra={"fields": {"error": str(error)}})
        return False


def _signer(data_dir: Path) -> tuple[FileSigner, list[Finding]]:
    """A certificate that cannot be used leaves the unit as it was before enrolment: it records, and the verifier says
    that nobody vouches for its key. Without the key itself nothing can be signed: KeyFileError."""
    key_file, chain_file = data_dir / "keys" / "device-key.pem", data_dir / "keys" / "device-cert.pem"
    try:
        return load_or_create(key_file, chain_file), []
    except (KeyFileError, OSError) as error:
        signer = FileSigner(load_or_create_key(key_file))
        zh, en = f"设备证书无法使用：{error}", f"the device certificate cannot be used: {error}"
        return signer, [Finding("certificate-unusable", zh, en, "device-cert.pem")]


def _run(
    loaded: Loaded,
    reading: Reading,
    termination: Termination,
    files: Files,
    signer: FileSigner,
    board: UnitBoard,
    findings: Sequence[Finding],
) -> int:
    config = loaded.config
    data_dir, run_dir = Path(config.storage.data_dir), Path(config.storage.run_dir)
    for camera_id in config.cameras:
        if wait_until_gone(channel_socket(run_dir, camera_id), board.clock, OLD_WORKER_S):
            log.error("worker.outlived", extra={"fields": {"camera_id": camera_id}})
    recovered = _recover(config, data_dir, files, signer, board)
    journal = recovered.journal
    index = Index(data_dir / "index.db")
    index.behind = True
    catch_up = CatchUp(index, files, journal, board.clock)
    catch_up.step(CATCH_UP_FIRST_US)
    ledger = Ledger(journal, index)
    events: queue.Queue[UnitEvent] = queue.Queue()
    custody = Custody(
        config=config,
        data_dir=data_dir,
        files=files,
        journal=journal,
        ledger=ledger,
        index=index,
        store_key=_store_key(config, signer, journal),
        officer_key=load_officer_key(data_dir / "keys" / "officer-ref.key", files),
    )
    launcher = _launcher(config, run_dir, events, board.clock)
    cameras = {camera_id: _camera(config, camera_id, run_dir, events) for camera_id in config.cameras}
    guarded = guard(board)
    sensors = Sensors(config, board)
    parts = Parts(
        config=config,
        clock=board.clock,
        board=board,
        events=events,
        machine=SessionMachine(MachineSettings.of(config), new_id),
        gestures=GestureRecogniser(config.controls),
        cameras=cameras,
        launcher=launcher,
        files=files,
        journal=journal,
        index=index,
        ledger=ledger,
        custody=custody,
        officers=Officers(run_dir / "officers.json", files),
        indicators=Indicators(config.indicators, board.outputs, board.speaker),
        sensors=sensors,
        faults=FaultBook(new_id),
        guarded=guarded,
        reloading=_reloading(loaded, reading),
    )
    unit = UnitProcess(parts, DUTIES)
    ledger.write(Config(sha256=loaded.sha256, layers=loaded.layer_names, status=loaded.status, errors=loaded.errors))
    unit.started(
        recovered.before,
        ev.UnitStarted(
            at_us=board.clock.boottime_us(),
            bootseed=board.clock.boot_id(),
            wall_us=board.clock.wall_us(),
            previous=previous_of(recovered.before),
            clock_vouched=board.clock.quality().source != "none",
        ),
    )
    for finding in (*findings, *recovered.findings):
        unit.found(finding)
    unit.commit()
    custody.finish_releases()
    sensors.apply_night()
    _save_last_good(files, loaded)
    check = JournalCheck(
        files, journal.directory, [signer.public_key()], backlog_end(recovered.before), events, board.clock
    )
    control = ControlSocket(control_socket(run_dir), events, board.clock.boottime_us)
    for finding in listen(board, events, gnss=config.gnss.enabled):
        unit.found(finding)
    check.start()
    notifier = Notifier(os.environ)
    status = StatusWriter(unit, journal, run_dir, files, notifier)
    hangup = HangUp()
    hangup.install()
    notifier.ready("待机 standby")
    try:
        while not (unit.finished or unit.restarting):
            if termination.requested:
                unit.handle(Shutdown())
            if hangup.take():
                unit.handle(ReloadRequested())
            unit.turn()
            if index.behind and catch_up.step(CATCH_UP_US):
                custody.finish_releases()
            status.turn()
    finally:
        notifier.stopping()
        control.close()
        _last_words(unit, ledger)
        check.close()
        if board.gnss is not None:
            board.gnss.stop()
        _end_workers(cameras, launcher)
        status.write()
        written = _close(journal, ledger)
        index.close()
        notifier.close()
    return 0 if written else LAST_RECORDS_LOST


def _last_words(unit: UnitProcess, ledger: Ledger) -> None:
    """On the disk before anybody waits for anything: a worker that hangs, or a service manager that loses patience, must
    not make an end in order look like a crash."""
    unit.close()
    ledger.commit()


def _end_workers(cameras: Mapping[str, CameraParts], launcher: WorkerLauncher) -> None:
    for camera in cameras.values():
        camera.link.close()
    launcher.close(timeout_s=WORKERS_END_S)


def _close(journal: Journal, ledger: Ledger) -> bool:
    """The last attempt to write what waits; False when the disk still refuses."""
    try:
        if not ledger.commit() and ledger.error is not None:
            raise ledger.error
        journal.close()
    except JournalError as error:
        lost = ledger.unwritten
        log.critical("journal.last-records", extra={"fields": {"error": str(error), "unwritten": lost}})
        return False
    return True


def new_id() -> str:
    return str(uuid.uuid4())


def _lock(folder: Path) -> int:
    """One unit process per data folder and per run folder, ever: two would fork the journal. Raises CannotStart."""
    fd = os.open(folder / "unit.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise CannotStart(
            f"{folder}: 已有一个记录单元在使用此文件夹 another recorder run is using this folder"
        ) from error
    return fd


def _recover(config: RecorderConfig, data_dir: Path, files: Files, signer: FileSigner, board: UnitBoard) -> Recovered:
    identity = board.identity
    facts = BootFacts(
        ueid=identity.ueid,
        unit_id=config.device.id,
        hwmodel=identity.hwmodel,
        hwversion=identity.hwversion,
        swname="zfy-recorder",
        swversion=__version__,
    )
    return recover(data_dir, signer, board.clock, files, facts, checkpoint_records=config.signing.checkpoint_records)


def _store_key(config: RecorderConfig, signer: FileSigner, journal: Journal) -> StoreKeyFile:
    policy = LockPolicy(require_lock=config.trust.require_lock, min_days=config.trust.min_lock_days)
    return StoreKeyFile(
        Path(config.trust.dir) / "store-key.pem",
        lambda key: ReceiptCheck(
            key,
            unit_id=config.device.id,
            device_kids=[signer.kid],
            journal_id=journal.journal_id,
            policy=policy,
        ),
    )


def _camera(config: RecorderConfig, camera_id: str, run_dir: Path, events: queue.Queue[UnitEvent]) -> CameraParts:
    path = channel_socket(run_dir, camera_id)
    return CameraParts(
        link=WorkerLink(camera_id, path, events),
        supervisor=WorkerSupervisor(Limits.of(config.supervision)),
        heads=HeadBook(round(config.signing.head_interval_s * 1e6)),
        socket=path,
    )


def _launcher(config: RecorderConfig, run_dir: Path, events: queue.Queue[UnitEvent], clock: Clock) -> WorkerLauncher:
    if config.supervision.launcher == "systemd":
        return SystemdLauncher(canonical(config), launch_socket(run_dir), events, clock)
    return ChildProcessLauncher(canonical(config), events, clock)


def _reloading(loaded: Loaded, reading: Reading) -> Reloading:
    return Reloading(
        read=reading.read,
        check=reading.check,
        loaded=loaded,
        sha256=loaded.sha256,
        restarts=supervised(),
        errors=loaded.errors,
    )


def _save_last_good(files: Files, loaded: Loaded) -> None:
    try:
        save_last_good(files, loaded)
    except OSError as error:
        log.error("config.last-good", extra={"fields": {"error": str(error)}})
