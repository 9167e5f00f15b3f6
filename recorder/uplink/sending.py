"""Send the body of a request over TLS in blocks while listening for an early answer."""

from __future__ import annotations

import select
import ssl

BLOCK = 64 * 1024


class Sending:
    """Sends blocks and listens at the same time.

    A store that is full answers and stops reading. A blocking send would sit in front of that answer until it timed out,
    and then take it for a dead link.
    """

    def __init__(self, sock: ssl.SSLSocket, io_s: float) -> None:
        self._sock = sock
        self._io_ms = round(io_s * 1000)
        self._readable = select.poll()
        self._readable.register(sock, select.POLLIN)
        self._either = select.poll()
        self._either.register(sock, select.POLLIN | select.POLLOUT)

    def send(self, block: memoryview) -> bytes | None:
        """Send all of ``block``, or return the first bytes of an answer that came before the end of the body.

        Raises TimeoutError when nothing moves for the I/O time-out, OSError and ssl.SSLError of the connection.
        """
        timeout = self._sock.gettimeout()
        self._sock.settimeout(0)
        try:
            while block:
                early = self._early()
                if early is not None:
                    return early
                try:
                    block = block[self._sock.send(block) :]
                except ssl.SSLWantWriteError:
                    if not self._either.poll(self._io_ms):
                        raise TimeoutError(f"nothing sent for {self._io_ms} ms") from None
                except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
                    # The store may have said why before it closed.
                    early = self._early()
                    if early is None:
                        raise
                    return early
            return None
        finally:
            self._sock.settimeout(timeout)

    def _early(self) -> bytes | None:
        """Bytes of an answer already there, None when there is nothing. Raises ConnectionResetError at the end.

        A readable socket alone means little: TLS 1.3 session tickets arrive after the handshake.
        """
        if not self._sock.pending() and not self._readable.poll(0):
            return None
        try:
            data = self._sock.recv(BLOCK)
        except (ssl.SSLWantReadError, BlockingIOError):
            return None
        if not data:
            raise ConnectionResetError("closed by the store while sending")
        return data
