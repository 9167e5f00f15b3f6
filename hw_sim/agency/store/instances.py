"""What the instances of a store tell each other: "let go of that upload", "publish that receipt".

Datagrams on Unix sockets in ``<root>/instances/``, one socket each. Nothing depends on their arrival: an upload that is
not let go is asked for again, a receipt that is not published is fetched by its unit. A single instance talks to nobody.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from hw_sim.agency.store.disk import make_dirs

log = logging.getLogger("agency.store")

FOLDER = "instances"
MAX_MESSAGE = 4096


class Instances:
    """``start`` begins to listen; ``tell`` may be called from any thread."""

    def __init__(self, root: Path, heard: Callable[[str, str], None]) -> None:
        """``heard(kind, subject)`` is called on a thread of its own."""
        self._dir = root / FOLDER
        make_dirs(self._dir)
        self._heard = heard
        self._path = self._dir / f"{os.getpid()}-{uuid4().hex[:8]}"
        self._dir_fd = os.open(self._dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._address(self._path))
        self._path.chmod(0o600)
        self._closing = False
        self._thread = threading.Thread(target=self._listen, name="instances", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def tell(self, kind: str, subject: str) -> None:
        """To all others. The socket of one that was killed is cleared away by whoever finds it."""
        if self._closing:
            return  # the folder's descriptor may be gone, and nothing depends on what is said
        message = json.dumps([kind, subject]).encode()
        for path in self._dir.iterdir():
            if path == self._path:
                continue
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.setblocking(False)
                try:
                    out.sendto(message, self._address(path))
                except OSError as error:
                    if error.errno == errno.ECONNREFUSED:
                        path.unlink(missing_ok=True)  # nobody has it open: that alone proves a death
                    else:
                        log.info("instance %s: %s", path.name, error)

    def close(self) -> None:
        self._closing = True
        self._path.unlink(missing_ok=True)
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            log.debug("listening socket was down already")
        self._thread.join(2.0)
        self._socket.close()
        os.close(self._dir_fd)

    def _address(self, path: Path) -> str:
        """By descriptor: an address holds 108 bytes, and a store's root may lie deeper than that."""
        return f"/proc/self/fd/{self._dir_fd}/{path.name}"

    def _listen(self) -> None:
        while True:
            data = self._socket.recv(MAX_MESSAGE)
            if not data:
                if self._closing:
                    return
                continue
            try:
                kind, subject = json.loads(data)
                self._heard(str(kind), str(subject))
            except Exception:
                # Another version's words, or a mistake of ours: whoever asked asks again.
                log.exception("message of another instance")
