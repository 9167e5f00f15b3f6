"""A real worker in the simulated world: voices become spans, the loudspeaker is in the recording, each at its moment."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pytest
from msgspec.structs import replace

from hw_sim import board as hw_board
from hw_sim.runner.media import MEDIA
from hw_sim.soundscape import LOUDSPEAKER_DELAY_US
from hw_sim.soundscape import length_us as length_of
from hw_sim.world import World
from hw_sim.world_client import WorldClient
from recorder.capture.worker import Worker
from recorder.channel.messages import (
    Ack,
    Closed,
    FaultReport,
    FromWorker,
    Hello,
    Message,
    Opened,
    Progress,
    Speech,
    Start,
    Stop,
    decode_from_worker,
    encode,
)
from recorder.evidence.files import OsFiles
from tests.capture.doubles import SESSION
from tests.capture.footage import sound
from tests.capture.test_worker import settings
from tests.capture.voices import correlation, voice

T = TypeVar("T")

RATE = 48_000
YES = MEDIA / "officer_says_yes.wav"
TOLERANCE_US = 300_000
LATE = {"microphone-overflow", "microphone-stall"}
"""What a machine with other work may do to a thread that reads in real time; both are told and made up for."""


@dataclass
class Bench:
    """A world, a worker on its board, and the unit process's end of the channel."""

    world: World
    directory: Path
    connection: socket.socket
    messages: list[FromWorker] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def read(self) -> None:
        with self.connection.makefile("rb") as lines:
            for line in lines:
                message = decode_from_worker(line)
                with self.changed:
                    self.messages.append(message)
                    self.changed.notify_all()
                if not isinstance(message, Hello | Progress):
                    with contextlib.suppress(BrokenPipeError):
                        self.send(Ack(camera_id="cam0", at_us=0, n=message.n))

    def send(self, message: Message) -> None:
        self.connection.sendall(encode(message))

    def wait(self, what: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(what, 40), [m for m in self.messages if not isinstance(m, Progress)][-5:]

    def of(self, kind: type[T]) -> list[T]:
        return [message for message in self.messages if isinstance(message, kind)]

    def final_spans(self) -> list[Speech]:
        return [speech for speech in self.of(Speech) if speech.final]

    def record(self) -> None:
        self.wait(lambda: any(progress.frames > 5 for progress in self.of(Progress)))
        now_us = self.world.clock.boottime_us()
        self.send(Start(camera_id="cam0", at_us=now_us, session_id=SESSION, next_index=0, preroll=False))
        self.wait(lambda: bool(self.of(Opened)))

    def stop(self) -> None:
        now_us = self.world.clock.boottime_us()
        self.send(Stop(camera_id="cam0", at_us=now_us, session_id=SESSION, reason="stop"))
        self.wait(lambda: any(closed.last_of_session for closed in self.of(Closed)))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    config = settings(tmp_path)
    config = replace(config, capture=replace(config.capture, segment_s=600))
    address = tmp_path / "capture-cam0.sock"
    with World({"microphone.scene": "quiet"}, tmp_path / "w") as world:
        board = hw_board.capture_board({"world": str(tmp_path / "w")}, "cam0")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.bind(str(address))
            server.listen(1)
            worker = Worker(config, "cam0", board, address, OsFiles())
            connection, _ = server.accept()
        bench = Bench(world, tmp_path, connection)
        threads = [threading.Thread(target=worker.run), threading.Thread(target=bench.read)]
        for thread in threads:
            thread.start()
        yield bench
        worker.terminate()
        for thread in threads:
            thread.join(20)
        connection.close()
        assert not any(thread.is_alive() for thread in threads)


def recorded(bench: Bench) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Boot-times in seconds and samples of the one segment's sound."""
    (opened,) = bench.of(Opened)
    starts, samples = sound(bench.directory / "segments" / SESSION / f"{opened.segment_id}.mp4", RATE)
    times = np.concatenate([start + np.arange(samples.shape[-1]) * 1e6 / RATE for start in starts])
    return (opened.media_start_us + times) / 1e6, samples.reshape(-1)


def test_voices_become_spans_and_the_loudspeaker_is_in_the_recording(bench: Bench, tmp_path: Path) -> None:
    unit = WorldClient(tmp_path / "w", {"hello": "unit"})
    unit.start()
    bench.record()
    length_us = length_of(YES)

    prompt_us = bench.world.clock.boottime_us() + 300_000
    unit.report_speaker(str(YES), prompt_us, length_us)
    bench.wait(lambda: len(bench.final_spans()) >= 1)
    officer = bench.world.play(YES)
    bench.wait(lambda: len(bench.final_spans()) >= 2)
    bench.stop()
    unit.close()

    spans = bench.final_spans()
    for span, begin_us in zip(spans, (prompt_us + LOUDSPEAKER_DELAY_US, officer.at_us), strict=True):
        assert abs(span.start_us - begin_us) < TOLERANCE_US
        assert abs(span.end_us - begin_us - length_us) < TOLERANCE_US
    assert spans[1].level_dbfs - spans[0].level_dbfs == pytest.approx(12, abs=3)
    live = [speech for speech in bench.of(Speech) if not speech.final]
    assert {speech.start_us for speech in live} == {span.start_us for span in spans}
    assert {fault.code for fault in bench.of(FaultReport)} <= LATE, "a quiet room and a voice are no faults"

    # Where the clip fits the recorded sound best is where the unit's own microphone heard its loudspeaker.
    times_s, heard = recorded(bench)
    clip = np.interp(np.arange(round(length_us * RATE / 1e6)) / RATE, *_clip())
    near = (times_s >= prompt_us / 1e6 - 0.2) & (times_s < prompt_us / 1e6 + 2)
    match = correlation(heard[near].astype(np.float64), clip)
    found_us = float(times_s[near][int(match.argmax())]) * 1e6
    assert abs(found_us - prompt_us - LOUDSPEAKER_DELAY_US) < 20_000
    energy = float(np.sum(clip**2))
    assert 20 * np.log10(match.max() / energy) == pytest.approx(-12, abs=2)


def _clip() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    samples = voice("officer_says_yes").astype(np.float64) / 32768
    return np.arange(samples.size) / 16_000, samples


def test_nobody_is_heard_outside_a_recording_and_faults_come_and_go(bench: Bench) -> None:
    bench.wait(lambda: any(progress.frames > 5 for progress in bench.of(Progress)))
    bench.world.play(YES)
    for mode, code in (("off", "unplugged"), ("silent", "silent"), ("overflow", "overflow"), ("stuck", "stall")):
        bench.world.set("microphone.failure", mode)
        bench.wait(lambda code=code: (f"microphone-{code}", "onset") in said(bench))  # type: ignore[misc]
        bench.world.set("microphone.failure", "ok")
        bench.wait(lambda code=code: (f"microphone-{code}", "end") in said(bench))  # type: ignore[misc]
    assert bench.of(Speech) == []
    assert {fault.component for fault in bench.of(FaultReport)} == {"microphone"}
    frames = [progress.frames for progress in bench.of(Progress)]
    assert frames[-1] > frames[0], "the picture went on"


def said(bench: Bench) -> set[tuple[str, str]]:
    return {(fault.code, fault.phase) for fault in bench.of(FaultReport)}
