"""The decisions of ``./dev deb``: versions, dependencies, where files go, what the manual and the notices say."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest
from click.testing import CliRunner

from recorder.cli import main as recorder
from tools import runtime_requirements
from tools.package import manual, notices
from tools.package.needs import UnknownLibrary, needs
from tools.package.payload import UnknownKind, destination, fill_in, tracked
from tools.package.target import Target
from tools.package.vendored import prune
from tools.package.version import Source, changelog, debian_version

ROOT = Path(__file__).resolve().parents[3]
EPOCH = 1_795_651_200


@pytest.mark.parametrize(
    ("released", "dirty", "version"),
    [
        (True, False, "0.1.0+deb13"),
        (False, False, "0.1.0~git20261126.1a2b3c4+deb13"),
        (True, True, "0.1.0~git20261126.1a2b3c4.dirty+deb13"),
    ],
)
def test_only_the_tagged_commit_has_the_release_version(released: bool, dirty: bool, version: str) -> None:
    source = Source(EPOCH, "1a2b3c4", released, dirty)
    assert debian_version("0.1.0", source, 13) == version


def test_the_changelog_gets_version_release_and_time() -> None:
    text = changelog((ROOT / "debian/changelog").read_text(encoding="utf-8"), "9.9+deb12", "bookworm", EPOCH)
    assert text.startswith("zfy-recorder (9.9+deb12) bookworm; urgency=medium\n")
    assert "  Thu, 26 Nov 2026 00:00:00 +0000\n" in text


def test_the_committed_changelog_is_of_the_projects_version() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert version is not None
    assert (ROOT / "debian/changelog").read_text(encoding="utf-8").startswith(f"zfy-recorder ({version[1]}) ")


def test_platform_tags_are_of_the_release_and_older() -> None:
    tags = Target("arm64", "3.11").platforms
    assert (
        tags[0] == "manylinux_2_36_aarch64" and "manylinux_2_28_aarch64" in tags and tags[-1] == "manylinux2014_aarch64"
    )
    assert Target("amd64", "3.13").depends == "python3 (>= 3.13), python3 (<< 3.14)"


DUMP = """\
 0x0000000000000001 (NEEDED)             Shared library: [libown.so.1]
 0x0000000000000001 (NEEDED)             Shared library: [libstdc++.so.6]
  0x0010:   Name: GLIBC_2.28  Flags: none  Version: 3
  0x0020:   Name: GLIBC_2.4  Flags: none  Version: 2
"""


def test_dependencies_are_what_is_not_brought_along() -> None:
    assert needs([("a.so", DUMP)], {"libown.so.1"}, 36) == ["libc6 (>= 2.28)", "libstdc++6"]


def test_an_unknown_library_or_a_newer_libc_fails_the_build() -> None:
    with pytest.raises(UnknownLibrary, match=r"libown\.so\.1"):
        needs([("a.so", DUMP)], set(), 36)
    with pytest.raises(UnknownLibrary, match=r"GLIBC_2\.28"):
        needs([("a.so", DUMP)], {"libown.so.1"}, 27)


def test_every_service_file_has_a_place() -> None:
    places = [destination(path.relative_to("systemd")) for path in tracked(ROOT, "systemd")]
    assert PurePosixPath("usr/lib/systemd/system/recorder-unit.service") in places
    # Read by the machine's own programs wherever the package is installed: only where debian/lib/unit-setup is run.
    in_force = ("usr/lib/sysctl.d", "usr/lib/systemd/system.conf.d", "usr/lib/systemd/journald.conf.d")
    assert not [place for place in places if place is not None and str(place.parent) in in_force]
    with pytest.raises(UnknownKind, match="mystery"):
        destination(PurePosixPath("mystery.xyz"))


def test_scripts_name_what_the_payload_has(tmp_path: Path) -> None:
    for name in ("system/a.service", "system/b@.service", "system/c.target"):
        (tmp_path / "usr/lib/systemd" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "usr/lib/systemd" / name).touch()
    (tmp_path / "usr/lib/sysusers.d").mkdir()
    (tmp_path / "usr/lib/sysusers.d/z.conf").touch()
    filled = fill_in("@UNITS@|@SYSUSERS@|@TMPFILES@|@PYTHON@", tmp_path, Target("arm64", "3.13"))
    assert filled == "a.service c.target|z.conf||3.13"


def test_tests_and_headers_go_and_code_stays(tmp_path: Path) -> None:
    for name in ("lib/a.py", "lib/a.pyi", "lib/tests/test_a.py", "bin/tool", "lib-1.dist-info/RECORD"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    prune(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()] == ["lib/a.py"]


def test_the_manual_has_every_command_and_escapes_its_text() -> None:
    page = manual.page("0.1.0", EPOCH)
    for path, _ in manual.commands(recorder, ()):
        assert f'.SS "{manual.roff(" ".join(path))}"' in page
    assert '"2026-11-26"' in page
    assert manual.roff(".so it's a-b\\") == "\\&.so it\\(aqs a\\-b\\e"


def test_full_licences_become_references_and_holders_are_found() -> None:
    terms = "   Apache License\n   Version 2.0, January 2004\nclause\n   END OF TERMS AND CONDITIONS\n"
    apache = f"Copyright (c) 2020 Somebody\n\n{terms}\nAPPENDIX"
    text = notices.by_reference(apache)
    assert "/usr/share/common-licenses/Apache-2.0" in text and "clause" not in text and text.endswith("APPENDIX")
    assert notices.holders_in([text]) == ["2020 Somebody"]


def test_the_runtime_requirements_leave_out_tools_and_the_simulator() -> None:
    pinned = runtime_requirements.blocks((ROOT / runtime_requirements.FILE).read_text(encoding="utf-8"))
    assert {"av", "cryptography", "pydantic-core"} <= pinned.keys()
    assert not {"pytest", "mypy", "sqlite-utils", "setuptools", "picamera2"} & pinned.keys()
    every = runtime_requirements.blocks((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    assert all(every[name] == text and "--hash=sha256:" in text for name, text in pinned.items())


def test_the_manual_leaves_the_commands_as_they_are() -> None:
    """click remembers a command's help option as it was first asked for."""
    manual.page("0.1.0", EPOCH)
    assert CliRunner().invoke(recorder, ["ctl", "gaps", "-h"]).exit_code == 0
