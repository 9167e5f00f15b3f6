"""``hw-sim run`` as a newcomer uses it: own footage, Ctrl-C, and what it says when something cannot be."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from hw_sim.runner.media import MEDIA
from hw_sim.runner.unit_config import to_toml
from recorder.evidence.files import OsFiles
from recorder.evidence.journal_reader import iterate
from recorder.export.journal_source import read_facts
from recorder.export.summary import By, summarise
from tests.export.naive_summary import differences, raw_records
from tests.integration.rig import SMALL, merged, recorder, wait_until
from tests.support import require_program

HW_SIM = (sys.executable, "-c", "from hw_sim.cli import main; main()")


def environment(tmp: Path, language: str = "en_US.UTF-8") -> dict[str, str]:
    """``TMPDIR`` of its own, so that what a run leaves behind can be seen."""
    tmp.mkdir(exist_ok=True)
    return {**os.environ, "LANG": language, "LC_ALL": "", "TMPDIR": str(tmp), "PYTHONUNBUFFERED": "1"}


def hw_sim(
    tmp: Path, *arguments: str, language: str = "en_US.UTF-8", timeout_s: float = 120
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HW_SIM, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env=environment(tmp, language),
    )


def scenario(path: Path, seconds: float = 8.0, **unit: Any) -> Path:
    """A short shift: record from the second second on, stop two before the end."""
    actions = [
        {"at_s": 1.0, "do": "press", "button": "record"},
        {"at_s": seconds - 3.0, "do": "press", "button": "record", "hold_s": 2.0},
    ]
    text = f'name = "short"\ntitle_zh = "短班次"\ntitle_en = "a short shift"\nduration_s = {seconds}\ndrain_s = 30\n'
    text += to_toml({"unit": merged(SMALL, unit)})
    for action in actions:
        text += "[[action]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in action.items())
    text += '[[expect]]\nfield = "unaccounted_s"\nop = "=="\nvalue = 0.0\n'
    text += '[[expect]]\nfield = "frames_missing"\nop = "=="\nvalue = 0\n'
    text += '[[expect]]\nfield = "all_receipted"\nop = "=="\nvalue = true\n'
    path.write_text(text, encoding="utf-8")
    return path


def mentioning(folder: Path) -> Iterator[str]:
    """Command lines of living processes that name ``folder``."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(folder) in words and int(entry.name) != os.getpid():
            yield words


def spoken(out: Path) -> list[str]:
    """Prompts the journal has as spoken before the stop, each of which must have been heard by the world at that time."""
    played = {int(path.stem.split("-")[1]): path for path in (out / "speaker").glob("*.wav")}
    names = []
    for line in iterate(OsFiles(), out / "unit" / "journal"):
        payload: dict[str, Any] = dict(line.parts.payload)
        if line.parts.typ != "event" or payload["event"] != "prompt" or payload["detail"]["outcome"] != "spoken":
            continue
        detail = payload["detail"]
        during = [at_us for at_us in played if detail["from_us"] - 50_000 <= at_us < detail["to_us"]]
        assert during, detail
        names.append(detail["id"])
    return [name for name in names if name != "stopped"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_any_footage(container: str, tmp_path: Path) -> None:
    """Foreign footage of another shape, rate and container; shorter than the shift, so ``--at-end`` decides."""
    require_program("mosquitto")
    clip = tmp_path / f"foreign.{container}"
    source = "testsrc=size=400x300:rate=25:duration=2"
    command = [require_program("ffmpeg"), "-v", "error", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", str(clip)]
    made = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert made.returncode == 0, made.stderr
    out = tmp_path / "out"
    done = hw_sim(
        tmp_path / "tmp",
        *("run", str(scenario(tmp_path / "short.toml")), "--headless", "--out", str(out)),
        *("--camera", str(clip), "--microphone", str(MEDIA / "street.wav"), "--gnss", str(MEDIA / "walk.nmea")),
        *("--at-end", "hold" if container == "mkv" else "loop"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((out / "result.json").read_text())
    assert result["passed"] and result["frames_in_files"] > 30
    assert result["verify"]["unit"]["exit_code"] == 0
    for by in get_args(By):
        facts = read_facts(out / "unit")
        assert differences(summarise(facts, by), raw_records(out / "unit")) == []
    assert "a short shift (about" in done.stdout and "the unit is ready" in done.stdout
    told = spoken(out)  # a WAV for each, where the journal says it was spoken
    assert [name for name in told if name in ("shift-started", "started")] == ["shift-started", "started"]
    assert "sign-in" in told or "no-officer" in told, "nobody is signed in, and is asked to"
    assert list((tmp_path / "tmp").iterdir()) == [], "no sockets are left behind"
    assert list(mentioning(tmp_path)) == []


@pytest.mark.timeout(120)
def test_control_c_ends_everything_in_order(tmp_path: Path) -> None:
    require_program("mosquitto")
    out, tmp = tmp_path / "out", tmp_path / "tmp"
    command = [*HW_SIM, "run", str(scenario(tmp_path / "short.toml", 600.0)), "--out", str(out)]
    with (tmp_path / "said").open("w+") as said:
        # In a session of its own with everything it starts in its group, as a shell does: Ctrl-C reaches the whole group.
        process = subprocess.Popen(command, stdout=said, stderr=said, env=environment(tmp), start_new_session=True)
        try:
            journal = out / "unit" / "journal"
            wait_until(
                lambda: any(path.read_bytes() != b"" for path in journal.glob("*.jws")) and recording(out),
                "the unit records",
                60,
            )
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(60) == 130, (tmp_path / "said").read_text()
        finally:
            process.kill()
            process.wait(10)
    text = (tmp_path / "said").read_text()
    assert "interrupted" in text and "Traceback" not in text
    assert list(mentioning(tmp_path)) == []
    assert list(tmp.iterdir()) == []
    result = json.loads((out / "result.json").read_text())
    assert result["interrupted"] and not result["passed"]
    assert result["gaps"] == [] and result["unaccounted_s"] == 0.0, "stopped in order, not torn"
    assert (out / "report.html").exists()
    verified = recorder("verify", str(out / "unit"), "--trust", str(out / "trust"))
    assert verified.returncode in (0, 1) and "Traceback" not in verified.stderr


def recording(out: Path) -> bool:
    """A segment lies in the unit's folder: recording has begun."""
    return any((out / "unit" / "segments").glob("*/*.mp4.age"))


@pytest.mark.timeout(60)
def test_control_c_before_anything_records(tmp_path: Path) -> None:
    require_program("mosquitto")
    out = tmp_path / "out"
    command = [*HW_SIM, "run", str(scenario(tmp_path / "short.toml", 600.0)), "--out", str(out)]
    with (tmp_path / "said").open("w+") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env=environment(tmp_path / "tmp"))
        try:
            wait_until(lambda: "starting the agency" in (tmp_path / "said").read_text(), "it begins")
            process.send_signal(signal.SIGINT)
            assert process.wait(50) == 130, (tmp_path / "said").read_text()
        finally:
            process.kill()
            process.wait(10)
    assert "Traceback" not in (tmp_path / "said").read_text()
    assert list(mentioning(tmp_path)) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "no_such_shift"), ("没有这个场景", "no such scenario", "first_shift")),
        (("run", "first_shift", "--camera", "{tmp}/no.mp4"), ("没有这个文件", "no such file", "no.mp4")),
        (("run", "first_shift", "--camera", "{tmp}/notes.txt"), ("无法打开视频文件", "cannot open", "notes.txt")),
        (("run", "first_shift", "--microphone", "{tmp}/notes.txt"), ("声音文件", "sound file", "notes.txt")),
        (("run", "first_shift", "--gnss", "{tmp}/notes.txt"), ("定位日志", "NMEA log", "notes.txt")),
        (("run", "first_shift", "--out", "{tmp}"), ("不是空文件夹", "neither empty", "--out")),
        (("run", "first_shift", "--out", "{tmp}/notes.txt"), ("不是文件夹", "not a folder", "notes.txt")),
    ],
    ids=["scenario", "no-file", "video", "sound", "track", "foreign-folder", "file-for-folder"],
)
def test_what_cannot_be_is_said_in_both_languages(
    arguments: tuple[str, ...], said: tuple[str, ...], tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "notes.txt").write_text("not footage\n")
    filled = [argument.format(tmp=work) for argument in arguments]
    done = hw_sim(tmp_path / "tmp", *filled)
    assert done.returncode == 2, done.stdout + done.stderr
    for text in said:
        assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in work.iterdir()] == ["notes.txt"]
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.timeout(90)
def test_a_start_that_fails_shows_the_end_of_the_right_log(tmp_path: Path) -> None:
    require_program("mosquitto")
    broken = scenario(tmp_path / "broken.toml", board={"module": "json"})
    done = hw_sim(tmp_path / "tmp", "run", str(broken), "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "did not become ready" in done.stderr and "unit.log" in done.stderr
    assert "board.module = 'json'" in done.stderr, "the reason, not just where to look for it"
    assert "Traceback" not in done.stderr
    assert list(mentioning(tmp_path)) == []
    assert list((tmp_path / "tmp").iterdir()) == []
