"""A stand-in for hawkBit's DDI, from its OpenAPI (eclipse-hawkbit/hawkbit, ``DdiRootControllerRestApi.java``): the
resources a target uses, over real TLS, with switches for what networks and servers do. hawkBit itself is Java and does not
run here."""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from recorder.uplink.tls_socket import use_tls_socket
from tests.uplink.pki import UNIT, Pki

TOKEN = "0123456789abcdef"


class DdiServer:
    """``offer`` a deployment; ``feedback`` is what came back, in order."""

    def __init__(self, pki: Pki) -> None:
        self.files: dict[str, bytes] = {}
        self.action: str | None = None
        self.cancel: tuple[str, str] | None = None
        self.asks_confirmation = False
        self.plan: dict[str, Any] = {}
        self.feedback: list[tuple[str, str, dict[str, Any]]] = []
        self.attributes: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        # --- switches ---
        self.cut_after: list[int] = []
        """Each download takes one: the connection ends after so many bytes."""
        self.no_range = False
        self.answers: list[tuple[str, int, bytes]] = []
        """(part of the path, status, body): given instead, once each."""
        self.lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.get(self)

            def do_PUT(self) -> None:
                server.put(self)

            do_POST = do_PUT

            def log_message(self, format: str, *args: Any) -> None:
                del format, args

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: Any, client_address: Any) -> None:
                del request, client_address  # a target that hangs up in the middle

        context = use_tls_socket(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        context.load_cert_chain(pki.server_cert, pki.server_key)
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._server.server_address[1]}"

    @property
    def root(self) -> str:
        return f"{self.url}/DEFAULT/controller/v1/{UNIT}"

    def __enter__(self) -> DdiServer:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def offer(self, action: str, files: dict[str, bytes]) -> None:
        self.action, self.files = action, files

    def closed(self, action: str) -> list[str]:
        """Results of the ``closed`` feedback on a deployment."""
        return [
            str(body["status"]["result"]["finished"])
            for channel, of, body in self.feedback
            if channel == "deploymentBase" and of == action and body["status"]["execution"] == "closed"
        ]

    # --- requests ----------------------------------------------------------------------------------------------------

    def _begin(self, handler: BaseHTTPRequestHandler) -> bool:
        with self.lock:
            self.requests.append((handler.command, handler.path, dict(handler.headers)))
            for index, (part, status, body) in enumerate(self.answers):
                if part in handler.path:
                    del self.answers[index]
                    self._answer(handler, status, body)
                    return False
        if handler.headers.get("Authorization") != f"TargetToken {TOKEN}":
            self._answer(handler, 401, b"")
            return False
        return True

    def get(self, handler: BaseHTTPRequestHandler) -> None:
        if not self._begin(handler):
            return
        path = handler.path.split("?")[0].removeprefix(f"/DEFAULT/controller/v1/{UNIT}")
        if path == "":
            self._json(handler, self._base())
        elif path == f"/deploymentBase/{self.action}":
            self._json(handler, {"id": self.action, "deployment": self._plan()})
        elif path == f"/confirmationBase/{self.action}":
            self._json(handler, {"id": self.action, "confirmation": self._plan()})
        elif self.cancel is not None and path == f"/cancelAction/{self.cancel[0]}":
            self._json(handler, {"id": self.cancel[0], "cancelAction": {"stopId": self.cancel[1]}})
        elif path.startswith("/softwaremodules/1/artifacts/") and path.split("/")[-1] in self.files:
            self._file(handler, self.files[path.split("/")[-1]])
        else:
            self._answer(handler, 404, b"{}")

    def put(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        if not self._begin(handler):
            return
        path = handler.path.removeprefix(f"/DEFAULT/controller/v1/{UNIT}")
        if path == "/configData" and handler.command == "PUT":
            self.attributes.append(body)
        elif path.endswith("/feedback") and handler.command == "POST":
            _, channel, action, _ = path.split("/")
            if channel == "confirmationBase":
                self.asks_confirmation = body["confirmation"] != "confirmed"
            else:
                self._feedback(channel, action, body)
        else:
            self._answer(handler, 405, b"{}")
            return
        self._answer(handler, 200, b"")

    def _feedback(self, channel: str, action: str, body: dict[str, Any]) -> None:
        self.feedback.append((channel, action, body))
        if body["status"]["execution"] == "closed" and (channel == "cancelAction" or action == self.action):
            self.action = None
        if channel == "cancelAction":
            self.cancel = None

    def _base(self) -> dict[str, Any]:
        links: dict[str, Any] = {}
        if not self.attributes:
            links["configData"] = {"href": f"{self.root}/configData"}
        if self.cancel is not None:
            links["cancelAction"] = {"href": f"{self.root}/cancelAction/{self.cancel[0]}"}
        elif self.action is not None:
            kind = "confirmationBase" if self.asks_confirmation else "deploymentBase"
            links[kind] = {"href": f"{self.root}/{kind}/{self.action}?c=-21"}
        return {"config": {"polling": {"sleep": "00:10:00"}}, "_links": links}

    def _plan(self) -> dict[str, Any]:
        artifacts = [
            {
                "filename": name,
                "hashes": {"sha1": "0" * 40, "md5": "0" * 32, "sha256": hashlib.sha256(data).hexdigest()},
                "size": len(data),
                "_links": {
                    "download": {"href": f"{self.root}/softwaremodules/1/artifacts/{name}"},
                    "download-http": {"href": f"http://127.0.0.1:1/{name}"},
                },
            }
            for name, data in self.files.items()
        ]
        chunk = {"part": "bApp", "version": "1", "name": "zfy-recorder", "artifacts": artifacts}
        return {"download": "forced", "update": "forced", "chunks": [chunk], **self.plan}

    # --- answers -----------------------------------------------------------------------------------------------------

    def _file(self, handler: BaseHTTPRequestHandler, data: bytes) -> None:
        wanted = handler.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and not self.no_range else 0
        if start and start >= len(data):
            self._answer(handler, 416, b"")
            return
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        handler.send_header("Content-Length", str(len(data) - start))
        handler.end_headers()
        cut = self.cut_after.pop(0) if self.cut_after else None
        handler.wfile.write(data[start:] if cut is None else data[start : start + cut])
        if cut is not None:
            handler.close_connection = True

    def _json(self, handler: BaseHTTPRequestHandler, document: dict[str, Any]) -> None:
        self._answer(handler, 200, json.dumps(document).encode(), "application/hal+json")

    def _answer(
        self, handler: BaseHTTPRequestHandler, status: int, body: bytes, kind: str = "application/json"
    ) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
