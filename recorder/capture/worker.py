"""The capture worker: one camera and one microphone to durable, sealed, reported segments. Signs nothing, decides little.

Threads: camera (the driver's; only enqueues) · audio · hearing (speech) · writer (the only one on the disk) · link reader
and writer · this one, which watches and reports progress. What it reported is durable; when the channel closes or SIGTERM
comes, it closes the open file before it goes.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any, Final, Literal

from firmware_bridge.ports import CaptureBoard, DeviceError, EncodedFrame, Plane, VideoMode
from recorder.capture.audio import AudioTrack
from recorder.capture.audio_capture import AudioCapture
from recorder.capture.camera_keeper import CameraKeeper
from recorder.capture.code_watch import CodeWatch
from recorder.capture.drops import DropBook
from recorder.capture.hearing import Hearing
from recorder.capture.lens import LensEye
from recorder.capture.link import Link
from recorder.capture.liveness import FIRST_FRAME_US, does_its_work
from recorder.capture.monitor import Monitor
from recorder.capture.packet_log import PacketLog
from recorder.capture.settings import WorkerSettings
from recorder.capture.speech import Span
from recorder.capture.stream import Report, StreamContext
from recorder.capture.sync_times import SyncTimes
from recorder.capture.telemetry import TelemetryBook
from recorder.capture.terms import Terms
from recorder.capture.voice_detector import SileroDetector, VoiceDetector
from recorder.capture.watermark import Watermark
from recorder.capture.writer import CameraFailed, Shutdown, Writer
from recorder.channel.exits import EXIT_INCOMPLETE
from recorder.channel.messages import (
    EntryWritten,
    FaultReport,
    Hello,
    Look,
    Overlay,
    Progress,
    Qr,
    Recipients,
    SegmentLength,
    Speech,
    Start,
    Stop,
    Telemetry,
    ToWorker,
)
from recorder.evidence.age import AgeEncryptor
from recorder.evidence.files import Files
from recorder.notify import Notifier
from recorder.units import MB

LOG = logging.getLogger(__name__)

EXIT_OK: Final = 0
EXIT_INTERNAL: Final = 70
"""EX_SOFTWARE of sysexits.h: the writer ended by a fault of its own."""

EXIT_UNAVAILABLE: Final = 69
"""EX_UNAVAILABLE: nobody listens at the channel's socket."""

_LOOK_S: Final = 0.1
_PROGRESS_US: Final = 250_000
_FLUSH_US: Final = 10_000_000
_ACK_S: Final = 2.0


class Worker:
    """One worker's parts, connected. ``run`` returns the exit code."""

    def __init__(
        self,
        config: WorkerSettings,
        camera_id: str,
        board: CaptureBoard,
        socket_path: Path,
        files: Files,
        make_detector: Callable[[], VoiceDetector] = SileroDetector,
        notifier: Notifier | None = None,
    ) -> None:
        self._config = config
        self._notifier = notifier or Notifier({})
        self._camera_id = camera_id
        self._board = board
        self._clock = board.clock
        self._began_us = board.clock.boottime_us()
        self._camera_config = config.cameras[camera_id]
        self._wake = threading.Event()
        self._channel_closed = False
        self._terminated = False
        self._incomplete = False
        self._unmarked = False
        self._first_frame_seen = False
        self._fatal: BaseException | None = None
        self._failure: Exception | None = None
        self._sensor_lux: float | None = None
        self._entries = 0
        self._drops = DropBook()

        capture = config.capture
        pre_us = round(capture.pre_event_s * 1_000_000)
        self._log = PacketLog(pre_us, capture.buffer_mb * MB)
        self._telemetry = TelemetryBook(pre_us + round(capture.segment_s * 1_000_000))
        self._link = Link(
            socket_path,
            Hello(camera_id=camera_id, at_us=self._clock.boottime_us(), pid=os.getpid()),
            self._receive,
            self._on_channel_closed,
        )
        self._code_watch = CodeWatch(self._clock, self._read_code, self._code_watch_failed)
        watermark = config.watermark
        self._watermark = (
            Watermark(self._clock, watermark.margin_px, watermark.height_px, config.device.id)
            if watermark.enabled
            else None
        )
        sealing = config.sealing
        self._terms = Terms(
            sealing.recipients if sealing.enabled else (),
            AgeEncryptor,
            self._watermark,
            lambda evidence: self._fault("sealing-fault", "onset", evidence),
        )
        self._track: AudioTrack | None = None
        self._audio: AudioCapture | None = None
        self._hearing: Hearing | None = None
        if board.microphone is not None and config.audio.enabled:
            audio = config.audio
            self._track = AudioTrack(audio.rate, audio.bitrate_kbps * 1000)
            if config.speech.enabled:
                self._hearing = Hearing(
                    audio.rate,
                    config.speech,
                    make_detector,
                    self._clock,
                    lambda: self._log.state().recording,
                    self._report_speech,
                    self._fault,
                )
            self._audio = AudioCapture(
                board.microphone,
                self._track,
                audio.rate,
                config.faults.microphone,
                self._clock,
                self._log.push,
                self._fault,
                self._hearing.block if self._hearing is not None else None,
            )
        faults = config.faults
        lens = LensEye(faults.lens, self._telemetry, self._clock, self._paint) if faults.lens.enabled else None
        self._syncs = syncs = SyncTimes(self._clock)
        self._monitor = Monitor(faults, self._fault, lens, syncs)
        self._camera = CameraKeeper(
            board.camera,
            self._mode(),
            self._paint if lens is None else lens.paint,
            self._deliver,
            round(faults.camera.reopen_s * 1e6),
            self._on_camera_refused,
            lambda: self._writer.submit(CameraFailed()),
        )
        self._writer = Writer(
            StreamContext(
                clock=self._clock,
                files=files,
                segments_dir=Path(config.storage.data_dir) / "segments",
                camera_id=camera_id,
                camera=self._camera_config,
                reserve_bytes=config.storage.reserve_mb * MB,
                telemetry=self._telemetry,
                report=self._report,
                new_id=lambda: str(uuid.uuid4()),
                terms=self._terms.snapshot,
                tags=self._tags,
                dropped_frames=self._camera.dropped_frames,
                timed=syncs.time,
                drops=self._drops,
            ),
            self._log,
            capture,
            self._track.stream if self._track is not None else None,
            self._on_fatal,
            self._on_incomplete,
        )

    def run(self) -> int:
        self._link.start()
        self._notifier.ready(self._camera_id)
        # The camera is opened by the thread that feeds the watchdog. How long that may take is for the unit process to say
        # ([supervision] start_timeout_s), not for a watchdog made for a worker that has frames.
        self._notifier.watchdog_within(FIRST_FRAME_US)
        self._writer.start()
        if self._hearing is not None:
            self._hearing.start()
        if self._audio is not None:
            self._audio.start()
        try:
            self._watch()
        except Exception as error:  # whatever it is, the open file is closed before the process goes
            LOG.exception("worker failed 采集进程出错")
            self._failure = error
        return self._finish()

    def _watch(self) -> None:
        progress_us = 0
        while not (self._channel_closed or self._terminated or self._incomplete or self._fatal):
            now_us = self._clock.boottime_us()
            self._camera.look(now_us)
            self._monitor.look(now_us, self._log.state())
            if self._audio is not None:
                self._audio.watch(now_us)
            if now_us >= progress_us:
                progress_us = now_us + _PROGRESS_US
                self._send_progress(now_us)
                self._feed_watchdog(now_us)
            self._wake.wait(_LOOK_S)

    def _feed_watchdog(self, now_us: int) -> None:
        last_frame_us, writing_since_us = self._log.state().last_frame_us, self._syncs.pending_since_us
        if last_frame_us > 0 and not self._first_frame_seen:
            self._first_frame_seen = True
            self._notifier.watchdog_within()
        if does_its_work(now_us, self._began_us, last_frame_us, writing_since_us, self._camera.absent):
            self._notifier.watchdog()

    # --- the unit process's side -----------------------------------------------------------------------------------

    def _receive(self, message: ToWorker) -> None:
        match message:
            case Start():
                self._terms.set_recording(True)
                self._writer.submit(message)
            case Stop() | SegmentLength():
                self._writer.submit(message)
            case Telemetry():
                self._telemetry.add(message)
            case Overlay():
                self._terms.set_overlay(message)
            case Look():
                self._code_watch.until(message.until_us)
            case Recipients():
                self._terms.set_recipients(message.recipients)

    def _report(self, report: Report) -> None:
        if isinstance(report, EntryWritten) and report.entry > 0:  # entry 0 is the file's header, without media
            self._entries += 1
        self._link.report(report)

    def _code_watch_failed(self, error: str) -> None:
        """A moment, not a state: the next window tries again."""
        self._fault("code-watch-fault", "onset", {"error": error})
        self._fault("code-watch-fault", "end", {})

    def _read_code(self, text: str) -> None:
        now_us = self._clock.boottime_us()
        self._link.report(Qr(camera_id=self._camera_id, at_us=now_us, n=0, text=text))

    def _fault(self, code: str, phase: Literal["onset", "end"], evidence: dict[str, Any]) -> None:
        self._link.report(
            FaultReport(
                camera_id=self._camera_id,
                at_us=self._clock.boottime_us(),
                n=0,
                code=code,
                phase=phase,
                component="microphone" if code.startswith(("microphone-", "vad-")) else self._camera_id,
                evidence=evidence,
            )
        )

    def _report_speech(self, span: Span) -> None:
        self._link.report(
            Speech(
                camera_id=self._camera_id,
                at_us=self._clock.boottime_us(),
                n=0,
                start_us=span.start_us,
                end_us=span.end_us,
                final=span.final,
                level_dbfs=span.level_dbfs,
            )
        )

    def _send_progress(self, now_us: int) -> None:
        state = self._log.state()
        self._terms.set_recording(state.recording)
        self._link.progress(
            Progress(
                camera_id=self._camera_id,
                at_us=now_us,
                frames=state.frames,
                entries=self._entries,
                recording=state.recording,
                last_frame_us=max(0, state.last_frame_us),
                dropped_frames=self._camera.dropped_frames(),
                camera_absent=self._camera.absent,
                buffer_bytes=state.bytes,
                lux=self._sensor_lux,
            )
        )

    # --- devices ---------------------------------------------------------------------------------------------------

    def _mode(self) -> VideoMode:
        camera = self._camera_config
        return VideoMode(
            camera.width,
            camera.height,
            camera.frame_rate,
            camera.bitrate_kbps * 1000,
            max(1, round(self._config.capture.gop_s * camera.frame_rate)),
        )

    def _on_camera_refused(self, error: DeviceError) -> None:
        self._monitor.camera_refused(self._clock.boottime_us(), error, self._log.state())

    def _deliver(self, frame: EncodedFrame) -> None:
        self._sensor_lux = frame.sensor.lux
        self._drops.note(frame.timestamp_us, self._camera.dropped_frames())
        self._log.push(frame)

    def _paint(self, luma: Plane, timestamp_us: int) -> None:
        """Drivers guard this call too; here the failure becomes a fault the journal keeps."""
        self._code_watch.offer(luma, timestamp_us)
        if self._watermark is None:
            return
        try:
            self._watermark.paint(luma, timestamp_us)
        except Exception as error:  # a frame without its mark is worth more than no frame (trap T1)
            if not self._unmarked:
                LOG.exception("watermark failed 水印失败")
                self._fault("watermark-fault", "onset", {"error": f"{type(error).__name__}: {error}"})
            self._unmarked = True
        else:
            if self._unmarked:
                self._fault("watermark-fault", "end", {})
            self._unmarked = False

    # --- the end ---------------------------------------------------------------------------------------------------

    def terminate(self) -> None:
        """Ask for an orderly end. Only sets a flag: it is called from a signal handler."""
        self._terminated = True

    def _on_channel_closed(self) -> None:
        self._channel_closed = True
        self._wake.set()

    def _on_fatal(self, error: BaseException) -> None:
        self._fatal = error
        self._wake.set()

    def _on_incomplete(self, session_id: str) -> None:
        LOG.error("session without its last segment, worker ends 会话未能正常收尾，采集进程退出: %s", session_id)
        self._incomplete = True
        self._wake.set()

    def _finish(self) -> int:
        """Close the file, then the channel, then the devices: evidence first, and a driver may hang."""
        self._notifier.stopping()  # from here on the stop timeout counts, not the watchdog
        began_us = self._clock.boottime_us()
        self._writer.submit(Shutdown(began_us))
        closed = False
        while self._fatal is None and not closed and self._clock.boottime_us() - began_us < _FLUSH_US:
            closed = self._writer.join(_LOOK_S)
            self._send_progress(self._clock.boottime_us())
        failure = self._fatal or self._failure
        if failure is not None:
            self._fault("worker-fault", "onset", {"error": f"{type(failure).__name__}: {failure}"})
        elif not closed:
            LOG.error("writer did not end in time 写入线程未按时结束")
        if self._hearing is not None and not self._hearing.stop():
            LOG.warning("hearing thread does not end 语音检测线程未结束")
        self._link.finish(_ACK_S)
        self._camera.stop()
        if self._audio is not None and not self._audio.stop():
            # Closing a device under a read that hangs may hang as well; the process is about to end and closes it too.
            LOG.warning("audio thread does not end, devices are left open 音频线程未结束")
        else:
            self._board.close()
        if failure is not None or not closed:
            return EXIT_INTERNAL
        return EXIT_INCOMPLETE if self._incomplete else EXIT_OK

    def _tags(self, session_id: str, segment_id: str, base_us: int) -> Mapping[str, str]:
        """The segment's place in the world, for whoever holds nothing but the file."""
        clock = self._clock
        quality = clock.quality()
        wall_us = base_us + clock.wall_us() - clock.boottime_us()
        wall = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=wall_us)).isoformat(timespec="microseconds")
        wall = wall.replace("+00:00", "Z")
        return {
            "creation_time": wall,
            "device_id": self._config.device.id,
            "camera_id": self._camera_id,
            "session_id": session_id,
            "segment_id": segment_id,
            "boot_id": clock.boot_id(),
            "boottime_us": str(base_us),
            "wall_utc": wall,
            "wall_source": quality.source,
            "wall_max_error_ms": "" if quality.max_error_ms is None else f"{quality.max_error_ms:.1f}",
        }


def run_worker(
    config: WorkerSettings,
    camera_id: str,
    board: CaptureBoard,
    socket_path: Path,
    files: Files,
    notifier: Notifier | None = None,
) -> int:
    """Run until the channel closes or SIGTERM. Returns 0; 70 after an internal fault; 74 when a session ended without its
    last segment closed, so that the unit process recovers it; 69 when there is no channel."""
    try:
        worker = Worker(config, camera_id, board, socket_path, files, notifier=notifier)
    except OSError as error:
        LOG.error("no channel 无法连接通道 %s: %s", socket_path, error)
        board.close()
        return EXIT_UNAVAILABLE

    def on_signal(number: int, frame: FrameType | None) -> None:
        worker.terminate()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)
    return worker.run()
