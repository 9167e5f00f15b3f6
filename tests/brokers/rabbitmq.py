"""RabbitMQ 4 of Debian trixie in a chroot, set up with the files an agency would install (hw_sim/agency/brokers)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

from firmware_bridge.ports import Clock
from hw_sim.agency import brokers
from hw_sim.agency.authority import Authority
from hw_sim.agency.brokers.rabbitmq_definitions import definitions
from hw_sim.agency.processes import accepts, free_port, wait_until
from tests.brokers.under_test import UNIT_IDS
from tests.package.chroot import make

HERE = Path(brokers.__file__).parent
START_S = 120.0
READY = b"Server startup complete"

# The namespace of processes dies with its first one: nothing of a broker outlives a test, epmd included.
_ENTER = """\
set -e
mount -t proc proc "$0/proc"
mount --rbind /dev "$0/dev"
exec chroot "$0" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/var/lib/rabbitmq LANG=C.UTF-8 \
    RABBITMQ_NODENAME=recorder@localhost RABBITMQ_LOGS=- RABBITMQ_DIST_PORT="$1" ERL_EPMD_PORT="$2" \
    ERL_EPMD_ADDRESS=127.0.0.1 RABBITMQ_CONFIG_FILES=/etc/rabbitmq/conf.d \
    RABBITMQ_ENABLED_PLUGINS_FILE=/etc/rabbitmq/enabled_plugins \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} +S 2:2" \
    /usr/lib/rabbitmq/bin/rabbitmq-server
"""


class RabbitMq:
    """Context manager. Everything listens on 127.0.0.1: MQTT, Erlang distribution, epmd."""

    name = "rabbitmq"
    keeps_what_it_acknowledged = True
    expires_within_s = 12.0  # a quorum queue looks every five seconds
    retains_delayed_wills = False
    wildcards_get_what_is_retained = False

    def __init__(self, directory: Path, authority: Authority, clock: Clock) -> None:
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self.port, self._dist_port, self._epmd_port, amqp = (free_port() for _ in range(4))
        self.log_file = directory / "rabbitmq.log"
        directory.mkdir(parents=True, exist_ok=True)
        self._chroot = make("trixie", "amd64", directory / "root", foreign=False, packages=("rabbitmq-server",))
        self._configure(authority, amqp)

    def _configure(self, authority: Authority, amqp: int) -> None:
        etc = self._chroot.root / "etc/rabbitmq"
        shutil.rmtree(etc)
        (etc / "tls").mkdir(parents=True)
        (etc / "conf.d").mkdir()
        shutil.copyfile(HERE / "rabbitmq.conf", etc / "conf.d/20-recorder.conf")
        (etc / "conf.d/90-test.conf").write_text(
            f"listeners.tcp.local = 127.0.0.1:{amqp}\n"
            f"mqtt.listeners.ssl.default = 127.0.0.1:{self.port}\n"
            "load_definitions = /etc/rabbitmq/definitions.json\n"
            "log.console = true\nlog.console.level = info\n",
            encoding="ascii",
        )
        (etc / "enabled_plugins").write_text("[rabbitmq_mqtt,rabbitmq_auth_mechanism_ssl].\n", encoding="ascii")
        (etc / "definitions.json").write_text(json.dumps(definitions(UNIT_IDS)), encoding="ascii")
        for name in ("ca.pem", "server-cert.pem", "server-key.pem"):
            shutil.copyfile(authority.server_dir / name, etc / "tls" / name)

    def __enter__(self) -> RabbitMq:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        before = self._ready()
        arguments = [str(self._chroot.root), str(self._dist_port), str(self._epmd_port)]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _ENTER, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(
            lambda: self._ready() > before and accepts(self.port),
            self._process,
            self._clock,
            START_S,
            "rabbitmq",
            self.log_file,
        )

    def _ready(self) -> int:
        return self.log_file.read_bytes().count(READY) if self.log_file.exists() else 0

    def kill(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(10)
        self._gone()

    def stop(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        for pid in _descendants(self._process.pid):
            if Path(f"/proc/{pid}/comm").read_text().startswith("beam"):
                os.kill(pid, signal.SIGTERM)
        self._process.wait(60)
        self._gone()

    def _gone(self) -> None:
        """The kernel takes the namespace apart after the process that was waited for has ended."""
        self._process = None
        pause = threading.Event()
        while accepts(self.port) or accepts(self._epmd_port):
            pause.wait(0.02)

    def restart(self) -> None:
        self.stop()
        self.start()


def _descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children] + [each for child in children for each in _descendants(int(child))]
