"""A whole unit process in memory: real journal, index, machines and custody; fakes where workers and devices would be."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from firmware_bridge.ports import BoardIdentity, DeviceError, UnitBoard
from recorder.channel import messages
from recorder.config.load import load_config
from recorder.config.models import RecorderConfig
from recorder.evidence.files import AppendFile
from recorder.evidence.journal import Journal
from recorder.evidence.journal_reader import iterate
from recorder.evidence.p256 import PublicKey
from recorder.evidence.personal import load_officer_key
from recorder.evidence.receipts import ReceiptCheck
from recorder.evidence.recovery import recover
from recorder.evidence.signer import FileSigner
from recorder.officer.indicators import Indicators
from recorder.session import events as ev
from recorder.session.gestures import GestureRecogniser
from recorder.session.machine import MachineSettings, SessionMachine
from recorder.session.supervision import Limits, WorkerSupervisor
from recorder.unit.custody import Custody
from recorder.unit.duties import DUTIES
from recorder.unit.duties.announcements import Announcements
from recorder.unit.duties.evidence_guard import EvidenceGuard
from recorder.unit.duties.fault_voice import FaultVoice
from recorder.unit.duties.power_on_desk import PowerOnDesk
from recorder.unit.duty import DutyFactory
from recorder.unit.events import UnitEvent, WorkerConnected, WorkerMessage
from recorder.unit.fault_book import FaultBook
from recorder.unit.heads import HeadBook
from recorder.unit.index import Index
from recorder.unit.ledger import Ledger
from recorder.unit.noted_files import NotedFiles
from recorder.unit.officers import Officers
from recorder.unit.parts import CameraParts, Parts
from recorder.unit.process import UnitProcess
from recorder.unit.sensors import Sensors
from recorder.unit.store_key import StoreKeyFile
from recorder.unit.worker_link import WorkerLink
from tests.evidence.kit import BOOT, BOOT_A, ToldClock, counting_ids, signer

DIGEST = "A" * 43
WITHOUT_WATCH = tuple(duty for duty in DUTIES if duty not in (EvidenceGuard, Announcements, FaultVoice, PowerOnDesk))
"""The watch holds a kernel object that has to be closed, and around what is said ("recording started", "the time is not
set") every test would have to read; their own tests bring them."""
SEGMENT = "00000000-0000-4000-8000-00000000000{}"


class RefusingFiles(NotedFiles):
    """The real disk until ``refuse`` is set: then every sync of the journal fails with ENOSPC."""

    def __init__(self) -> None:
        super().__init__()
        self.refuse = False

    def create(self, path: Path) -> AppendFile:
        return _Refusing(super().create(path), self)

    def append(self, path: Path) -> AppendFile:
        return _Refusing(super().append(path), self)


class _Refusing:
    def __init__(self, inner: AppendFile, owner: RefusingFiles) -> None:
        self._inner = inner
        self._owner = owner

    def write(self, data: bytes | memoryview) -> None:
        self._inner.write(data)

    def sync(self) -> None:
        if self._owner.refuse:
            raise OSError(28, "No space left on device")
        self._inner.sync()

    def close(self) -> None:
        self._inner.close()


@dataclass(slots=True)
class FakeLink:
    """Keeps what the worker would be told."""

    sent: list[messages.Message] = field(default_factory=list)
    dropped: int = 0

    def send(self, message: messages.Message) -> bool:
        self.sent.append(message)
        return True

    def drop(self) -> None:
        self.dropped += 1

    def of(self, kind: type[messages.Message]) -> list[Any]:
        return [message for message in self.sent if isinstance(message, kind)]


@dataclass(slots=True)
class FakeLauncher:
    launched: list[str] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)
    configs: list[bytes] = field(default_factory=list)

    def configure(self, config: bytes) -> None:
        self.configs.append(config)

    def launch(self, camera_id: str, socket_path: Path) -> None:
        self.launched.append(camera_id)

    def kill(self, camera_id: str) -> None:
        self.killed.append(camera_id)

    def pid(self, camera_id: str) -> int | None:
        return None

    def close(self, timeout_s: float) -> None:
        self.killed.clear()


class BareBoard:
    """A board without a single device."""

    def __init__(self, clock: ToldClock) -> None:
        self.clock = clock
        self.identity = BoardIdentity("ueid-1", "model", "1")
        self.buttons: dict[str, Any] = {}
        self.outputs: dict[str, Any] = {}
        self.gnss = self.light = self.power = self.thermal = self.speaker = self.medium = None
        self.watchdog = self.ignition = None
        self.faults: list[DeviceError] = []

    def close(self) -> None:
        self.buttons.clear()


def configuration(
    data_dir: Path, sections: Mapping[str, Mapping[str, object]] | None = None, **storage: object
) -> RecorderConfig:
    """The shipped defaults, sealing off, everything under ``data_dir``. ``sections``: what differs, by section."""
    values = load_config([], {}).config.model_dump()
    values["storage"] |= {"data_dir": str(data_dir), "run_dir": str(data_dir / "run"), **storage}
    values["sealing"]["enabled"] = False
    values["trust"]["dir"] = str(data_dir / "trust")
    for name, changes in (sections or {}).items():
        values[name] |= changes
    return RecorderConfig.model_validate(values)


class UnitKit:
    """``unit`` with its parts within reach."""

    def __init__(
        self,
        data_dir: Path,
        *,
        duties: Sequence[DutyFactory] = WITHOUT_WATCH,
        device: FileSigner | None = None,
        now_us: int = 1_000_000,
        boot: str | None = None,
        sections: Mapping[str, Mapping[str, object]] | None = None,
        **storage: Any,
    ) -> None:
        self.config = configuration(data_dir, sections, **storage)
        self.sections = sections or {}
        self.data_dir = data_dir
        self.clock = ToldClock(now_us=now_us, boot=boot or BOOT_A, step_us=0)
        self.files = RefusingFiles()
        (data_dir / "run").mkdir(parents=True, exist_ok=True)
        recovered = recover(
            data_dir, device or signer(), self.clock, self.files, BOOT, checkpoint_records=512, new_id=counting_ids(7)
        )
        self.journal: Journal = recovered.journal
        self.index = Index(data_dir / "index.db")
        self.ledger = Ledger(self.journal, self.index)
        self.link, self.launcher = FakeLink(), FakeLauncher()
        board = cast(UnitBoard, BareBoard(self.clock))
        self.custody = Custody(
            config=self.config,
            data_dir=data_dir,
            files=self.files,
            journal=self.journal,
            ledger=self.ledger,
            index=self.index,
            store_key=StoreKeyFile(data_dir / "trust" / "store-key.pem", self._receipt_check),
            officer_key=load_officer_key(data_dir / "keys" / "officer-secret", self.files),
        )
        self.events: queue.Queue[UnitEvent] = queue.Queue()
        self.camera = CameraParts(
            link=cast(WorkerLink, self.link),
            supervisor=WorkerSupervisor(Limits.of(self.config.supervision)),
            heads=HeadBook(500_000),
        )
        self.unit = UnitProcess(
            Parts(
                config=self.config,
                clock=self.clock,
                board=board,
                events=self.events,
                machine=SessionMachine(MachineSettings.of(self.config), counting_ids(1)),
                gestures=GestureRecogniser(self.config.controls),
                cameras={"cam0": self.camera},
                launcher=self.launcher,
                files=self.files,
                journal=self.journal,
                index=self.index,
                ledger=self.ledger,
                custody=self.custody,
                officers=Officers(data_dir / "run" / "officers.json", self.files),
                indicators=Indicators(self.config.indicators, board.outputs, None),
                sensors=Sensors(self.config, board),
                faults=FaultBook(counting_ids(2)),
            ),
            duties,
        )
        self._n = 0
        now = self.clock.now_us
        self.unit.started(recovered.before, ev.UnitStarted(now, self.clock.wall_us(), self.clock.boot_id(), None, True))
        self.turn()

    def _receipt_check(self, key: PublicKey) -> ReceiptCheck:
        return ReceiptCheck(key, "zfy-000000", [signer().kid], self.journal.journal_id)

    def pin(self, key: PublicKey) -> None:
        """Put the store's public key into the trust folder."""
        folder = self.data_dir / "trust"
        folder.mkdir(exist_ok=True)
        new = folder / "new"
        new.write_bytes(key.pem())
        new.rename(folder / "store-key.pem")

    def turn(self, advance_us: int = 0) -> None:
        """Let time pass and do what one turn of the loop does, without waiting."""
        self.clock.now_us += advance_us
        while not self.events.empty():
            self.unit.handle(self.events.get_nowait())
        self.unit.tick()
        self.unit.commit()

    def worker_up(self) -> None:
        """Worker launched, connected, first frames seen."""
        self.turn()
        self.events.put(WorkerConnected("cam0", 1))
        self.progress(frames=1)
        self.turn()

    def progress(self, frames: int, entries: int = 0, recording: bool = False) -> None:
        self.say(
            messages.Progress(
                camera_id="cam0",
                at_us=self.clock.now_us,
                frames=frames,
                entries=entries,
                recording=recording,
                last_frame_us=self.clock.now_us,
                dropped_frames=0,
                buffer_bytes=0,
                lux=None,
            )
        )

    def say(self, message: messages.FromWorker) -> None:
        self.events.put(WorkerMessage("cam0", message))

    def next_n(self) -> int:
        self._n += 1
        return self._n

    def opened(self, segment: int, session_id: str) -> messages.Opened:
        return messages.Opened(
            camera_id="cam0",
            at_us=self.clock.now_us,
            n=self.next_n(),
            session_id=session_id,
            segment_id=SEGMENT.format(segment),
            segment_index=segment,
            role="live",
            media_start_us=self.clock.now_us,
            codecs="avc1",
            width=640,
            height=360,
            frame_rate=30,
            audio_rate=None,
            recipients=(),
            officers=(),
        )

    def entry(self, segment: int, index: int) -> messages.EntryWritten:
        return messages.EntryWritten(
            camera_id="cam0",
            at_us=self.clock.now_us,
            n=self.next_n(),
            segment_id=SEGMENT.format(segment),
            entry=index,
            offset=index * 65536,
            length=65536,
            sha256_stored=DIGEST,
            sha256_plain=DIGEST,
            media_end_us=self.clock.now_us,
        )

    def records(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every record on disk, in order."""
        for line in iterate(self.files, self.journal.directory):
            yield line.parts.typ, line.parts.payload

    def types(self) -> list[str]:
        return [typ for typ, _ in self.records()]

    def acked(self) -> int:
        acks: list[messages.Ack] = self.link.of(messages.Ack)
        return acks[-1].n if acks else 0
