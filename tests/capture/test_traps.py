"""The traps of the hardware's libraries, each reproduced before the design was made: how this code is kept off them.

The table of all of them, with the test that pins each, is in docs/testing.md; those of picamera2 itself are sprung in
``tests/firmware_bridge/raspberry_pi/test_camera_traps.py``.
"""

from __future__ import annotations

import ast
import re
import subprocess
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

import recorder.capture
from firmware_bridge.ports import Plane
from firmware_bridge.software_encoder import SoftwareEncodedCamera
from recorder.capture.boxes import walk
from recorder.capture.packet_log import PacketLog
from tests.capture.doubles import ManualClock, Rig, capture_settings
from tests.capture.footage import SMALL, CounterSource, film
from tests.support import require_program

ROOT = Path(__file__).parents[2]
CAPTURE = Path(next(iter(recorder.capture.__path__)))


def test_the_table_points_at_tests_that_exist() -> None:
    text = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    table = text.split("<!-- traps -->")[1].split("<!-- /traps -->")[0]
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", table)
    for file, test in named:
        assert re.search(rf"^def {test}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), f"{file}::{test}"
    assert len(named) > 20
    traps = re.findall(r"^\| (T\d+) \|", table, re.MULTILINE)
    assert traps == [f"T{n}" for n in range(1, 16)]
    rows = [line for line in table.splitlines() if re.match(r"\| (T\d+|–) \|", line)]
    assert len(rows) == 16
    assert [row for row in rows if not re.search(r"\| `tests/[^|]+ \|$", row)] == [], "a trap that no test pins"


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


def _subtitled(path: Path, options: dict[str, str]) -> Path:
    """A picture and ten positions as timed text (tx3g: length, UTF-8), one a second: what an export would hold."""
    positions = range(10)
    with av.open(str(path), "w", format="mp4", options=options) as container:
        picture = container.add_stream("libx264", rate=1)
        picture.width, picture.height = 64, 64
        text = container.add_mux_stream("mov_text")
        text.time_base = Fraction(1, 1000)
        for second in positions:
            for packet in picture.encode(av.VideoFrame(64, 64, "yuv420p")):
                container.mux(packet)
            words = f"Lat:31.23{second}400 Lon:121.473700".encode()
            cue = av.Packet(len(words).to_bytes(2, "big") + words)
            cue.stream, cue.time_base = text, Fraction(1, 1000)
            cue.pts = cue.dts = second * 1000
            cue.duration = 900
            container.mux(cue)
        for packet in picture.encode(None):
            container.mux(packet)
    return path


def _exiftool(path: Path) -> str:
    """Everything exiftool reads out of a file, timed metadata too (``-ee``)."""
    program = require_program("exiftool")
    command = [program, "-ee", "-G3", "-n", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_t11_timed_positions_are_read_from_a_flat_file_and_not_from_fragments(tmp_path: Path) -> None:
    """Why a segment's positions are in boxes of our own and in the journal, and why an export must be flat."""
    flat = _exiftool(_subtitled(tmp_path / "flat.mp4", {"movflags": "faststart"}))
    cut = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    fragments = _exiftool(_subtitled(tmp_path / "fragments.mp4", cut))
    read = [set(re.findall(r"^\[(Doc\d+)\].*Lat", said, re.MULTILINE)) for said in (flat, fragments)]
    assert [len(positions) for positions in read] == [10, 0], flat + fragments


def test_t11_what_exiftool_cannot_read_of_a_segment_its_own_boxes_hold(tmp_path: Path) -> None:
    rig = Rig(tmp_path, capture_settings(segment_s=60))
    rig.push(film(100)[:1])
    rig.start(film(100)[0].timestamp_us + 1)
    rig.push(film(100)[1:])
    rig.finish(film(100)[-1].timestamp_us + 1)
    path = rig.path(rig.opened[0])
    kinds = [box.kind for box in walk(path.read_bytes())]
    assert kinds.count(b"uuid") >= kinds.count(b"moof") > 0
    assert not re.search(r"^\[Doc", _exiftool(path), re.MULTILINE), "exiftool reads timed metadata of fragments now"


def test_t15_pyav_is_one_whose_headers_can_be_read() -> None:
    assert (18,) <= tuple(int(part) for part in av.__version__.split(".")[:1]) < (19,)
