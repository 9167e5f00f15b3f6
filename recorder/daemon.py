"""Composition root of ``recorder run``: builds the parts, connects them, and turns the loop until the end."""

from __future__ import annotations

import fcntl
import logging
import os
import queue
import signal
import uuid
from collections.abc import Sequence
from pathlib import Path

from firmware_bridge.ports import Button, UnitBoard
from recorder import __version__
from recorder.channel.worker_lock import wait_until_gone
from recorder.config.load import Loaded, save_last_good
from recorder.config.models import RecorderConfig
from recorder.evidence.files import Files, OsFiles
from recorder.evidence.journal import Journal
from recorder.evidence.journal_reader import iterate
from recorder.evidence.personal import load_officer_key
from recorder.evidence.receipts import LockPolicy, ReceiptCheck, StoreKeyError, load_store_key
from recorder.evidence.records import Config
from recorder.evidence.recovery import BootFacts, Recovered, recover
from recorder.evidence.signer import FileSigner, KeyFileError, load_or_create
from recorder.loading import BoardLoadError, load_board_module
from recorder.officer.indicators import Indicators
from recorder.session import events as ev
from recorder.session.gestures import GestureRecogniser
from recorder.session.machine import MachineSettings, SessionMachine
from recorder.session.previous import previous_of
from recorder.session.supervision import Limits, WorkerSupervisor
from recorder.unit import logs
from recorder.unit.control_socket import ControlSocket
from recorder.unit.custody import Custody
from recorder.unit.events import ButtonEdge, FixReceived, Shutdown, UnitEvent
from recorder.unit.fault_book import FaultBook
from recorder.unit.heads import HeadBook
from recorder.unit.index import Index
from recorder.unit.launcher import ChildProcessLauncher
from recorder.unit.ledger import Ledger
from recorder.unit.notify import Notifier
from recorder.unit.officers import Officers
from recorder.unit.process import CameraParts, Parts, UnitProcess
from recorder.unit.sensors import Sensors
from recorder.unit.status_writer import StatusWriter
from recorder.unit.worker_link import WorkerLink

log = logging.getLogger("recorder.unit")

CANNOT_START = 2
INDEX_BATCH = 2000
OLD_WORKER_S = 6.0
"""A worker whose unit process died closes its file and exits within this, or it hangs and is killed."""


def run_unit(loaded: Loaded, config_files: Sequence[Path]) -> int:
    """Run until SIGTERM or SIGINT; 0 after an orderly end, 2 when the unit cannot start at all."""
    logs.configure()
    config, files = loaded.config, OsFiles()
    data_dir, run_dir = Path(config.storage.data_dir), Path(config.storage.run_dir)
    files.make_dir(data_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    lock = _lock(data_dir)
    if lock is None:
        log.critical("start.locked", extra={"fields": {"data_dir": str(data_dir)}})
        return CANNOT_START
    try:
        signer = load_or_create(data_dir / "keys" / "device-key.pem", data_dir / "keys" / "device-cert.pem")
        board = load_board_module(config.board.module).unit_board(board_options(config))
    except (KeyFileError, BoardLoadError) as error:
        log.critical("start.refused", extra={"fields": {"error": str(error)}})
        return CANNOT_START
    try:
        return _run(loaded, config_files, files, signer, board)
    finally:
        board.close()
        os.close(lock)


def _run(loaded: Loaded, config_files: Sequence[Path], files: Files, signer: FileSigner, board: UnitBoard) -> int:
    config = loaded.config
    data_dir, run_dir = Path(config.storage.data_dir), Path(config.storage.run_dir)
    for camera_id in config.cameras:
        if wait_until_gone(_socket(run_dir, camera_id), board.clock, OLD_WORKER_S):
            log.error("worker.outlived", extra={"fields": {"camera_id": camera_id}})
    recovered = _recover(config, data_dir, files, signer, board)
    journal = recovered.journal
    index = Index(data_dir / "index.db")
    catch_up(index, files, journal)
    ledger = Ledger(journal, index)
    events: queue.Queue[UnitEvent] = queue.Queue()
    custody = Custody(
        config=config,
        data_dir=data_dir,
        files=files,
        journal=journal,
        ledger=ledger,
        index=index,
        receipts=_receipt_check(config, signer, journal),
        officer_key=load_officer_key(data_dir / "keys" / "officer-ref.key", files),
    )
    launcher = ChildProcessLauncher(config_files, events)
    cameras = {camera_id: _camera(config, camera_id, run_dir, events) for camera_id in config.cameras}
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
        ledger=ledger,
        custody=custody,
        officers=Officers(run_dir / "officers.json", files),
        indicators=Indicators(config.indicators, board.outputs, board.speaker),
        sensors=sensors,
        faults=FaultBook(new_id),
    )
    unit = UnitProcess(parts)
    ledger.write(Config(sha256=loaded.sha256, layers=loaded.layer_names, status=loaded.status, errors=loaded.errors))
    unit.decide(
        ev.UnitStarted(
            at_us=board.clock.boottime_us(),
            bootseed=board.clock.boot_id(),
            wall_us=board.clock.wall_us(),
            previous=previous_of(recovered.before),
        )
    )
    unit.commit()
    custody.finish_releases()
    sensors.apply_night()
    _save_last_good(files, loaded)
    control = ControlSocket(run_dir / "control.sock", events)
    _listen(config, board, events)
    notifier = Notifier(os.environ)
    status = StatusWriter(unit, index, journal, run_dir, files, notifier)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: events.put(Shutdown()))
    notifier.ready("待机 standby")
    try:
        while not unit.finished:
            unit.turn()
            status.turn()
    finally:
        notifier.stopping()
        control.close()
        if board.gnss is not None:
            board.gnss.stop()
        for camera in cameras.values():
            camera.link.close()
        launcher.close(timeout_s=8)
        status.write()
        journal.close()
        index.close()
        notifier.close()
    return 0


def new_id() -> str:
    return str(uuid.uuid4())


def board_options(config: RecorderConfig) -> dict[str, str]:
    """What the drivers need to know of the configuration; ``[board.options]`` may override each."""
    return {
        "debounce_ms": str(config.controls.debounce_ms),
        "gnss_max_speed_mps": str(config.gnss.max_speed_mps),
        **config.board.options,
    }


def _lock(data_dir: Path) -> int | None:
    """One unit process per data directory, ever: two would fork the journal."""
    fd = os.open(data_dir / "unit.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
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


def catch_up(index: Index, files: Files, journal: Journal) -> None:
    """Bring the index up to the journal: only what it missed is read; from the beginning when it is new."""
    last = index.last_seq(journal.journal_id)
    if last >= journal.state.next_seq:
        last = -1  # it knows lines the journal does not have: it belongs to another state of the disk
    if last < 0:
        index.clear()
    batch = []
    for line in iterate(files, journal.directory, last + 1, INDEXED):
        batch.append((line.parts.typ, line.parts.payload))
        if len(batch) >= INDEX_BATCH:
            index.apply(batch)
            batch = []
    index.apply(batch)
    index.reached(journal.journal_id, journal.state.next_seq - 1)


INDEXED = (
    "segment-open",
    "segment-close",
    "recovery",
    "receipt",
    "release",
    "interruption",
    "resumption",
    "explanation",
    "statement",
)


def _receipt_check(config: RecorderConfig, signer: FileSigner, journal: Journal) -> ReceiptCheck | None:
    """None without a pinned store key: then nothing is ever believed, and nothing is ever released."""
    path = Path(config.trust.dir) / "store-key.pem"
    try:
        key = load_store_key(path.read_bytes(), str(path))
    except (OSError, StoreKeyError) as error:
        log.error("trust.store-key", extra={"fields": {"path": str(path), "error": str(error)}})
        return None
    policy = LockPolicy(require_lock=config.trust.require_lock, min_days=config.trust.min_lock_days)
    return ReceiptCheck(
        key,
        unit_id=config.device.id,
        device_kids=[signer.kid],
        journal_id=journal.journal_id,
        policy=policy,
    )


def _camera(config: RecorderConfig, camera_id: str, run_dir: Path, events: queue.Queue[UnitEvent]) -> CameraParts:
    path = _socket(run_dir, camera_id)
    return CameraParts(
        link=WorkerLink(camera_id, path, events),
        supervisor=WorkerSupervisor(Limits.of(config.supervision)),
        heads=HeadBook(round(config.signing.head_interval_s * 1e6)),
        socket=path,
    )


def _socket(run_dir: Path, camera_id: str) -> Path:
    return run_dir / f"capture-{camera_id}.sock"


def _listen(config: RecorderConfig, board: UnitBoard, events: queue.Queue[UnitEvent]) -> None:
    """Devices enqueue; nothing else happens on their threads."""
    for name, button in board.buttons.items():
        _listen_to(name, button, events)
    if board.gnss is not None and config.gnss.enabled:
        board.gnss.start(lambda fix: events.put(FixReceived(fix)))


def _listen_to(name: str, button: Button, events: queue.Queue[UnitEvent]) -> None:
    button.start(lambda pressed, at_us: events.put(ButtonEdge(name, pressed, at_us)))


def _save_last_good(files: Files, loaded: Loaded) -> None:
    try:
        save_last_good(files, loaded)
    except OSError as error:
        log.error("config.last-good", extra={"fields": {"error": str(error)}})
