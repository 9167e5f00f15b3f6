"""The nginx in front of a store's instances: its configuration, made from a few settings. Pure; also a command:

    python -m hw_sim.agency.nginx --help

docs/adr/0019 says why each line that matters is as it is; ``tests/hw_sim/agency/test_front.py`` runs it on a real nginx.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hw_sim.agency.store.proxy_identity import HEADER

Balance = Literal["unit", "round-robin"]
_PROBLEM = '{{"type":"urn:zfy:{type}","title":"{en}","title_zh":"{zh}","status":{status}}}'


@dataclass(frozen=True, slots=True)
class FrontSettings:
    """``sockets``: one of each instance, in a folder nginx's workers may enter. ``tls``: folder with ``server-cert.pem``
    and ``server-key.pem``. ``work``: pid file, error log and nginx's temporary folders. ``user``: whom the workers run
    as, when the master is root.

    ``balance``: ``unit`` sends a unit to the same instance as long as that lives, so that its journal is read once.
    ``requests``: of uploads, and of all else, under way at once and ``creates_per_minute``: new uploads, of one certificate
    over all instances, as ``quota`` counts them in each.
    ``uploads``: of ordinary ones under way at once, of all units; more than there are slots (docs/fleet-scale.md).
    ``workers``, ``connections``: nginx's own; connections count in both directions, of each worker
    (``hw_sim.agency.sizing`` says how many)."""

    listen: str
    sockets: tuple[Path, ...]
    tls: Path
    ca: Path
    crl: Path
    work: Path
    user: str = ""
    balance: Balance = "unit"
    requests: int = 8
    uploads: int = 200
    creates_per_minute: int = 600
    io_s: int = 20
    workers: int = 2
    connections: int = 2048


def configuration(settings: FrontSettings) -> str:
    """The whole ``nginx.conf``."""
    user = f"user {settings.user};\n" if settings.user else ""
    servers = "\n".join(f"        server unix:{path} max_fails=0;" for path in settings.sockets)
    balance = "hash $ssl_client_s_dn consistent;" if settings.balance == "unit" else "# round-robin"
    work = settings.work
    temporary = "\n".join(
        f"    {name}_temp_path {work}/temp/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""\
# 由 hw_sim.agency.nginx 生成 made by hw_sim.agency.nginx
{user}daemon off;
worker_processes {settings.workers};
pid {work}/nginx.pid;
error_log {work}/nginx-error.log warn;
events {{ worker_connections {settings.connections}; }}
http {{
    access_log off;
    server_tokens off;
    default_type application/octet-stream;
{temporary}

    # One certificate, one unit: its name is the key of every limit. An empty key is not counted.
    map $request_method $creates {{ POST $ssl_client_s_dn; default ""; }}
    limit_conn_zone $ssl_client_s_dn zone=unit_uploads:10m;
    limit_conn_zone $ssl_client_s_dn zone=unit_others:10m;
    # All units together: ordinary uploads are turned away when the store is full. What a unit calls first (marked evidence,
    # little time left: Priority u=0 to u=2, RFC 9218) is not counted, and so never finds the door shut by the others.
    map $http_priority $ordinary {{ default uploads; "~*(^|[ ,])u=[0-2]([ ,;]|$)" ""; }}
    limit_conn_zone $ordinary zone=all_uploads:1m;
    limit_req_zone $creates zone=unit_creates:10m rate={settings.creates_per_minute}r/m;
    limit_conn_status 429;
    limit_req_status 429;
    limit_conn_log_level notice;
    limit_req_log_level notice;

    # A dead instance refuses the connection to its socket at once, and nginx asks the next one. max_fails=0: otherwise one
    # refusal takes an instance out for 10 s, and all of them when all restart.
    upstream ingest {{
        {balance}
{servers}
    }}

    server {{
        # What lies in buffers here when an instance dies is sent twice: no larger than a unit's own send buffer.
        listen {settings.listen} ssl rcvbuf=128k;
        ssl_certificate {settings.tls}/server-cert.pem;
        ssl_certificate_key {settings.tls}/server-key.pem;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_client_certificate {settings.ca};
        ssl_crl {settings.crl};
        ssl_verify_client on;
        ssl_verify_depth 1;
        # A resumed session is not checked against the list again.
        ssl_session_cache off;
        ssl_session_tickets off;

        client_header_timeout 10s;
        client_body_timeout {settings.io_s}s;
        send_timeout {settings.io_s}s;
        keepalive_timeout 75s;
        client_max_body_size 0;  # the store knows what was declared

        # A body goes on as it comes: what waits in a proxy is neither durable nor acknowledged, and is sent twice after a
        # fault. The answer comes back as soon as it is given, even while the body is still being sent.
        proxy_request_buffering off;
        proxy_buffering off;
        proxy_http_version 1.1;
        proxy_connect_timeout 5s;
        proxy_send_timeout {settings.io_s}s;
        proxy_read_timeout 120s;  # reading an object back takes a while

        # The certificate that was verified, whatever the client sent under this name. Never $http_…, never a name alone.
        proxy_set_header {HEADER} $ssl_client_escaped_cert;
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For "";
        proxy_set_header X-Real-IP "";

        # Journals and receipts are counted apart: uploads never keep them out.
        location / {{
            limit_conn unit_others {settings.requests};
            proxy_pass http://ingest;
        }}
        location = /uploads {{
            limit_req zone=unit_creates burst={settings.creates_per_minute} nodelay;
            limit_conn unit_uploads {settings.requests};
            proxy_pass http://ingest;
        }}
        location /uploads/ {{
            limit_conn unit_uploads {settings.requests};
            limit_conn all_uploads {settings.uploads};
            proxy_pass http://ingest;
        }}

        error_page 429 = @busy;
        error_page 495 496 = @certificate;
        error_page 502 504 = @away;
        location @busy {{
            internal;
            default_type application/problem+json;
            add_header Retry-After 2 always;
            return 429 '{_problem("too-many-requests", "too many requests of one unit", "请求过多，请稍后再试", 429)}';
        }}
        location @certificate {{
            internal;
            default_type application/problem+json;
            return 403 '{_problem("forbidden", "no valid client certificate", "没有有效的客户端证书", 403)}';
        }}
        location @away {{
            internal;
            default_type application/problem+json;
            add_header Retry-After 1 always;
            return 503 '{_problem("unavailable", "the store is not there right now", "存储暂时不可用", 503)}';
        }}
    }}
}}
"""


def _problem(kind: str, en: str, zh: str, status: int) -> str:
    return _PROBLEM.format(type=kind, en=en, zh=zh, status=status)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="hw_sim.agency.nginx", description="存储前置 nginx 的配置 nginx.conf for a store"
    )
    parser.add_argument("--listen", default="443")
    parser.add_argument("--socket", type=Path, action="append", required=True, help="of one instance; repeat it")
    for name in ("tls", "ca", "crl", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--user", default="www-data")
    parser.add_argument("--unit-requests", type=int, default=8)
    parser.add_argument("--uploads", type=int, default=200, help="ordinary uploads of all units at once")
    parser.add_argument("--unit-creates", type=int, default=600)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--connections", type=int, default=2048, help="of each worker, in both directions")
    given = parser.parse_args(argv)
    settings = FrontSettings(
        listen=given.listen,
        sockets=tuple(given.socket),
        tls=given.tls,
        ca=given.ca,
        crl=given.crl,
        work=given.work,
        user=given.user,
        requests=given.unit_requests,
        uploads=given.uploads,
        creates_per_minute=given.unit_creates,
        workers=given.workers,
        connections=given.connections,
    )
    sys.stdout.write(configuration(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
