"""A TLS socket that is closed when it cannot even begin: the peer was gone before its first TLS byte.

``ssl.SSLContext.wrap_socket`` takes the descriptor over, then asks who the peer is. When the connection was reset in
between, CPython 3.11 raises from there without closing what it has taken: the caller's socket is detached, the new one is
only in the traceback, and the descriptor stays open until the garbage collector comes by. Seen with captive portals, which
reset as soon as they meet TLS they do not speak.
"""

from __future__ import annotations

import errno
import socket
import ssl
from typing import Any


class TlsSocket(ssl.SSLSocket):
    """For ``SSLContext.sslsocket_class``."""

    def getpeername(self) -> Any:
        """Raises ConnectionResetError, and the socket is closed, when there is no peer any more. One that listens has none
        to begin with: that is ENOTCONN, as ever."""
        try:
            return super().getpeername()
        except OSError as error:
            if self.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                raise
            self.close()
            raise ConnectionResetError(errno.ECONNRESET, "reset before TLS began") from error


def use_tls_socket(context: ssl.SSLContext) -> ssl.SSLContext:
    context.sslsocket_class = TlsSocket
    return context
