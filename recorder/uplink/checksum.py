"""When a PATCH carries ``Upload-Checksum`` (tus checksum extension), and the two digest headers. Pure.

The whole segment's digest is the journal's, so a PATCH of the whole file costs nothing. One that resumes must have the rest
read twice, once to know the digest before the first byte goes; docs/adr/0005-upload-protocol.md says what that buys.
"""

from __future__ import annotations

import base64

from recorder.evidence.encoding import unb64u

READ_PER_GAINED = 4


def worth_reading_twice(rest: int, gained: int | None) -> bool:
    """``rest``: bytes left to send; ``gained``: what the last PATCH brought before it broke, None without one.

    On a line that breaks each megabyte a file of forty would be read forty times: at most so many bytes are read for each
    one that arrives.
    """
    return gained is None or rest <= READ_PER_GAINED * gained


def upload_checksum(digest: bytes) -> str:
    """``Upload-Checksum`` (tus 1.0.0, checksum)."""
    return f"sha256 {base64.b64encode(digest).decode('ascii')}"


def repr_digest(sha256: str) -> str:
    """``Repr-Digest`` (RFC 9530) of a digest in the journal's form. Raises ValueError."""
    return f"sha-256=:{base64.b64encode(unb64u(sha256)).decode('ascii')}:"
