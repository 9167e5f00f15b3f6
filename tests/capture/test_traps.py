"""The traps of the hardware's libraries, each reproduced before the design was made: how this code is kept off them.

trap | what happens | how it is avoided | where that is pinned
-----|--------------|-------------------|---------------------
T1 | an exception in a picamera2 callback kills its loop in silence | ``paint`` guarded twice, every end of a camera
   | thread is a failure | here; the driver's own guard with the picamera2 driver (later)
T2 | a blocked output blocks the camera | ``deliver`` only enqueues, whatever the disk does | here
T3 | SplittableOutput waits for a keyframe for ever | not used; a stop ends by the clock | here
T4 | CircularOutput2 keeps the newest seconds off the disk | not used; one log is ring and queue | test_preroll,
   | test_frames_exactly_once
T5 | PyavOutput writes a phantom encoder's ``avcC`` | ``add_mux_stream`` | test_frames_exactly_once
T6 | time stamps are not rebased per file | a segment begins at 0, its base in the tags | test_frames_exactly_once
T7 | ``pict_type="I"`` is a TypeError since PyAV 14 | ``PictureType.I`` | test_software_encoder; the Pi 5 path with the
   | picamera2 driver (later)
T8 | a silent microphone makes libavformat withhold the picture | fragments are built here, 0.2 s of patience | test_audio
T9 | a file cut inside ``moof`` does not open | entries end at box ends, recovery cuts there | test_frames_exactly_once
T10 | a ``mov_text`` track can abort the process | telemetry in ``uuid`` boxes, libavformat muxes the header only | here
T11 | exiftool reads no timed metadata of fragments | an export makes a flat file | with the export (later)
T12 | PyAV's wheels have no ``pulse`` input | sound never comes through libavdevice | here
T13 | espeak-ng 1.51 reads ``cmn`` as English | prompts are rendered beforehand | with the prompts (later)
T14 | the platform found decides which class ``H264Encoder`` is | the driver names its class | with the picamera2 driver
   | (later)
T15 | PyAV 17.1: ``empty_moov`` with ``add_mux_stream`` is unreadable | ``av>=18,<19`` | here, test_frames_exactly_once
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator
from pathlib import Path

import av

import recorder.capture
from firmware_bridge.ports import Plane
from firmware_bridge.software_encoder import SoftwareEncodedCamera
from recorder.capture.boxes import walk
from recorder.capture.packet_log import PacketLog
from tests.capture import test_audio, test_frames_exactly_once, test_preroll
from tests.capture.doubles import ManualClock, Rig, capture_settings
from tests.capture.footage import SMALL, CounterSource, film
from tests.firmware_bridge import test_software_encoder

CAPTURE = Path(next(iter(recorder.capture.__path__)))


def test_the_table_points_at_tests_that_exist() -> None:
    for test in (
        test_preroll.test_the_preroll_is_closed_within_a_second_while_live_goes_on,  # T4
        test_frames_exactly_once.test_live_is_durable_before_the_preroll_is_written,  # T4
        test_frames_exactly_once.test_header_is_the_real_encoders,  # T5, T15
        test_frames_exactly_once.test_time_base_is_the_first_frame,  # T6
        test_software_encoder.test_picture_type_trap,  # T7
        test_audio.test_a_silent_microphone_never_withholds_video,  # T8
        test_frames_exactly_once.test_a_cut_file_plays_up_to_its_last_whole_entry,  # T9
    ):
        assert callable(test)


def test_t1_an_exception_in_the_callback_ends_in_a_failure_and_one_in_the_painter_in_nothing() -> None:
    def paint(luma: Plane, timestamp_us: int) -> None:
        raise ValueError("painter")

    def deliver(frame: object) -> None:
        if len(delivered) == 5:
            raise RuntimeError("callback")
        delivered.append(frame)

    delivered: list[object] = []
    source = CounterSource(20)
    camera = SoftwareEncodedCamera(source, ManualClock())
    camera.start(SMALL, paint, deliver)
    assert source.closed.wait(20)
    camera.stop()
    failure = camera.failure()
    assert len(delivered) == 5
    assert failure is not None and "callback" in str(failure)


def test_t2_pushing_never_waits_for_the_disk() -> None:
    """The writer is gone for good; the camera's thread goes on and the log stays within its bound."""
    log = PacketLog(0, 1 << 20)
    frames = film(200)
    log.push(frames[0])
    log.begin(frames[0].timestamp_us, preroll=False)
    done = threading.Event()

    def camera() -> None:
        for frame in frames[1:]:
            log.push(frame)
        done.set()

    threading.Thread(target=camera, daemon=True).start()
    assert done.wait(10)
    assert log.state().bytes <= 1 << 20 and log.state().frames == 200


def test_t3_a_stop_does_not_wait_for_a_frame(tmp_path: Path) -> None:
    rig = Rig(tmp_path, capture_settings(segment_s=60, post_event_s=2))
    rig.push(film(100)[:1])
    rig.start(film(100)[0].timestamp_us + 1)
    rig.push(film(100)[1:])
    rig.finish(film(100)[-1].timestamp_us + 1, after_us=3_000_000)  # nothing comes any more, no keyframe either
    assert rig.completed and rig.closed[-1].frames == 100


def test_t10_the_tracks_are_picture_and_sound_and_libavformat_writes_no_fragment(tmp_path: Path) -> None:
    rig = Rig(tmp_path, capture_settings(segment_s=60))
    rig.push(film(100)[:1])
    rig.start(film(100)[0].timestamp_us + 1)
    rig.push(film(100)[1:])
    rig.finish(film(100)[-1].timestamp_us + 1)
    path = rig.path(rig.opened[0])
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
    assert b"mfra" not in {box.kind for box in walk(path.read_bytes())}


def _calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(CAPTURE.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name:
                yield path.name, node


def test_t10_t12_libavformat_muxes_a_header_and_opens_no_device() -> None:
    assert [file for file, _ in _calls("mux_one")] == ["mux.py"]
    assert not list(_calls("mux"))
    opened = [call for file, call in _calls("open") if isinstance(call.func, ast.Attribute) and _is_av(call.func.value)]
    assert len(opened) == 2
    for call in opened:
        formats = {keyword.value.value for keyword in call.keywords if isinstance(keyword.value, ast.Constant)}
        assert formats == {"mp4"}


def _is_av(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "av"


def test_t15_pyav_is_one_whose_headers_can_be_read() -> None:
    assert (18,) <= tuple(int(part) for part in av.__version__.split(".")[:1]) < (19,)
