"""A connection that is reset before TLS begins leaves no descriptor open, on either side of it."""

from __future__ import annotations

import os
import socket
import ssl
import struct

import pytest

from recorder.uplink.tls_socket import TlsSocket, use_tls_socket
from tests.uplink.pki import Pki


def reset_pair() -> socket.socket:
    """One end of a TCP connection the other end has reset."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        here = socket.create_connection(listener.getsockname())
        there, _ = listener.accept()
    there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    there.close()
    return here


@pytest.mark.parametrize("server_side", [False, True])
def test_a_reset_before_tls_begins_closes_the_socket(pki: Pki, server_side: bool) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT)
    if server_side:
        context.load_cert_chain(pki.server_cert, pki.server_key)
    raw = reset_pair()
    descriptor = raw.fileno()
    with pytest.raises(ConnectionResetError) as caught:
        use_tls_socket(context).wrap_socket(
            raw, server_side=server_side, server_hostname=None if server_side else "127.0.0.1"
        )
    assert caught.value.errno is not None
    with pytest.raises(OSError, match="Bad file descriptor"):  # while the traceback still holds what was made
        os.fstat(descriptor)


def test_a_connection_that_stands_is_a_tls_socket_like_any_other(pki: Pki) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pki.server_cert, pki.server_key)
    client = ssl.create_default_context(cafile=str(pki.ca))
    one, other = socket.socketpair()
    with (
        one,
        other,
        use_tls_socket(client).wrap_socket(one, server_hostname="127.0.0.1", do_handshake_on_connect=False) as link,
    ):
        assert isinstance(link, TlsSocket)
        assert link.getpeername() is not None


def test_a_socket_that_listens_has_no_peer_and_is_wrapped_all_the_same(pki: Pki) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.server_cert, pki.server_key)
    with socket.socket() as raw:
        raw.bind(("127.0.0.1", 0))
        raw.listen()
        with use_tls_socket(context).wrap_socket(raw, server_side=True) as listener:
            assert listener.fileno() >= 0
            with pytest.raises(OSError, match="not connected"):
                listener.getpeername()
