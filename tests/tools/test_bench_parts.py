"""The instruments: each has to see what it is there to see, or the number it gives means nothing."""

from __future__ import annotations

import hashlib
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import EncodedFrame
from hw_sim.scenario import load_scenario
from recorder.capture.boxes import box, free_box
from recorder.config.load import load_config
from recorder.evidence.files import OsFiles
from recorder.evidence.journal_reader import iterate
from recorder.evidence.verify.command import verify
from tools.bench.clocks import START_US, SetClock, ShiftedClock
from tools.bench.counted import TONE_S, CountedFrames, DriftingMicrophone, number_of, tone_centres
from tools.bench.cut_proxy import CutProxy
from tools.bench.identity import UNIT_ID
from tools.bench.jobs.journal import write_shifts
from tools.bench.model import MeasurementError
from tools.bench.packet_file import AUDIO_US, RawPacket, read, write
from tools.bench.pki import enrol
from tools.bench.processes import cpu_s, descendants, memory, resident, role
from tools.bench.rows import button, kills, preroll, worker
from tools.bench.rows import memory as rows_memory
from tools.bench.simulation import JournalRecord, Outcome
from tools.bench.unit_run import configuration
from tools.bench.world_observer import Change, WorldObserver

# --- packets ---------------------------------------------------------------------------------------------------------

raw = st.builds(RawPacket, st.booleans(), st.booleans(), st.integers(0, 1 << 50), st.binary(max_size=300))


@given(st.lists(raw, max_size=20))
@settings(max_examples=50)
def test_packet_file_gives_back_what_went_in(packets: list[RawPacket]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "packets"
        write(path, packets)
        assert list(read(path)) == packets


def test_packet_file_cut_short_is_said(tmp_path: Path) -> None:
    path = tmp_path / "packets"
    write(path, [RawPacket(True, True, 5, b"abcdef")])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="cut short"):
        list(read(path))


def test_raw_packets_become_what_encoders_deliver() -> None:
    frame = RawPacket(True, True, 10, b"v").at(100)
    assert isinstance(frame, EncodedFrame) and (frame.timestamp_us, frame.keyframe) == (110, True)
    sound = RawPacket(False, False, 10, b"a").at(100)
    assert not isinstance(sound, EncodedFrame) and sound.duration_us == AUDIO_US


# --- counted frames and tones ----------------------------------------------------------------------------------------

KEY = b"\x00\x00\x00\x01\x67abc\x00\x00\x00\x01\x68de\x00\x00\x00\x01\x65slice"
DELTA = b"\x00\x00\x00\x01\x41slice"


def test_frames_bear_their_number_before_the_first_slice() -> None:
    source = CountedFrames(
        [RawPacket(True, True, 0, KEY), RawPacket(False, False, 0, b"x"), RawPacket(True, False, 1, DELTA)]
    )
    first, second, third = (source.frame(number, number * 10) for number in range(3))
    assert [number_of(frame.data) for frame in (first, second, third)] == [0, 1, 2]
    assert [frame.keyframe for frame in (first, second, third)] == [True, False, True]
    assert first.data.index(b"\x06\x05") < first.data.index(b"\x65slice")
    assert first.data.startswith(KEY[:8]) and first.data.endswith(b"\x00\x00\x00\x01\x65slice")
    assert number_of(KEY) is None


def test_an_access_unit_without_a_slice_is_refused() -> None:
    with pytest.raises(ValueError, match="slice"):
        CountedFrames([RawPacket(True, True, 0, b"\x00\x00\x00\x01\x67abc")])


@pytest.mark.parametrize("late_ms", [0.0, 7.0, -11.0])
def test_tones_are_found_where_they_are(late_ms: float) -> None:
    blocks = DriftingMicrophone(48_000, 0.0).blocks(0, 7.0, np.array([0]))
    samples = (np.concatenate([block.samples for block in blocks]) / 32768).astype(np.float32)
    samples = np.roll(samples, round(late_ms * 48))
    centres = tone_centres(samples, 48_000, 0.0)
    assert [number for number, _ in centres] == [1, 2, 3]
    for number, centre in centres:
        assert centre / 48_000 - number * TONE_S == pytest.approx(late_ms / 1000, abs=0.0005)


def test_a_missing_tone_is_no_small_error() -> None:
    centres = tone_centres(np.zeros(48_000 * 5, np.float32), 48_000, 0.0)
    assert centres and all(centre == np.inf for _, centre in centres)


def test_the_microphone_drifts() -> None:
    blocks = list(DriftingMicrophone(48_000, 200.0).blocks(0, 10.0, np.array([3])))
    nominal_us = len(blocks) * 960 / 48_000 * 1e6
    assert nominal_us - blocks[-1].read_at_us == pytest.approx(nominal_us * 200e-6 - 3, abs=2)


# --- padding ---------------------------------------------------------------------------------------------------------


def test_padding_counts_free_boxes_only() -> None:
    plain = box(b"moof", b"123") + box(b"mdat", b"x" * 100) + free_box(50) + free_box(8)
    assert preroll.padding_of(plain) == (58, 11 + 108)


# --- clocks ----------------------------------------------------------------------------------------------------------


def test_clocks() -> None:
    real = SystemClock()
    ahead = ShiftedClock(real, 5_000_000)
    assert ahead.boottime_us() - real.boottime_us() == pytest.approx(5_000_000, abs=1_000_000)
    assert ahead.boot_id() == real.boot_id() and ahead.quality() == real.quality() and ahead.wall_us() > 0
    fixed = SetClock(1_000, "id")
    assert (fixed.boottime_us(), fixed.wall_us(), fixed.boot_id()) == (START_US, START_US + 1_000, "id")
    assert fixed.quality().synchronized


# --- the long journal ------------------------------------------------------------------------------------------------


def test_the_long_journal_is_one_a_verifier_believes(tmp_path: Path) -> None:
    clock = SystemClock()
    signer = enrol(tmp_path / "unit", tmp_path / "trust", clock)
    records = write_shifts(tmp_path / "unit", signer, 3, clock.wall_us(), random.Random(1))
    lines = list(iterate(OsFiles(), tmp_path / "unit" / "journal", 0, ("segment-close",)))
    assert len(lines) == 3
    report = verify(tmp_path / "unit", tmp_path / "trust", None)
    vault = report.to_json()["vaults"][0]
    assert vault["records"] == records and vault["unit_id"] == UNIT_ID
    assert report.to_json()["axes"]["key"] == "trusted"
    # Its segments were never written: that they are missing is all a verifier may say against it.
    assert report.to_json()["axes"]["integrity"] == "missing"


# --- processes -------------------------------------------------------------------------------------------------------


def test_memory_of_this_process() -> None:
    own = memory("self")
    before_s = cpu_s(os.getpid())
    while cpu_s(os.getpid()) < before_s + 0.05:
        hashlib.sha256(bytes(1 << 20)).digest()  # time that passes only while something is done
    assert own.peak >= own.rss >= own.anonymous > 1 << 20 and own.pss > 1 << 20


def test_descendants_and_roles(tmp_path: Path) -> None:
    # The command line is what tells a recorder's process; the child only has to look like one until its input ends.
    # It says that it runs: between vfork's return and the end of exec /proc shows no command line yet.
    child_text = "import sys\nprint('here', flush=True)\nsys.stdin.read()\n"
    (tmp_path / "recorder").write_text(child_text)
    for name in ("uplink", "capture"):
        package = tmp_path / "recorder_package" / "recorder" / name
        package.mkdir(parents=True)
        for folder in (package.parent, package):
            (folder / "__init__.py").touch()
        (package / "process.py").write_text(child_text)
    looks = {
        (str(tmp_path / "recorder"), "run"): "run",
        (str(tmp_path / "recorder"), "capture-worker"): None,  # on its way to the lean one
        (str(tmp_path / "recorder"), "uplink"): None,  # on its way to the lean one
        (str(tmp_path / "recorder"), "verify"): None,
        ("-m", "recorder.uplink.process"): "uplink",
        ("-m", "recorder.capture.process", "cam0", "/run/x.sock"): "capture-worker",
    }
    for arguments, expected in looks.items():
        with subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=tmp_path / "recorder_package",
        ) as child:
            assert child.stdout is not None and child.stdout.readline() == b"here\n"
            assert child.pid in descendants(os.getpid())
            assert role(child.pid) == expected, arguments
        assert role(child.pid) is None  # gone
    assert role(os.getpid()) is None


def test_the_pages_of_named_libraries_alone() -> None:
    python, all_files = resident("self", ["python", "libpython"]), resident("self", [""])
    assert 1 << 20 < python < all_files <= memory("self").rss
    assert resident("self", ["no such library"]) == 0


def test_few_samples_are_no_measurement() -> None:
    sample = memory("self")
    assert rows_memory.line("", "", [sample] * rows_memory.LEAST_SAMPLES, 1e6, None).verdict == "hold"
    with pytest.raises(MeasurementError, match="samples"):
        rows_memory.line("", "", [sample] * (rows_memory.LEAST_SAMPLES - 1), 1e6, None)


# --- the line that breaks --------------------------------------------------------------------------------------------


def test_the_proxy_cuts_after_so_many_bytes() -> None:
    received = hashlib.sha256()
    taken = threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                while data := connection.recv(65536):
                    received.update(data)
            except ConnectionResetError:
                taken.set()
                return
        taken.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        proxy = CutProxy(listener.getsockname()[1], SystemClock(), cut_after=200_000, rate=1e9)
        with socket.create_connection(("127.0.0.1", proxy.port)) as client, pytest.raises(ConnectionError):
            for _ in range(1000):
                client.sendall(b"x" * 65536)
        assert taken.wait(10)
        thread.join(10)
        proxy.close()
    assert proxy.cuts == 1


# --- what runs of the simulator say ----------------------------------------------------------------------------------


def record(typ: str, **payload: object) -> JournalRecord:
    return JournalRecord(typ, dict(payload))


def outcome(
    *records: JournalRecord, kills: list[dict[str, object]] | None = None, changes: tuple[Change, ...] = ()
) -> Outcome:
    return Outcome({"kills": kills or []}, records, changes)


def test_presses_take_the_last_edge_and_the_earliest_media() -> None:
    run = outcome(
        record("session-start", session_id="s", uptime_us=5_200_000),
        record("segment-open", session_id="s", segment_id="a", role="live", media_start_us=5_000_000),
        record("segment-open", session_id="s", segment_id="b", role="preroll", media_start_us=2_000_000),
        record("head", segment_id="b", uptime_us=5_300_000, entries=[(0, 1, "", "", 2_500_000)]),
        record("head", segment_id="a", uptime_us=5_350_000, entries=[(0, 1, "", "", 5_000_000)]),
        record("head", segment_id="a", uptime_us=5_600_000, entries=[(1, 1, "", "", 5_500_000)]),
        changes=(Change("button.record", True, 1_000_000), Change("button.record", True, 5_100_000)),
    )
    (press,) = button.presses(run)
    assert press.first_frame_s == pytest.approx(-3.1)
    assert press.signed_s == pytest.approx(0.5)  # entry 0 holds no media


def test_a_cut_without_a_number_is_no_small_loss() -> None:
    assert kills.losses({"media_lost_per_kill_s": [0.2, 0.4]}, 2) == [0.2, 0.4]
    with pytest.raises(MeasurementError, match="1 / 2"):
        kills.losses({"media_lost_per_kill_s": [0.2]}, 2)


def test_restarts_and_stalls() -> None:
    run = outcome(
        record("resumption", to_us=1_000_000),
        record("resumption", to_us=11_200_000),
        record("fault", code="camera-stall", phase="onset", uptime_us=22_000_000),
        record("fault", code="camera-stall", phase="end", uptime_us=21_000_000),
        kills=[{"process": "worker", "at_us": 10_000_000}, {"process": "unit", "at_us": 10_500_000}],
        changes=(Change("worker.failure", "stuck", 20_500_000), Change("worker.failure", "ok", 25_000_000)),
    )
    assert worker.restarts(run) == pytest.approx([1.2])
    assert worker.noticed(run) == pytest.approx([1.5])


@pytest.mark.parametrize("text", [kills.shift(5), button.shift(3, 0), button.shift(2, 3), worker.shift(2, 2)])
def test_scenarios_are_ones_the_simulator_takes(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bench.toml"
    path.write_text(text, encoding="utf-8")
    loaded = load_scenario(str(path))
    assert max(action.at_s for action in loaded.action) < loaded.duration_s


def test_unit_layer_is_a_valid_configuration(tmp_path: Path) -> None:
    path = tmp_path / "unit.toml"
    path.write_text(configuration(tmp_path, tmp_path, tmp_path, "tools.bench.bare_board", {"a": "b"}, pre_event_s=0))
    loaded = load_config((path,), {})
    assert not loaded.problems
    assert loaded.config.board.module == "tools.bench.bare_board" and loaded.config.capture.pre_event_s == 0


def test_the_observer_hears_changes_in_simulated_time(tmp_path: Path) -> None:
    path = tmp_path / "world.sock"
    clock = SystemClock()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(1)
        observer = WorldObserver(path, clock)
        connection, _ = listener.accept()
        with connection:
            offset_us = clock.boottime_us() - 3_000_000
            connection.sendall(b'{"state": {"boot_offset_us": %d}}\n' % offset_us)
            connection.sendall(b'{"set": {"button.record": true}}\n')
        (change,) = observer.finish()
    assert (change.key, change.value) == ("button.record", True)
    assert 3_000_000 <= change.at_us < 60_000_000
