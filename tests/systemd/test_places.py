"""Who may do what with which file: tried as the services' users, in a root laid out by systemd's own tools."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recorder.capture.process import DIR_MODE, FILE_MODE
from recorder.channel import kill_switch, worker_lock
from recorder.evidence.files import OsFiles
from recorder.evidence.signer import load_or_create_key
from tests.systemd.places import UMASK, Places, lay_out, make_folders
from tests.systemd.units import SYSTEMD, setting

UNIT, CAPTURE, UPLINK = "recorder", "recorder-capture", "recorder-uplink"
DATA, RUN = "/var/lib/recorder", "/run/recorder"

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="只有 root 能变换用户 only root can make users and become somebody else"
)


@pytest.fixture(scope="module")
def places() -> Iterator[Places]:
    root = Path(f"/var/tmp/recorder-places-{os.getpid()}")  # pytest's own folders are closed to other users
    root.mkdir(mode=0o755)
    try:
        made = lay_out(root)
        make_folders(made)
        yield made
    finally:
        shutil.rmtree(root)


def write(path: Path) -> None:
    path.write_bytes(b"x")


def read(path: Path) -> None:
    path.read_bytes()


def names(path: Path) -> None:
    list(path.iterdir())


def unlink(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    OsFiles().truncate(path, 1)


def segment(path: Path) -> None:
    """As a capture worker creates it."""
    files = OsFiles(None, FILE_MODE, DIR_MODE)
    files.make_dir(path.parent)
    file = files.create(path)
    file.write(b"evidence")
    file.sync()
    file.close()


def private_key(path: Path) -> None:
    load_or_create_key(path)


def journal_file(path: Path) -> None:
    OsFiles().create(path).close()


def listen(path: Path) -> None:
    """As ``worker_link`` and ``control_socket`` do."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(path))
    path.chmod(0o660)


def connect(path: Path) -> None:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.suppress(ConnectionRefusedError):  # nobody listens any more, but the way was open
        client.connect(str(path))


def throw(path: Path) -> None:
    kill_switch.throw(path)


def arm(path: Path) -> None:
    kill_switch.arm(path)


def lock(path: Path) -> None:
    assert worker_lock.hold(path) is not None


def look_at_lock(path: Path) -> None:
    os.close(os.open(worker_lock.lock_path(path), os.O_RDWR))


STEPS: list[tuple[str, Callable[[Path], object], str, bool]] = [
    # The device key is the unit process's alone.
    (UNIT, private_key, f"{DATA}/keys/device-key.pem", True),
    (CAPTURE, read, f"{DATA}/keys/device-key.pem", False),
    (UPLINK, read, f"{DATA}/keys/device-key.pem", False),
    # The journal: written by the unit process, read by the uplink, no worker's business.
    (UNIT, journal_file, f"{DATA}/journal/1.jws", True),
    (UPLINK, names, f"{DATA}/journal", True),
    (UPLINK, read, f"{DATA}/journal/1.jws", True),
    (UPLINK, write, f"{DATA}/journal/1.jws", False),
    (UPLINK, write, f"{DATA}/journal/2.jws", False),
    (CAPTURE, read, f"{DATA}/journal/1.jws", False),
    # Segments: written by the worker, cut and removed by the unit process, read by the uplink.
    (CAPTURE, segment, f"{DATA}/segments/s/a.mp4.age", True),
    (CAPTURE, segment, f"{DATA}/segments/s/b.mp4.age", True),
    (UPLINK, read, f"{DATA}/segments/s/a.mp4.age", True),
    (UPLINK, write, f"{DATA}/segments/s/a.mp4.age", False),
    (UPLINK, unlink, f"{DATA}/segments/s/a.mp4.age", False),
    (UNIT, cut, f"{DATA}/segments/s/a.mp4.age", True),
    (UNIT, journal_file, f"{DATA}/segments/s/torn", True),  # set aside beside it
    (UNIT, unlink, f"{DATA}/segments/s/a.mp4.age", True),
    # Receipts: written by the uplink, read and thinned out by the unit process.
    (UPLINK, journal_file, f"{DATA}/receipts/r.jws", True),
    (UNIT, read, f"{DATA}/receipts/r.jws", True),
    (CAPTURE, read, f"{DATA}/receipts/r.jws", False),
    (UNIT, unlink, f"{DATA}/receipts/r.jws", True),
    # Nobody else makes files of the unit's own.
    (UNIT, write, f"{DATA}/index.db", True),
    (UPLINK, write, f"{DATA}/index.db", False),
    (UPLINK, write, f"{DATA}/new", False),
    (CAPTURE, write, f"{DATA}/new", False),
    # Statements: sealed by the unit process, sent by the uplink, no worker's business.
    (UNIT, journal_file, f"{DATA}/statements/s.document.age", True),
    (UPLINK, read, f"{DATA}/statements/s.document.age", True),
    (UPLINK, write, f"{DATA}/statements/s.document.age", False),
    (UPLINK, unlink, f"{DATA}/statements/s.document.age", False),
    (CAPTURE, read, f"{DATA}/statements/s.document.age", False),
    (UPLINK, write, f"{DATA}/uplink/outbox.db", True),
    (UNIT, read, f"{DATA}/uplink/outbox.db", False),
    # The run folder: commands from the uplink, the channel for the worker, each its own.
    (UNIT, listen, f"{RUN}/control.sock", True),
    (UPLINK, connect, f"{RUN}/control.sock", True),
    (CAPTURE, connect, f"{RUN}/control.sock", False),
    (UNIT, listen, f"{RUN}/capture/cam0.sock", True),
    (CAPTURE, connect, f"{RUN}/capture/cam0.sock", True),
    (UPLINK, connect, f"{RUN}/capture/cam0.sock", False),
    (CAPTURE, unlink, f"{RUN}/capture/cam0.sock", False),
    (UNIT, kill_switch.make, f"{RUN}/capture/cam0.kill", True),
    (CAPTURE, arm, f"{RUN}/capture/cam0.kill", True),
    (UNIT, throw, f"{RUN}/capture/cam0.kill", True),
    (UPLINK, throw, f"{RUN}/capture/cam0.kill", False),
    (CAPTURE, lock, f"{RUN}/capture/cam0.sock", True),
    (UNIT, look_at_lock, f"{RUN}/capture/cam0.sock", True),
    (UNIT, write, f"{RUN}/status.json", True),
    (UPLINK, read, f"{RUN}/status.json", True),
    (UPLINK, write, f"{RUN}/uplink/status.json", True),
    (UNIT, read, f"{RUN}/uplink/status.json", True),
    (UPLINK, write, f"{RUN}/launch.sock", False),
    # Trust is the administrator's.
    (UNIT, write, "/etc/recorder/trust/store-key.pem", False),
    (UPLINK, write, "/etc/recorder/tls/ca.pem", False),
]


def test_each_does_its_work_and_no_more(places: Places) -> None:
    """In order: later steps use the files of earlier ones."""
    wrong = [
        f"{user} {act.__name__} {path}: {'must not' if done else 'cannot'}"
        for user, act, path, wanted in STEPS
        if (done := places.may(user, act, path)) is not wanted
    ]
    assert wrong == []


def test_nobody_outside_gets_in(places: Places) -> None:
    for path in (DATA, RUN):
        assert places.mode_of(path) == (0o750, UNIT, "recorder-files")
    assert places.members[UNIT] >= {CAPTURE, UPLINK, "recorder-files", "gpio", "i2c", "audio", "dialout", "video"}
    assert places.members[CAPTURE] == {"recorder-files", "video", "audio"}
    assert places.members[UPLINK] == {"recorder-files", UNIT}


def test_a_key_left_open_is_closed_at_the_next_start(places: Places) -> None:
    """A restored backup may have any mode; ExecStartPre= sets it right."""
    key = places.below(f"{DATA}/keys/restored.pem")
    key.write_bytes(b"secret")
    key.chmod(0o644)
    os.chown(key, places.users[UNIT], places.groups[UNIT])
    client = places.below("/etc/recorder/tls/client-key.pem")
    client.write_bytes(b"secret")
    make_folders(places)
    assert places.mode_of(f"{DATA}/keys/restored.pem") == (0o600, UNIT, UNIT)
    assert places.mode_of("/etc/recorder/tls/client-key.pem") == (0o600, "root", "root")


def test_users_groups_and_masks_are_the_units_own() -> None:
    files = {UNIT: "recorder-unit.service", CAPTURE: "recorder-capture@.service", UPLINK: "recorder-uplink.service"}
    for user, name in files.items():
        unit = SYSTEMD / name
        assert setting(unit, "User") == setting(unit, "Group") == [user]
        assert [int(mask, 8) for mask in setting(unit, "UMask")] == [UMASK[user]]


def test_what_root_enrols_the_services_can_read(places: Places) -> None:
    """``recorder enrol`` is an administrator's command."""
    certificate = places.below(f"{DATA}/keys/device-cert.pem")
    OsFiles().replace(certificate, b"chain")
    private_key(places.below(f"{DATA}/keys/made-by-root.pem"))
    assert places.may(UNIT, read, f"{DATA}/keys/device-cert.pem")
    assert places.may(UNIT, read, f"{DATA}/keys/made-by-root.pem")
    OsFiles().replace(places.below("/etc/recorder/tls/ca.pem"), b"ca")
    assert places.mode_of("/etc/recorder/tls/ca.pem")[1:] == ("root", "root")
