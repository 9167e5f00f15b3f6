"""libcrypto is shared with the ssl module: what one leaves behind the other would find."""

from __future__ import annotations

import contextlib
import ssl

import pytest

from recorder.evidence.p256 import PublicKey
from recorder.uplink.tls_socket import use_tls_socket
from tests.uplink.pki import Pki


def test_a_failed_check_leaves_nothing_in_the_error_queue_of_tls(pki: Pki) -> None:
    """Otherwise the next TLS read of this thread would report a healthy connection as broken."""
    server_context = use_tls_socket(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    server_context.load_cert_chain(pki.server_cert, pki.server_key)
    client_context = ssl.create_default_context(cafile=str(pki.ca))
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(down, up, server_hostname="localhost")
    server = server_context.wrap_bio(up, down, server_side=True)
    for side in (client, server, client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    with pytest.raises(ssl.SSLWantReadError):
        client.read(1)
    assert not pki.store_signer.public_key().verify(b"\xff" * 64, b"")
    with pytest.raises(ValueError, match="certificate"):
        PublicKey.of_certificate(b"rubbish")
    with pytest.raises(ssl.SSLWantReadError):
        client.read(1)
