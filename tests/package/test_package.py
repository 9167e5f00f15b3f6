"""The packages themselves: fields, contents, the right machine's code, the same bytes each time, lintian."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path, PurePosixPath

import pytest

from tests.package.conftest import ROOT, Built
from tests.package.contents import ELF_MACHINE, control_file, fields, members
from tests.support import require_program
from tools.package.payload import destination, tracked

TARGETS = [("amd64", "3.13"), ("arm64", "3.13")]
"""Trixie is what units run; bookworm's packages come from the same code and are built by ``--package``
(test_chroots.py)."""


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "python"), TARGETS)
def test_control_fields(built: Built, architecture: str, python: str) -> None:
    package = built(architecture, python)
    control = fields(package)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert control["Package"] == "zfy-recorder" and control["Architecture"] == architecture
    assert re.fullmatch(re.escape(version) + r"(~git\d{8}\.[0-9a-f]{7,}(\.dirty)?)?\+deb13", control["Version"])
    assert package.name == f"zfy-recorder_{control['Version']}_{architecture}.deb"
    depends = [text.strip() for text in control["Depends"].split(",")]
    assert {"python3 (>= 3.13)", "python3 (<< 3.14)", "libstdc++6"} <= set(depends)
    assert any(text.startswith("libc6 (>= 2.") for text in depends)
    assert "python3-picamera2" in control["Recommends"]


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "python"), TARGETS)
def test_contents(built: Built, architecture: str, python: str) -> None:
    package = built(architecture, python)
    found = {member.name: (member, head) for member, head in members(package)}
    private = f"usr/lib/zfy-recorder/lib/python{python}/site-packages"

    for path in tracked(ROOT, "recorder", "firmware_bridge"):
        assert f"{private}/{path}" in found
    for path in tracked(ROOT, "config"):
        assert f"usr/share/zfy-recorder/{path}" in found
    for path in tracked(ROOT, "systemd"):
        place = destination(path.relative_to("systemd"))
        assert place is None or place.as_posix() in found
    assert found["usr/bin/recorder"][0].mode == 0o755
    share = PurePosixPath(private, "recorder", found[f"{private}/recorder/share"][0].linkname)
    assert os.path.normpath(share) == "usr/share/zfy-recorder"

    assert not [name for name in found if f"{private}/hw_sim" in name or "__pycache__" in name or name.endswith(".pyc")]
    # "." is called so as it is written: a folder of ours at the root would be one for all packages.
    assert {name.split("/")[0] for name in found} <= {"", ".", "usr", "etc"}
    for member, head in found.values():
        assert (member.uname, member.gname, member.uid, member.gid) == ("root", "root", 0, 0), member.name
        assert member.issym() or member.mode in (0o644, 0o755), member.name
        if head.startswith(b"\x7fELF"):
            assert int.from_bytes(head[18:20], "little") == ELF_MACHINE[architecture], member.name

    conffiles = control_file(package, "conffiles").split()
    assert sorted(conffiles) == sorted(
        f"/{name}" for name, (member, _) in found.items() if member.isfile() and name.startswith("etc/")
    )
    assert "/etc/recorder/unit.toml" in conffiles


@pytest.mark.slow
def test_nothing_secret_and_nothing_filled_in_badly(built: Built) -> None:
    package = built("amd64", "3.13")
    for name in ("preinst", "postinst", "prerm", "postrm"):
        text = control_file(package, name)
        assert not re.search(r"@[A-Z]+@|#DEBHELPER#", text), name
        done = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    assert "recorder enrol" in control_file(package, "postinst")


@pytest.mark.slow
def test_two_builds_are_the_same_bytes(built: Built, tmp_path: Path) -> None:
    first = built("amd64", "3.13")
    elsewhere = tmp_path / "another folder"
    elsewhere.mkdir()
    command = [sys.executable, "-m", "tools.package", "--arch=amd64", "--python=3.13", "--fast", f"--out={tmp_path}"]
    # What differs between two machines: where, when (the zone), the language and the umask.
    env = {**os.environ, "TMPDIR": str(elsewhere), "TZ": "Asia/Shanghai", "LANG": "zh_CN.UTF-8"}
    subprocess.run(command, cwd=ROOT, env=env, umask=0o027, check=True, capture_output=True)
    assert (tmp_path / first.name).read_bytes() == first.read_bytes()


@pytest.mark.slow
def test_lintian_has_nothing_to_say(built: Built) -> None:
    lintian = require_program("lintian")
    done = subprocess.run(
        [lintian, "--allow-root", "--fail-on=error,warning", "--tag-display-limit=0", str(built("amd64", "3.13"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not re.search(r"^[EW]: ", done.stdout, re.MULTILINE), done.stdout
