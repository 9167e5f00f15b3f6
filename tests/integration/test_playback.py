"""What is on the card can be played with ordinary programs: ffprobe, and Debian's age where it is sealed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hw_sim.agency.authority import Authority
from recorder.evidence.age import parse_identities
from tests.integration.rig import PaperAgency, Rig
from tests.support import require_program

Paper = tuple[PaperAgency, Authority]
FPS = 15


def probe(path: Path) -> dict[str, Any]:
    done = subprocess.run(
        [
            require_program("ffprobe"),
            "-v",
            "error",
            "-count_frames",
            "-show_streams",
            "-show_format",
            "-of",
            "json",
            str(path),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "a player has nothing to complain of"
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def looks_right(path: Path, close: dict[str, Any]) -> None:
    found = probe(path)
    streams = {stream["codec_type"]: stream for stream in found["streams"]}
    video, audio = streams["video"], streams["audio"]
    assert (video["codec_name"], video["width"], video["height"]) == ("h264", 320, 180)
    assert (audio["codec_name"], audio["sample_rate"], audio["channels"]) == ("aac", "48000", 1)
    assert int(video["nb_read_frames"]) == close["frames"] > 0
    seconds = (close["media_end_us"] - close["media_start_us"]) / 1e6
    assert float(video["duration"]) == pytest.approx(seconds, abs=1.5 / FPS)
    assert float(audio["duration"]) == pytest.approx(seconds, abs=0.15)
    assert close["frames"] == pytest.approx(seconds * FPS, abs=2)


def recorded(rig: Rig) -> list[dict[str, Any]]:
    rig.start()
    rig.record()
    rig.wait(lambda: len(rig.of("segment-close")) >= 1, "a whole segment")
    rig.end_recording()
    assert rig.stop() == 0
    closes = rig.of("segment-close")
    assert len(closes) == len(rig.segment_files()) >= 2
    return closes


def test_without_sealing_any_player_plays_the_files(paper: Paper, tmp_path: Path) -> None:
    with Rig(tmp_path / "run", paper[0], {"sealing": {"enabled": False}}) as rig:
        for close in recorded(rig):
            path = rig.layout.unit / "segments" / close["session_id"] / f"{close['segment_id']}.mp4"
            assert path.stat().st_size == close["size"] == close["plaintext_size"]
            looks_right(path, close)


def test_debian_age_opens_what_was_sealed_and_the_unit_cannot(paper: Paper, tmp_path: Path) -> None:
    age = require_program("age")
    with Rig(tmp_path / "run", paper[0]) as rig:
        closes = recorded(rig)
        identity = paper[1].identity_file
        secret = next(line for line in identity.read_text().splitlines() if line.startswith("AGE-SECRET-KEY"))
        assert parse_identities(secret)
        for path in [path for path in rig.layout.unit.rglob("*") if path.is_file()]:
            assert secret.encode() not in path.read_bytes()
        for close in closes:
            sealed = rig.layout.unit / "segments" / close["session_id"] / f"{close['segment_id']}.mp4.age"
            assert b"ftyp" not in sealed.read_bytes()[:4096]
            plain = tmp_path / f"{close['segment_id']}.mp4"
            command = [age, "-d", "-i", str(identity), "-o", str(plain), str(sealed)]
            done = subprocess.run(command, capture_output=True, timeout=60, check=False)
            assert done.returncode == 0, done.stderr
            assert plain.stat().st_size == close["plaintext_size"]
            looks_right(plain, close)
